//! Requests signed ahead, opened by whoever has them.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use storage_core::{
    ErrorKind, ReadOptions, SignRequest, SignedMethod, SignedRequest, StatOptions, WriteOptions,
};

use crate::run::{Outcome, Place, key, on};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("signing/every-method", methods),
        on("signing/versions", versions),
        on("signing/odd-keys", odd_keys),
        on("signing/writes-are-the-stores", writes),
        on("signing/what-cannot-be-signed", refused),
    ]
}

fn minute(method: SignedMethod) -> SignRequest {
    SignRequest::new(method, Duration::from_secs(60))
}

/// Status and body of the answer.
async fn open(signed: &SignedRequest, body: &'static str) -> Result<(u16, String), Failed> {
    let method = reqwest::Method::from_bytes(signed.method.as_str().as_bytes())?;
    let mut request = reqwest::Client::new().request(method, signed.url.reveal());
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await?;
    Ok((answer.status().as_u16(), String::from_utf8(answer.bytes().await?.to_vec())?))
}

async fn methods(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    let put = store.presign(&key("k"), minute(SignedMethod::Put)).await?;
    assert_eq!(open(&put, "abc").await?.0, 200);
    assert_eq!(store.stat(&key("k"), StatOptions::new()).await?.attributes.content_type, None);
    let get = store.presign(&key("k"), minute(SignedMethod::Get)).await?;
    assert_eq!(open(&get, "").await?, (200, "abc".to_owned()));
    let head = store.presign(&key("k"), minute(SignedMethod::Head)).await?;
    assert_eq!(open(&head, "").await?, (200, String::new()));
    // For the one it is good for alone.
    let mut other = put;
    other.url = get.url.clone();
    assert_eq!(open(&other, "abc").await?.0, 403);
    let delete = store.presign(&key("k"), minute(SignedMethod::Delete)).await?;
    assert_eq!(open(&delete, "").await?.0, 204);
    assert!(!store.exists(&key("k")).await?);
    let shown = format!("{delete:?}");
    assert!(!shown.contains("X-Goog-Signature"), "{shown}");
    Ok(())
}

async fn versions(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let store = place.store(|c| c.versions(true)).await?;
    let old = store.write(&key("k"), "old", WriteOptions::new()).await?.version.expect("a version");
    store.write(&key("k"), "new", WriteOptions::new()).await?;
    for (method, body) in [(SignedMethod::Get, "old"), (SignedMethod::Head, "")] {
        let signed = store.presign(&key("k"), minute(method).version(old.clone())).await?;
        assert_eq!(open(&signed, "").await?, (200, body.to_owned()));
    }
    let signed = store.presign(&key("k"), minute(SignedMethod::Delete).version(old.clone())).await?;
    assert_eq!(open(&signed, "").await?.0, 204);
    let gone = store.read(&key("k"), ReadOptions::new().version(old)).await.expect_err("it was deleted");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"new");
    Ok(())
}

async fn odd_keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    for name in [
        "a/../b",
        "./a",
        "a/.",
        "../../a",
        "a//b",
        "/a",
        "a/",
        "a b",
        " a ",
        "a+b",
        "a%2Fb",
        "a%b",
        "a&b=c?d#e",
        "käse/日本語",
        "~a_b-c.d",
        "a;b:c@d,e!f$g'h(i)j*k",
        "\"<>\\^`{|}",
        "\u{7f}\u{1}\t",
        "[a]",
        "%2e%2e/a",
    ] {
        let put = store.presign(&key(name), minute(SignedMethod::Put)).await?;
        let (status, said) = open(&put, "abc").await?;
        assert_eq!(status, 200, "{name:?}: {said}");
        assert_eq!(&store.read(&key(name), ReadOptions::new()).await?.bytes[..], b"abc", "{name:?}");
        let get = store.presign(&key(name), minute(SignedMethod::Get)).await?;
        assert_eq!(open(&get, "").await?, (200, "abc".to_owned()), "{name:?}");
    }
    Ok(())
}

/// What the holder of a URL writes is as the store would have written it.
async fn writes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.storage_class("NEARLINE").predefined_acl("publicRead")).await?;
    for content_type in ["text/x", "text/x;  charset=utf-8;\tq=\"a  b\"", "text/käse"] {
        let request = minute(SignedMethod::Put).content_type(content_type);
        let signed = match store.presign(&key("k"), request).await {
            Ok(signed) => signed,
            Err(refused) => {
                assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
                continue;
            }
        };
        assert!(signed.headers.contains(&("x-goog-acl".to_owned(), "public-read".to_owned())));
        let (status, said) = open(&signed, "abc").await?;
        assert_eq!(status, 200, "{content_type}: {said}");
        let told = place.resource("k").await?;
        assert_eq!((&told["storageClass"], &told["contentType"]), (&"NEARLINE".into(), &content_type.into()));
        // Without its headers it is another request.
        let mut bare = signed;
        bare.headers.clear();
        assert_ne!(open(&bare, "abc").await?.0, 200);
    }
    Ok(())
}

async fn refused(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    for seconds in [0, 7 * 24 * 3600 + 1, u64::MAX] {
        let request = SignRequest::new(SignedMethod::Get, Duration::from_secs(seconds));
        let refused = store.presign(&key("k"), request).await.expect_err("too long or too short");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    }
    let week = SignRequest::new(SignedMethod::Get, Duration::from_secs(7 * 24 * 3600));
    let signed = store.presign(&key("missing"), week).await?;
    assert_eq!(open(&signed, "").await?.0, 404);
    Ok(())
}

//! Objects that others wrote, and that say more, or less, than ours.

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use serde_json::json;
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{
    Algorithm, CopyOptions, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, StatOptions, Store,
};
use storage_gcs::{Config, Credentials, Gcs};

use crate::run::{NOWHERE, Outcome, Place, body, key, on, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("foreign/packed-objects-are-read-as-they-lie", gzip),
        on("foreign/objects-without-a-type", bare),
        on("foreign/strange-metadata", metadata),
        on("foreign/composed-objects", composed),
        on("foreign/keys-that-are-none", keys),
        test("foreign/answers-that-lack-fields", fields),
        test("foreign/downloads-that-were-unpacked", unpacked),
    ]
}

/// `x` and `y` and so on, as gzip has it.
const GZIP: &[u8] =
    &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xab, 0xa8, 0xac, 2, 0, 0x67, 0x0e, 0xba, 0xeb, 3, 0, 0, 0];

async fn gzip(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    place.insert("k", json!({ "contentEncoding": "gzip", "contentType": "text/plain" }), GZIP).await?;
    let store = place.store(|c| c).await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(&read.bytes[..], GZIP);
    assert_eq!(read.metadata.attributes.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(read.metadata, store.stat(&key("k"), StatOptions::new()).await?);
    for range in [0..5, 3..10, 10..23] {
        let part = store.read(&key("k"), ReadOptions::new().range(range.clone())).await?;
        assert_eq!(part.bytes[..], GZIP[range.start as usize..range.end as usize]);
    }
    store.copy(&key("k"), &key("l"), CopyOptions::new()).await?;
    assert_eq!(&store.read(&key("l"), ReadOptions::new()).await?.bytes[..], GZIP);
    Ok(())
}

async fn bare(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    place.insert("k", json!({}), b"x").await?;
    let store = place.store(|c| c).await?;
    let found = store.stat(&key("k"), StatOptions::new()).await?;
    assert_eq!(store.read(&key("k"), ReadOptions::new()).await?.metadata, found);
    assert!(found.attributes.user.is_empty() && found.token.is_none(), "{found:?}");
    let listed: Vec<_> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(
        listed.into_iter().filter_map(|entry| entry.into_object()).next().map(|o| o.metadata),
        Some(found)
    );
    Ok(())
}

async fn metadata(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let strange = json!({
        "Upper-Case": "Value", "käse": "x", "with space": "x", "ok": "käse", "colon:": "x", "line": "a\nb",
        "empty": "", "": "no name", "word": "=?UTF-8?Q?k=C3=A4se?=", "bad": "=?UTF-8?B?!!!?=",
        "haul-write": "0123-notours", "goog-reserved-x": "y",
    });
    place.insert("k", json!({ "metadata": strange }), b"x").await?;
    let store = place.store(|c| c).await?;
    let found = store.stat(&key("k"), StatOptions::new()).await?;
    let user = &found.attributes.user;
    assert_eq!(user["upper-case"], "Value");
    assert_eq!((user["ok"].as_str(), user["empty"].as_str()), ("käse", ""));
    assert_eq!(user["word"], "=?UTF-8?Q?k=C3=A4se?=");
    assert_eq!(user["bad"], "=?UTF-8?B?!!!?=");
    assert_eq!(found.token, None);
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(&read.bytes[..], b"x");
    assert_eq!(read.metadata.attributes.user["upper-case"], "Value");
    assert_eq!(read.metadata.attributes.user["ok"], "käse");
    let listed: Vec<_> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(
        listed.into_iter().filter_map(|entry| entry.into_object()).next().map(|o| o.metadata),
        Some(found)
    );
    store.copy(&key("k"), &key("l"), CopyOptions::new()).await?;
    assert_eq!(place.resource("l").await?["metadata"], strange);
    Ok(())
}

async fn composed(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let content = body(1000);
    place.insert("part", json!({}), &content).await?;
    let url = format!("{}/o/{}/compose", place.bucket_url(), crate::run::encode(&place.full("k")));
    let sources =
        json!({ "sourceObjects": [{ "name": place.full("part") }, { "name": place.full("part") }] });
    let post = reqwest::Client::new().post(url).header("content-type", "application/json");
    post.body(sources.to_string()).send().await?.error_for_status()?;
    let store = place.store(|c| c).await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert!(read.bytes == content.repeat(2));
    assert_eq!(read.metadata.checksums.get(Algorithm::Md5), None);
    assert!(read.metadata.checksums.get(Algorithm::Crc32c).is_some());
    assert_eq!(read.metadata, store.stat(&key("k"), StatOptions::new()).await?);
    Ok(())
}

/// One entry that cannot be named is one error, and the listing goes on.
async fn keys(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for name in ["a", "nul\0nul", "z"] {
        place.insert(name, json!({}), b"x").await?;
    }
    let store = place.store(|c| c).await?;
    let listed: Vec<_> =
        futures_util::StreamExt::collect(store.list(&Prefix::root(), ListOptions::new())).await;
    let names: Vec<_> = listed
        .iter()
        .map(|entry: &storage_core::Result<storage_core::Entry>| entry.as_ref().ok().map(|e| e.name()))
        .collect();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), [&"a", &"z"]);
    assert_eq!(names.len(), 3, "{listed:?}");
    let failed = listed.iter().find_map(|entry| entry.as_ref().err()).expect("an error");
    assert_eq!(failed.kind(), ErrorKind::InvalidKey, "{failed}");
    Ok(())
}

/// A store that is always answered like this.
async fn answered(answer: Answer) -> Result<(Store, Proxy), libtest_mimic::Failed> {
    let proxy = Proxy::http(NOWHERE).expect("a port");
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(answer))));
    let config = Config::new("bucket").endpoint(format!("http://{}", proxy.address()));
    let backend = Gcs::open(config.credentials(Credentials::Anonymous)).await?;
    Ok((Store::new(backend).with_retry(RetryPolicy::none()), proxy))
}

async fn fields() -> Outcome {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "7",
        "\"x\"",
        r#"{"generation":7}"#,
        r#"{"generation":"7"}"#,
        r#"{"generation":"7","size":"-1"}"#,
        r#"{"generation":"7","size":"99999999999999999999"}"#,
        r#"{"generation":"7","size":"1""#,
        r#"{"generation":"","size":"x"}"#,
    ] {
        let (store, _proxy) = answered(Answer::new(200).body(text)).await?;
        let failed = store.stat(&key("k"), StatOptions::new()).await.expect_err(text);
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{text}: {failed}");
    }
    for text in [
        r#"{"generation":"7","size":"1","timeCreated":"yesterday","crc32c":"!","md5Hash":"AA==","metadata":{}}"#,
    ] {
        let (store, _proxy) = answered(Answer::new(200).body(text)).await?;
        let found = store.stat(&key("k"), StatOptions::new()).await?;
        assert_eq!((found.size, found.modified, found.checksums.iter().count()), (1, None, 0));
    }
    for text in [r#"{"items":[{}]}"#, r#"{"items":7}"#, r#"{"nextPageToken":7}"#, "[]"] {
        let (store, _proxy) = answered(Answer::new(200).body(text)).await?;
        let listed: Result<Vec<_>, _> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await;
        let failed = listed.expect_err(text);
        assert_eq!(failed.kind(), ErrorKind::InvalidData, "{text}: {failed}");
    }
    for text in [r#"{"nextPageToken":""}"#, "{}", r#"{"items":[],"prefixes":[]}"#] {
        let (store, _proxy) = answered(Answer::new(200).body(text)).await?;
        let listed: Vec<_> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
        assert!(listed.is_empty());
    }
    // Pages without an end.
    let (store, _proxy) = answered(Answer::new(200).body(r#"{"nextPageToken":"x"}"#)).await?;
    let listed: Result<Vec<_>, _> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await;
    assert_eq!(listed.expect_err("a circle").kind(), ErrorKind::InvalidData);
    let cleaned = store.cleanup(&Prefix::root()).await.expect_err("a circle");
    assert_eq!(cleaned.kind(), ErrorKind::InvalidData);
    // A copy without an end.
    for text in [r#"{"done":false}"#, r#"{"done":true}"#, r#"{"done":false,"rewriteToken":"t"}"#] {
        let (store, _proxy) = answered(Answer::new(200).body(text)).await?;
        let copied = store.copy(&key("k"), &key("l"), CopyOptions::new()).await.expect_err(text);
        assert_eq!(copied.kind(), ErrorKind::InvalidData, "{text}: {copied}");
    }
    Ok(())
}

/// Of what somebody on the way unpacked, size and ranges are others than those of the object.
async fn unpacked() -> Outcome {
    let answer = Answer::new(200)
        .header("x-goog-generation", "7")
        .header("x-goog-stored-content-length", "23")
        .header("x-goog-stored-content-encoding", "gzip")
        .header("warning", "214 UploadServer gunzipped")
        .body("xyz");
    let (store, _proxy) = answered(answer).await?;
    let failed = store.read(&key("k"), ReadOptions::new()).await.expect_err("other bytes");
    assert_eq!(failed.kind(), ErrorKind::InvalidData, "{failed}");
    Ok(())
}

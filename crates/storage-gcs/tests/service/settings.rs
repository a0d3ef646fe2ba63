//! The service's own settings, and what an object keeps beside its content.

use libtest_mimic::Trial;
use storage_conformance::proxy::{Answer, Fault, Plan, Rule};
use storage_core::{
    Attributes, CopyOptions, DeleteTarget, ErrorKind, ReadOptions, StatOptions, Store, WriteOptions,
};
use storage_gcs::{Config, Uploads};

use crate::run::{Outcome, Place, body, key, on};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("settings/storage-class", storage_class),
        on("settings/storage-class-of-a-copy", class_of_copy),
        on("settings/attributes", attributes),
        on("settings/values-that-no-header-can-have", no_headers),
        on("settings/what-services-say-by-themselves", defaults),
        on("settings/parameters-of-requests", parameters),
        on("settings/project-that-pays", project),
        on("settings/customer-key", customer_key),
        on("settings/part-size", part_size),
        on("settings/old-objects-are-replaced-whole", replaced),
    ]
}

const MIB: usize = 1 << 20;
const WAYS: [&str; 4] = ["once", "parts", "composed", "copy"];

/// An object by every way there is.
async fn fill(
    place: &Place,
    settings: impl Fn(Config) -> Config,
    options: &WriteOptions,
) -> Result<Store, libtest_mimic::Failed> {
    let store = place.store(&settings).await?;
    let composing = place.store(|c| settings(c).uploads(Uploads::Compose)).await?;
    let parts = || options.clone().part_size(1 << 20);
    store.write(&key("once"), body(1000), options.clone()).await?;
    store.write(&key("parts"), body(9 * MIB), parts()).await?;
    composing.write(&key("composed"), body(9 * MIB), parts()).await?;
    let plain = place.store(|c| c).await?;
    plain.write(&key("plain"), body(1000), options.clone()).await?;
    store.copy(&key("plain"), &key("copy"), CopyOptions::new()).await?;
    Ok(store)
}

async fn storage_class(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let options = WriteOptions::new().content_type("text/x").user_metadata("a", "b");
    let store = fill(&place, |c| c.storage_class("NEARLINE"), &options).await?;
    for name in WAYS {
        assert_eq!(place.resource(name).await?["storageClass"], "NEARLINE", "{name}");
        let found = store.stat(&key(name), StatOptions::new()).await?;
        assert_eq!(found.attributes.content_type.as_deref(), Some("text/x"), "{name}");
        assert_eq!(found.attributes.user["a"], "b", "{name}");
    }
    Ok(())
}

/// Attributes and content of a copy are of one version, also where it takes two requests.
async fn class_of_copy(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let proxy = place.proxy();
    let direct = place.store(|c| c.versions(true)).await?;
    let dressed = |text: &str| WriteOptions::new().content_type(text);
    let old = direct.write(&key("k"), "old", dressed("text/old")).await?;
    let store = place.through(&proxy, |c| c.versions(true).storage_class("NEARLINE")).await?;
    let slow = Rule::new(Fault::Delay(std::time::Duration::from_millis(500))).method("GET").nth(0..1);
    proxy.set(Plan::new().rule(slow));
    let (from, to) = (key("k"), key("l"));
    let copy = store.copy(&from, &to, CopyOptions::new());
    let replace = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        direct.write(&key("k"), "new", dressed("text/new")).await
    };
    let (copied, replaced) = tokio::join!(copy, replace);
    replaced?;
    assert_eq!(copied?.attributes.content_type.as_deref(), Some("text/new"));
    assert_eq!(&store.read(&to, ReadOptions::new()).await?.bytes[..], b"new");
    let options = CopyOptions::new().source_version(old.version.expect("a version"));
    for to in [&to, &from] {
        let copied = store.copy(&from, to, options.clone()).await?;
        assert_eq!(copied.attributes.content_type.as_deref(), Some("text/old"));
        assert_eq!(&store.read(to, ReadOptions::new()).await?.bytes[..], b"old");
    }
    let missing = store.copy(&key("none"), &to, CopyOptions::new()).await.expect_err("no source");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    let options = CopyOptions::new().if_absent();
    let stands = store.copy(&from, &to, options).await.expect_err("it is there");
    assert_eq!(stands.kind(), ErrorKind::AlreadyExists, "{stands}");
    let options = CopyOptions::new().source_if_match(old.etag.expect("an ETag"));
    let other = store.copy(&from, &key("m"), options).await.expect_err("the source is another");
    assert_eq!(other.kind(), ErrorKind::PreconditionFailed, "{other}");
    Ok(())
}

async fn attributes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let mut all = Attributes::default();
    all.content_type = Some("text/plain; charset=utf-8".to_owned());
    all.content_encoding = Some("x-own".to_owned());
    all.content_language = Some("de-AT, en".to_owned());
    all.content_disposition = Some("attachment; filename=\"a b.txt\"".to_owned());
    all.cache_control = Some("no-cache, max-age=7".to_owned());
    let values = ["as it is", " käse ", "", "=?UTF-8?B?a8Okc2U=?=", "\"quoted\", and: more", "日本語"];
    for (at, value) in values.into_iter().enumerate() {
        all.user.insert(format!("name-{at}"), value.to_owned());
    }
    for attributes in [all, Attributes::default()] {
        let store = fill(&place, |c| c, &WriteOptions::new().attributes(attributes.clone())).await?;
        for name in WAYS {
            let found = store.stat(&key(name), StatOptions::new()).await?;
            assert_eq!(found.attributes, attributes, "{name}");
            let read = store.read(&key(name), ReadOptions::new()).await?;
            assert_eq!(read.metadata, found, "{name}");
        }
    }
    Ok(())
}

async fn no_headers(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    for value in ["a\nb", "a\r\nx-goog-acl: public-read", " a", "a\t", "\u{7f}"] {
        let mut attributes = Attributes::default();
        attributes.content_disposition = Some(value.to_owned());
        for content in [body(1), body(9 * MIB)] {
            let options = WriteOptions::new().attributes(attributes.clone());
            let refused = store.write(&key("k"), content, options).await.expect_err(value);
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
            assert!(!refused.to_string().contains(['\n', '\r']), "{refused}");
        }
    }
    // What is not ASCII is no trouble.
    let mut attributes = Attributes::default();
    attributes.content_disposition = Some("attachment; filename=\"käse.txt\"".to_owned());
    store.write(&key("k"), "x", WriteOptions::new().attributes(attributes.clone())).await?;
    let read = store.read(&key("k"), ReadOptions::new()).await?;
    assert_eq!(read.metadata.attributes, attributes);
    Ok(())
}

/// What a download says of an object without a value may be a user's value as well.
async fn defaults(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c).await?;
    for value in ["private, max-age=0", "public, max-age=3600"] {
        let mut attributes = Attributes::default();
        attributes.cache_control = Some(value.to_owned());
        let options = WriteOptions::new().attributes(attributes.clone());
        store.write(&key("k"), "x", options).await?;
        assert_eq!(place.resource("k").await?["cacheControl"], value);
        store.copy(&key("k"), &key("l"), CopyOptions::new()).await?;
        assert_eq!(place.resource("l").await?["cacheControl"], value);
    }
    Ok(())
}

async fn parameters(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let key_name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let settings = |c: Config| c.predefined_acl("publicRead").kms_key(key_name);
    let store = place.through(&proxy, settings).await?;
    store.write(&key("once"), "x", WriteOptions::new()).await?;
    store.write(&key("parts"), body(9 * MIB), WriteOptions::new()).await?;
    store.copy(&key("once"), &key("copy"), CopyOptions::new()).await?;
    let composing = place.through(&proxy, |c| settings(c).uploads(Uploads::Compose)).await?;
    composing.write(&key("composed"), body(9 * MIB), WriteOptions::new()).await?;
    let posts: Vec<_> = proxy.requests().into_iter().filter(|request| request.method == "POST").collect();
    assert_eq!(posts.len(), 6, "{posts:?}");
    for post in posts {
        let target = post.target.to_ascii_lowercase();
        assert!(target.contains("predefinedacl=publicread"), "{target}");
        assert!(target.contains("kmskeyname=projects%2fp%2f"), "{target}");
    }
    Ok(())
}

async fn project(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.user_project("who-pays")).await?;
    store.write(&key("k"), body(9 * MIB), WriteOptions::new()).await?;
    store.read(&key("k"), ReadOptions::new()).await?;
    store.delete(key("k")).await?;
    let refusal = r#"{"error":{"message":"Bucket is a requester pays bucket but no user project provided.","errors":[{"reason":"required"}]}}"#;
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(400).body(refusal)))));
    let failed = store.read(&key("k"), ReadOptions::new()).await.expect_err("nobody pays");
    assert_eq!(failed.kind(), ErrorKind::InvalidConfig, "{failed}");
    assert!(failed.to_string().contains("`user_project`"), "{failed}");
    Ok(())
}

/// The emulator takes no notice of such keys.
async fn customer_key(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let secret = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
    let store = place.store(|c| c.customer_key(secret)).await?;
    assert_eq!(store.capabilities().signed_urls, None, "whoever held such a URL would need the key as well");
    store.write(&key("k"), body(9 * MIB), WriteOptions::new()).await?;
    store.read(&key("k"), ReadOptions::new()).await?;
    store.copy(&key("k"), &key("l"), CopyOptions::new()).await?;
    assert!(!format!("{store:?}").contains("YWFh"), "{store:?}");
    Ok(())
}

async fn part_size(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for (asked, given) in [(0, 256 << 10), (1, 256 << 10), (300_000, 512 << 10), (8 << 20, 8 << 20)] {
        let limits = place.store(|c| c.part_size(asked)).await?.capabilities().limits;
        assert_eq!((limits.part_preferred, limits.write_max), (given, given), "{asked}");
    }
    for huge in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 5 << 40, (5 << 40) + 1] {
        let limits = place.store(|c| c.part_size(huge)).await?.capabilities().limits;
        assert_eq!((limits.part_preferred, limits.write_max), (limits.part_max, limits.part_max), "{huge}");
    }
    Ok(())
}

async fn replaced(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let mut all = Attributes::default();
    all.content_type = Some("text/old".to_owned());
    all.cache_control = Some("no-store".to_owned());
    all.user.insert("old".to_owned(), "old".to_owned());
    fill(&place, |c| c, &WriteOptions::new().attributes(all)).await?;
    let store = fill(&place, |c| c, &WriteOptions::new()).await?;
    for name in WAYS {
        let found = store.stat(&key(name), StatOptions::new()).await?;
        assert_eq!(found.attributes, Attributes::default(), "{name}");
        store.delete(DeleteTarget::new(key(name)).if_match(found.etag.expect("an ETag"))).await?;
    }
    Ok(())
}

//! Listings of generations.

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_core::{DeleteTarget, Entry, ListOptions, Prefix, ReadOptions, StatOptions, WriteOptions};

use crate::run::{Outcome, Place, key, on};

pub(crate) fn tests() -> Vec<Trial> {
    vec![on("versions/of-one-key-on-several-pages", pages), on("versions/none-is-the-latest", deleted)]
}

/// The service lists the oldest first, a thousand on a page.
async fn pages(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let store = place.store(|c| c.versions(true)).await?;
    let mut expected = Vec::new();
    for (name, count) in [("a", 7), ("b", 2100), ("b/c", 3), ("d", 1)] {
        let mut versions = Vec::new();
        for _ in 0..count {
            let written = store.write(&key(name), "x", WriteOptions::new()).await?;
            versions.push((name.to_owned(), written.version.expect("a version")));
        }
        expected.extend(versions.into_iter().rev());
    }
    let listed: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    let listed: Vec<_> = listed.into_iter().filter_map(Entry::into_object).collect();
    let latest = listed.iter().filter(|object| object.metadata.is_latest).count();
    assert_eq!(latest, 4);
    let listed: Vec<_> = listed
        .into_iter()
        .map(|object| (object.key.as_str().to_owned(), object.metadata.version.expect("a version")))
        .collect();
    assert_eq!(listed.len(), expected.len());
    assert!(listed == expected, "in another order");
    Ok(())
}

async fn deleted(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let store = place.store(|c| c.versions(true)).await?;
    let old = store.write(&key("k"), "old", WriteOptions::new()).await?;
    store.write(&key("k"), "new", WriteOptions::new()).await?;
    store.delete(key("k")).await?;
    let listed: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    let listed: Vec<_> = listed.into_iter().filter_map(Entry::into_object).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|object| !object.metadata.is_latest), "{listed:?}");
    let version = old.version.expect("a version");
    let read = store.read(&key("k"), ReadOptions::new().version(version.clone())).await?;
    assert_eq!(&read.bytes[..], b"old");
    let found = store.stat(&key("k"), StatOptions::new().version(version.clone())).await?;
    assert_eq!((&found.etag, &found.version), (&read.metadata.etag, &read.metadata.version));
    store.delete(DeleteTarget::new(key("k")).version(version)).await?;
    let left: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    assert_eq!(left.len(), 1);
    Ok(())
}

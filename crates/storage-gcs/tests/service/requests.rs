//! What each operation costs in requests, which is what services charge for and what distance multiplies.
//! `docs/requests.md` tells them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_conformance::proxy::Proxy;
use storage_core::{
    Attributes, CopyOptions, DeleteTarget, ListOptions, Prefix, ReadOptions, RenameOptions, SignRequest,
    SignedMethod, StatOptions, Store, WriteOptions,
};
use storage_gcs::Uploads;

use crate::run::{Outcome, Place, body, key, on};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("requests/objects", objects),
        on("requests/changes", changes),
        on("requests/many", many),
        on("requests/composed", composed),
    ]
}

const MIB: usize = 1 << 20;

/// What was sent since the last time is this, in any order.
fn is(proxy: &Proxy, operation: &str, expected: &str) {
    let mut methods: BTreeMap<String, usize> = BTreeMap::new();
    let requests = proxy.requests();
    for request in &requests {
        *methods.entry(request.method.clone()).or_default() += 1;
    }
    let counted: Vec<String> = methods.iter().map(|(method, count)| format!("{count} {method}")).collect();
    let lines: Vec<String> = requests.iter().map(|r| format!("{} {}", r.method, r.target)).collect();
    assert_eq!(counted.join(", "), expected, "{operation}: {lines:#?}");
    proxy.forget();
}

async fn objects(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    is(&proxy, "open", "");
    store.write(&key("small"), body(1000), WriteOptions::new()).await?;
    is(&proxy, "write", "1 POST");
    store.write(&key("largest"), body(8 * MIB), WriteOptions::new()).await?;
    is(&proxy, "write of 8 MiB", "1 POST");
    store.write(&key("once"), body(10), WriteOptions::new().if_absent()).await?;
    is(&proxy, "write if absent", "1 POST");
    store.write(&key("parts"), body(12 * MIB), WriteOptions::new().part_size(5 << 20)).await?;
    is(&proxy, "write of 3 parts", "1 POST, 4 PUT");
    store.stat(&key("small"), StatOptions::new()).await?;
    is(&proxy, "stat", "1 GET");
    assert!(!store.exists(&key("missing")).await?);
    is(&proxy, "exists", "1 GET");
    store.read(&key("small"), ReadOptions::new()).await?;
    is(&proxy, "read", "1 GET");
    store.read(&key("small"), ReadOptions::new().range(5..10)).await?;
    is(&proxy, "read of a range", "1 GET");
    store.read_ranges(&key("small"), &[0..10, 20..30, 990..1000], ReadOptions::new()).await?;
    is(&proxy, "read of 3 ranges close together", "1 GET");
    store.reader(&key("parts"), ReadOptions::new()).await?.try_for_each(async |_| Ok(())).await?;
    is(&proxy, "reader to the end", "1 GET");
    store.presign(&key("small"), SignRequest::new(SignedMethod::Get, Duration::from_secs(60))).await?;
    is(&proxy, "presign", "");
    Ok(())
}

async fn changes(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let (small, copy) = (key("small"), key("copy"));
    store.write(&small, body(1000), WriteOptions::new()).await?;
    proxy.forget();
    store.copy(&small, &copy, CopyOptions::new()).await?;
    is(&proxy, "copy", "1 POST");
    store.copy(&small, &copy, CopyOptions::new().attributes(Attributes::default())).await?;
    is(&proxy, "copy with other attributes", "1 POST");
    store.copy(&small, &small, CopyOptions::new()).await?;
    is(&proxy, "copy onto itself", "1 GET");
    store.rename(&copy, &key("renamed"), RenameOptions::new()).await?;
    is(&proxy, "rename", "1 DELETE, 1 GET, 1 POST");
    store.delete(DeleteTarget::new(key("renamed"))).await?;
    is(&proxy, "delete", "1 DELETE");
    store.delete_all([key("a"), key("b")].map(DeleteTarget::new)).await;
    is(&proxy, "delete of 2", "2 DELETE");
    store.cleanup(&Prefix::new("nothing-there/")?).await?;
    is(&proxy, "clean-up", "1 GET");
    Ok(())
}

async fn many(endpoint: String) -> Outcome {
    const OBJECTS: usize = 1200;
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for at in 0..OBJECTS {
        store.write(&key(&format!("many/{at:05}")), "x", WriteOptions::new()).await?;
    }
    proxy.forget();
    let listed: Vec<_> = store.list(&Prefix::new("many/")?, ListOptions::new()).try_collect().await?;
    assert_eq!(listed.len(), OBJECTS);
    is(&proxy, "list of 1,200 objects", "2 GET");
    let level: Vec<_> = store.list(&Prefix::root(), ListOptions::new().delimiter('/')).try_collect().await?;
    assert_eq!(level.len(), 1, "{level:?}");
    is(&proxy, "list of one level above them", "1 GET");
    Ok(())
}

async fn composed(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store: Store = place.through(&proxy, |c| c.uploads(Uploads::Compose)).await?;
    store.write(&key("parts"), body(12 * MIB), WriteOptions::new().part_size(5 << 20)).await?;
    is(&proxy, "write of 3 parts", "3 DELETE, 4 POST");
    Ok(())
}

//! What each operation costs, counted on the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_conformance::proxy::Proxy;
use storage_core::{
    Attributes, ByteRange, CopyOptions, DeleteTarget, ListOptions, Prefix, ReadOptions, RenameOptions,
    SignRequest, SignedMethod, StatOptions, Store, WriteOptions,
};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::AZURITE;

pub(crate) fn tests() -> Vec<Trial> {
    vec![on(AZURITE, "requests/each-operation", each)]
}

const MIB: usize = 1 << 20;

/// What was sent since the last time is this, in any order.
fn is(proxy: &Proxy, operation: &str, expected: &str) {
    let mut methods: BTreeMap<String, usize> = BTreeMap::new();
    for request in proxy.requests() {
        *methods.entry(request.method).or_default() += 1;
    }
    let counted: Vec<String> = methods.iter().map(|(method, count)| format!("{count} {method}")).collect();
    let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
    let lines: Vec<String> = proxy.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect();
    assert_eq!(counted, expected, "{operation}: {lines:#?}");
    proxy.forget();
}

async fn each(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    is(&proxy, "open", "none");
    objects(&store, &proxy).await?;
    changes(&store, &proxy).await?;
    many(&store, &proxy).await
}

async fn objects(store: &Store, proxy: &Proxy) -> Outcome {
    store.write(&key("small"), body(1000), WriteOptions::new()).await?;
    is(proxy, "write up to 8 MiB", "1 PUT");
    store.write(&key("once"), body(10), WriteOptions::new().if_absent()).await?;
    is(proxy, "write if absent", "1 PUT");
    store.write(&key("parts"), body(12 * MIB), WriteOptions::new().part_size(5 << 20)).await?;
    is(proxy, "write of 3 parts", "4 PUT");
    store.stat(&key("small"), StatOptions::new()).await?;
    is(proxy, "stat", "1 HEAD");
    assert!(!store.exists(&key("missing")).await?);
    is(proxy, "exists", "1 HEAD");
    store.read(&key("small"), ReadOptions::new()).await?;
    is(proxy, "read", "1 GET");
    store.read(&key("small"), ReadOptions::new().range(5..10)).await?;
    is(proxy, "read of a range", "1 GET");
    store.read(&key("small"), ReadOptions::new().range(ByteRange::Suffix(10))).await?;
    is(proxy, "read of an end", "1 GET, 1 HEAD");
    store.read_ranges(&key("small"), &[0..10, 20..30, 990..1000], ReadOptions::new()).await?;
    is(proxy, "read of 3 ranges close together", "1 GET");
    store.reader(&key("parts"), ReadOptions::new()).await?.try_for_each(async |_| Ok(())).await?;
    is(proxy, "reader to the end of 12 MiB", "1 GET");
    store.presign(&key("small"), SignRequest::new(SignedMethod::Get, Duration::from_secs(60))).await?;
    is(proxy, "presign", "none");
    Ok(())
}

async fn changes(store: &Store, proxy: &Proxy) -> Outcome {
    let (small, copy) = (key("small"), key("copy"));
    store.copy(&small, &copy, CopyOptions::new()).await?;
    is(proxy, "copy", "1 HEAD, 1 PUT");
    store.copy(&small, &copy, CopyOptions::new().attributes(Attributes::default())).await?;
    is(proxy, "copy with other attributes", "1 HEAD, 2 PUT");
    store.copy(&small, &small, CopyOptions::new()).await?;
    is(proxy, "copy onto itself", "1 HEAD");
    store.rename(&copy, &key("renamed"), RenameOptions::new()).await?;
    is(proxy, "rename", "1 DELETE, 2 HEAD, 1 PUT");
    store.delete(DeleteTarget::new(key("renamed"))).await?;
    is(proxy, "delete", "1 DELETE");
    store.delete_all((0..120).map(|at| DeleteTarget::new(key(&at.to_string())))).await;
    is(proxy, "delete of 120", "120 DELETE");
    Ok(())
}

async fn many(store: &Store, proxy: &Proxy) -> Outcome {
    for at in 0..20 {
        store.write(&key(&format!("many/{at:02}")), "x", WriteOptions::new()).await?;
    }
    proxy.forget();
    let listed: Vec<_> = store.list(&Prefix::new("many/")?, ListOptions::new()).try_collect().await?;
    assert_eq!(listed.len(), 20);
    is(proxy, "list of a page", "1 GET");
    let level: Vec<_> = store.list(&Prefix::root(), ListOptions::new().delimiter('/')).try_collect().await?;
    assert_eq!(level.len(), 4, "{level:?}");
    is(proxy, "list of one level above them", "1 GET");
    Ok(())
}

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

use crate::run::{Outcome, Place, body, key, on};
use crate::support::SEAWEEDFS;

pub(crate) fn tests() -> Vec<Trial> {
    vec![on(SEAWEEDFS, "requests/each-operation", each)]
}

const MIB: usize = 1 << 20;

/// Counts what goes by.
struct Count {
    proxy: Proxy,
}

impl Count {
    /// What was sent since the last time is this, in any order.
    fn is(&self, operation: &str, expected: &str) {
        let mut methods: BTreeMap<String, usize> = BTreeMap::new();
        for request in self.proxy.requests() {
            *methods.entry(request.method).or_default() += 1;
        }
        let counted: Vec<String> =
            methods.iter().map(|(method, count)| format!("{count} {method}")).collect();
        let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
        let lines: Vec<String> =
            self.proxy.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect();
        assert_eq!(counted, expected, "{operation}: {lines:#?}");
        self.proxy.forget();
    }
}

async fn each(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c.conditions(storage_s3::Conditions::ALL)).await?;
    let count = Count { proxy };
    objects(&store, &count).await?;
    changes(&store, &count).await?;
    many(&place, &store, &count).await?;
    Ok(())
}

async fn objects(store: &Store, count: &Count) -> Outcome {
    count.is("open", "none");
    store.write(&key("small"), body(1000), WriteOptions::new()).await?;
    count.is("write up to 8 MiB", "1 PUT");
    store.write(&key("once"), body(10), WriteOptions::new().if_absent()).await?;
    count.is("write if absent", "1 PUT");
    store.write(&key("parts"), body(12 * MIB), WriteOptions::new().part_size(5 << 20)).await?;
    count.is("write of 3 parts", "2 POST, 3 PUT");
    store.stat(&key("small"), StatOptions::new()).await?;
    count.is("stat", "1 HEAD");
    assert!(!store.exists(&key("missing")).await?);
    count.is("exists", "1 HEAD");
    store.read(&key("small"), ReadOptions::new()).await?;
    count.is("read", "1 GET");
    store.read(&key("small"), ReadOptions::new().range(5..10)).await?;
    count.is("read of a range", "1 GET");
    store.read_ranges(&key("small"), &[0..10, 20..30, 990..1000], ReadOptions::new()).await?;
    count.is("read of 3 ranges close together", "1 GET");
    store.reader(&key("parts"), ReadOptions::new()).await?.try_for_each(async |_| Ok(())).await?;
    count.is("reader to the end of 12 MiB", "1 GET");
    store.presign(&key("small"), SignRequest::new(SignedMethod::Get, Duration::from_secs(60))).await?;
    count.is("presign", "none");
    Ok(())
}

async fn changes(store: &Store, count: &Count) -> Outcome {
    let (small, copy) = (key("small"), key("copy"));
    store.copy(&small, &copy, CopyOptions::new()).await?;
    count.is("copy", "1 HEAD, 1 PUT");
    store.copy(&small, &copy, CopyOptions::new().attributes(Attributes::default())).await?;
    count.is("copy with other attributes", "1 HEAD, 1 PUT");
    store.copy(&small, &small, CopyOptions::new()).await?;
    count.is("copy onto itself", "1 HEAD");
    store.rename(&copy, &key("renamed"), RenameOptions::new()).await?;
    count.is("rename", "1 DELETE, 2 HEAD, 1 PUT");
    store.delete(DeleteTarget::new(key("renamed"))).await?;
    count.is("delete", "1 DELETE");
    store.cleanup(&Prefix::new("nothing-there/")?).await?;
    count.is("clean-up that finds nothing", "1 GET");
    Ok(())
}

async fn many(place: &Place, store: &Store, count: &Count) -> Outcome {
    const OBJECTS: usize = 2500;
    let prefix = Prefix::new("many/")?;
    let names: Vec<String> = (0..OBJECTS).map(|at| format!("many/{at:05}")).collect();
    let direct = place.store(|c| c).await?;
    let writes = names.iter().map(|name| {
        let direct = direct.clone();
        async move { direct.write(&key(name), "x", WriteOptions::new()).await }
    });
    let mut writes = std::pin::pin!(futures_util::StreamExt::buffer_unordered(
        futures_util::stream::iter(writes.collect::<Vec<_>>()),
        16
    ));
    while writes.try_next().await?.is_some() {}
    let listed: Vec<_> = store.list(&prefix, ListOptions::new()).try_collect().await?;
    assert_eq!(listed.len(), OBJECTS);
    count.is("list of 2,500 objects", "3 GET");
    let level: Vec<_> = store.list(&Prefix::root(), ListOptions::new().delimiter('/')).try_collect().await?;
    assert_eq!(level.len(), 4, "{level:?}");
    count.is("list of one level above them", "1 GET");
    let gone = store.delete_all(names.iter().map(|name| DeleteTarget::new(key(name)))).await;
    assert!(gone.iter().all(|(_, result)| result.is_ok()), "{gone:?}");
    count.is("delete of 2,500 objects", "3 POST");
    let etag = store.stat(&key("small"), StatOptions::new()).await?.etag.expect("an ETag");
    count.proxy.forget();
    let conditional = ["small", "none"].map(|name| DeleteTarget::new(key(name)).if_match(etag.clone()));
    store.delete_all(conditional).await;
    count.is("delete of 2 objects by ETag", "2 DELETE");
    Ok(())
}

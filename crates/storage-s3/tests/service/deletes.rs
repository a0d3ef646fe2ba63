//! Batches that are not all of one kind, and what is left of interrupted writes.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use libtest_mimic::Trial;
use storage_conformance::proxy::{Answer, Fault, Plan, Rule};
use storage_core::{
    DeleteTarget, Entry, ErrorKind, ListOptions, Prefix, ReadOptions, RetryPolicy, WriteOptions,
};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::{CEPH, SEAWEEDFS, client};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(CEPH, "deletes/keys-that-xml-cannot-hold", no_xml),
        on(SEAWEEDFS, "deletes/errors-of-single-keys", per_key),
        on(SEAWEEDFS, "deletes/of-a-service-without-batches", no_batches),
        on(SEAWEEDFS, "deletes/a-batch-that-failed-is-repeated", repeated),
        on(SEAWEEDFS, "versions/odd-keys-in-a-listing", versions),
        on(CEPH, "versions/odd-keys-in-a-listing-on-ceph", versions),
        on(CEPH, "versions/pages-of-a-listing-on-ceph", version_pages),
        on(SEAWEEDFS, "versions/of-before-there-were-any", null_version),
        on(CEPH, "versions/of-before-there-were-any-on-ceph", null_version),
        on(SEAWEEDFS, "cleanup/more-than-a-page", many_uploads),
        on(SEAWEEDFS, "cleanup/of-odd-keys", odd_uploads),
        on(CEPH, "cleanup/of-odd-keys-on-ceph", odd_uploads),
        on(SEAWEEDFS, "cleanup/spares-what-goes-on", in_use),
        on(SEAWEEDFS, "cleanup/spares-what-is-young", young),
    ]
}

fn targets<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<DeleteTarget> {
    names.into_iter().map(|name| DeleteTarget::new(key(name))).collect()
}

async fn no_xml(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    let odd = ["a\u{1}b", "a\rb", "a\r\nb", "a\u{fffe}b", "\u{1f}"];
    let plain = ["plain", "a\tb", "a\nb", " edge ", "<&>\"'", "a]]>b", "käse", "\u{85}\u{2028}", "\u{1f600}"];
    let all: Vec<&str> = odd.into_iter().chain(plain).collect();
    for name in &all {
        store.write(&key(name), *name, WriteOptions::new()).await?;
    }
    // Neighbours by what a parser of XML makes of a key.
    let neighbours = ["ab", "a b", "edge", " edge", "a\\nb", "&lt;&amp;&gt;\"'"];
    for name in neighbours {
        store.write(&key(name), name, WriteOptions::new()).await?;
    }
    proxy.forget();
    for (target, result) in store.delete_all(targets(all.iter().copied())).await {
        result.map_err(|e| format!("{:?}: {e}", target.key))?;
    }
    let count = |method: &str| proxy.requests().iter().filter(|r| r.method == method).count();
    assert_eq!((count("POST"), count("DELETE")), (1, odd.len()));
    for name in &all {
        assert!(!store.exists(&key(name)).await?, "{name:?} is still there");
    }
    for name in neighbours {
        assert!(store.exists(&key(name)).await?, "{name:?} went with another");
    }
    Ok(())
}

/// The service deletes what it may, and names the rest.
async fn per_key(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?.with_retry(RetryPolicy::none());
    let error = |name: &str, code: &str| {
        let full = place.full(name).replace('&', "&amp;").replace('\n', "&#10;");
        format!("<Error><Key>{full}</Key><Code>{code}</Code><Message>so it is</Message></Error>")
    };
    let answer = |errors: &[String]| {
        let all = errors.concat();
        let body =
            format!("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{all}</DeleteResult>");
        Plan::new().rule(Rule::new(Fault::Answer(Answer::new(200).body(body))).method("POST"))
    };
    let names = ["fine", "denied", "a&b ", "busy", "locked\nup", "gone"];
    proxy.set(answer(&[
        error("denied", "AccessDenied"),
        error("a&b ", "AccessDenied"),
        error("busy", "SlowDown"),
        error("locked\nup", "InternalError"),
        error("gone", "NoSuchKey"),
    ]));
    let results = store.delete_all(targets(names)).await;
    let kinds: Vec<_> =
        results.iter().map(|(_, r)| r.as_ref().err().map(storage_core::Error::kind)).collect();
    let denied = Some(ErrorKind::PermissionDenied);
    let expected = [None, denied, denied, Some(ErrorKind::Throttled), Some(ErrorKind::Unavailable), None];
    assert_eq!(kinds, expected, "{results:?}");
    for (target, result) in &results {
        let Err(error) = result else { continue };
        assert_eq!(error.key(), Some(target.key.as_str()));
    }
    assert!(results[4].1.as_ref().is_err_and(|e| e.may_have_been_applied()), "{results:?}");
    // One that was not asked for: then nobody knows what the answer is about.
    proxy.set(answer(&[error("other", "AccessDenied")]));
    for (_, result) in store.delete_all(targets(names)).await {
        let error = result.expect_err("a wrong answer");
        assert!(error.kind() == ErrorKind::InvalidData && error.may_have_been_applied(), "{error}");
    }
    Ok(())
}

async fn no_batches(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    for (status, code) in [(501, "NotImplemented"), (405, "MethodNotAllowed"), (501, "")] {
        let store = place.through(&proxy, |c| c).await?;
        let text =
            if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        proxy.set(Plan::new().rule(Rule::new(Fault::Answer(Answer::new(status).body(text))).method("POST")));
        let names = ["a", "b", "missing", "c d"];
        for round in 0..2 {
            for name in ["a", "b", "c d"] {
                store.write(&key(name), name, WriteOptions::new()).await?;
            }
            proxy.forget();
            for (target, result) in store.delete_all(targets(names)).await {
                result.map_err(|e| format!("{:?}: {e}", target.key))?;
            }
            let count = |method: &str| proxy.requests().iter().filter(|r| r.method == method).count();
            // It is asked once, and believed from there on.
            assert_eq!((count("POST"), count("DELETE")), (1 - round, 4), "{status} {code}");
        }
        let left: Vec<Entry> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
        assert!(left.is_empty(), "{left:?}");
    }
    Ok(())
}

async fn repeated(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let proxy = place.proxy();
    let store = place.through(&proxy, |c| c).await?;
    for name in ["a", "b"] {
        store.write(&key(name), name, WriteOptions::new()).await?;
    }
    let busy = Answer::new(503).body("<Error><Code>SlowDown</Code></Error>");
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(busy)).method("POST").nth(0..2)));
    for (_, result) in store.delete_all(targets(["a", "b"])).await {
        result?;
    }
    assert_eq!(proxy.unmet(), [""; 0]);
    assert!(!store.exists(&key("a")).await?);
    Ok(())
}

const ODD: [&str; 7] = ["a b", "a+b", "a%2Fb", "a%20b", "käse", "a&b", "100%"];

/// Not every service encodes the names of versions, or says so.
async fn versions(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let store = place.store(|c| c.versions(true)).await?;
    for name in ODD {
        store.write(&key(name), name, WriteOptions::new()).await?;
    }
    store.delete(DeleteTarget::new(key("a+b"))).await?;
    let listed: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    let mut names: Vec<&str> = listed.iter().map(Entry::name).collect();
    names.sort_unstable();
    let mut expected = ODD.to_vec();
    expected.push("a+b");
    expected.sort_unstable();
    assert_eq!(names, expected);
    for entry in listed {
        let object = entry.into_object().expect("an object");
        if object.metadata.is_delete_marker {
            continue;
        }
        let version = object.metadata.version.expect("a version");
        let read = store.read(&object.key, ReadOptions::new().version(version)).await?;
        assert_eq!(read.bytes, object.key.as_str());
    }
    Ok(())
}

/// More versions than fit a page, of names that are encoded: the place where the next page begins is a name too.
async fn version_pages(endpoint: String) -> Outcome {
    let place = Place::in_bucket(&endpoint, "haul-versions", true).await;
    let store = place.store(|c| c.versions(true)).await?;
    let names: Vec<String> = (0..1100).map(|at| format!("a +%25/{at:04}")).collect();
    let writes: Vec<_> = names
        .iter()
        .map(|name| {
            let store = store.clone();
            async move { store.write(&key(name), "x", WriteOptions::new()).await }
        })
        .collect();
    stream::iter(writes).buffer_unordered(8).try_for_each(async |_| Ok(())).await?;
    let listed: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    let listed: Vec<&str> = listed.iter().map(Entry::name).collect();
    assert_eq!(listed.len(), names.len());
    assert_eq!(listed, names);
    Ok(())
}

/// What was written before the bucket kept versions has one all the same.
async fn null_version(endpoint: String) -> Outcome {
    let bucket: &'static str = format!("haul-late-{:08x}", fastrand::u32(..)).leak();
    let place = Place::in_bucket(&endpoint, bucket, false).await;
    place.store(|c| c).await?.write(&key("k"), "before", WriteOptions::new()).await?;
    let place = Place { name: place.name, ..Place::in_bucket(&endpoint, bucket, true).await };
    let store = place.store(|c| c.versions(true)).await?;
    let old = store.stat(&key("k"), storage_core::StatOptions::new()).await?.version.expect("a version");
    assert_eq!(old.as_str(), "null");
    store.write(&key("k"), "after", WriteOptions::new()).await?;
    let read = store.read(&key("k"), ReadOptions::new().version(old.clone())).await?;
    assert_eq!(&read.bytes[..], b"before");
    let listed: Vec<Entry> =
        store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await?;
    let versions: Vec<_> = listed.into_iter().filter_map(Entry::into_object).collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(
        versions[0].metadata.is_latest && versions[1].metadata.version.as_ref() == Some(&old),
        "{versions:?}"
    );
    store.delete(DeleteTarget::new(key("k")).version(old.clone())).await?;
    let gone = store.read(&key("k"), ReadOptions::new().version(old)).await.expect_err("it was deleted");
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    assert_eq!(&store.read(&key("k"), ReadOptions::new()).await?.bytes[..], b"after");
    Ok(())
}

async fn begin(place: &Place, name: &str) -> Outcome {
    let begun = client(&place.endpoint).create_multipart_upload().bucket(place.bucket).key(place.full(name));
    begun.send().await?;
    Ok(())
}

async fn many_uploads(endpoint: String) -> Outcome {
    const UPLOADS: u64 = 1050;
    let place = Place::new(&endpoint).await;
    let client = client(&place.endpoint);
    let begun: Vec<_> = (0..UPLOADS)
        .map(|at| {
            client
                .create_multipart_upload()
                .bucket(place.bucket)
                .key(place.full(&format!("{}/{at}", at % 7)))
                .send()
        })
        .collect();
    stream::iter(begun).buffer_unordered(8).try_for_each(async |_| Ok(())).await?;
    let store = place.store(|c| c.cleanup_age(Duration::ZERO)).await?;
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (UPLOADS, 0));
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (0, 0));
    Ok(())
}

/// Services do not agree on whether these names are encoded.
async fn odd_uploads(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    for name in ODD {
        begin(&place, name).await?;
    }
    let store = place.store(|c| c.cleanup_age(Duration::ZERO)).await?;
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (ODD.len() as u64, 0));
    assert_eq!(store.cleanup(&Prefix::root()).await?.removed, 0);
    Ok(())
}

async fn in_use(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.cleanup_age(Duration::ZERO)).await?;
    begin(&place, "left/behind").await?;
    begin(&place, "left-alone").await?;
    let mut writer = store.writer(&key("left/on"), WriteOptions::new().part_size(5 << 20)).await?;
    writer.write(body(6 << 20)).await?;
    let report = store.cleanup(&Prefix::new("left/")?).await?;
    assert_eq!((report.removed, report.in_use), (1, 1));
    writer.write(body(6 << 20)).await?;
    assert_eq!(writer.finish().await?.size, 12 << 20);
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (1, 0));
    Ok(())
}

async fn young(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    begin(&place, "begun-just-now").await?;
    let report = place.store(|c| c).await?.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (0, 1));
    let report = place.store(|c| c.cleanup_age(Duration::ZERO)).await?.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.in_use), (1, 0));
    Ok(())
}

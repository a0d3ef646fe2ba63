//! Append blobs.

use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_conformance::proxy::{Close, Fault, Plan, Rule};
use storage_core::{CopyOptions, Entry, ErrorKind, ListOptions, Prefix, ReadOptions, WriteOptions};

use crate::run::{Outcome, Place, behind, body, key, on};
use crate::support::AZURITE;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(AZURITE, "append/grows", grows),
        on(AZURITE, "append/side-by-side", side_by_side),
        on(AZURITE, "append/over-another-type", another_type),
        on(AZURITE, "append/a-lost-answer", lost),
        on(AZURITE, "append/too-much-and-nothing", limits),
    ]
}

async fn grows(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let (azure, store) = (place.backend(&endpoint, |c| c).await?, place.store(|c| c).await?);
    let full = key(&place.full("log ü+"));
    let mut whole = Vec::new();
    for len in [1, 1000, 1, 100_000] {
        assert_eq!(azure.append(&full, body(len)).await?, whole.len() as u64);
        whole.extend(body(len));
        let read = store.read(&key("log ü+"), ReadOptions::new()).await?;
        assert!(read.bytes == whole);
    }
    let range = store.read(&key("log ü+"), ReadOptions::new().range(990..1010)).await?;
    assert!(range.bytes == whole[990..1010]);
    let listed: Vec<Entry> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(listed.len(), 1);
    store.copy(&key("log ü+"), &key("copy"), CopyOptions::new()).await?;
    assert!(store.read(&key("copy"), ReadOptions::new()).await?.bytes == whole);
    store.write(&key("log ü+"), "new", WriteOptions::new()).await?;
    assert_eq!(store.read(&key("log ü+"), ReadOptions::new()).await?.bytes, "new");
    store.delete(key("log ü+")).await?;
    assert_eq!(azure.append(&full, "again").await?, 0);
    Ok(())
}

async fn side_by_side(endpoint: String) -> Outcome {
    const WRITERS: u8 = 8;
    const LEN: usize = 5000;
    let place = Place::new(&endpoint);
    let (azure, store) = (place.backend(&endpoint, |c| c).await?, place.store(|c| c).await?);
    let full = key(&place.full("log"));
    let appends = (0..WRITERS).map(|writer| {
        let (azure, full) = (azure.clone(), full.clone());
        async move { azure.append(&full, vec![writer; LEN]).await.map(|offset| (writer, offset)) }
    });
    let offsets = futures_util::future::try_join_all(appends).await?;
    let read = store.read(&key("log"), ReadOptions::new()).await?.bytes;
    assert_eq!(read.len(), LEN * WRITERS as usize);
    for (writer, offset) in offsets {
        let offset = offset as usize;
        assert!(read[offset..offset + LEN].iter().all(|byte| *byte == writer), "{writer} at {offset}");
    }
    Ok(())
}

async fn another_type(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let (azure, store) = (place.backend(&endpoint, |c| c).await?, place.store(|c| c).await?);
    store.write(&key("k"), "old", WriteOptions::new()).await?;
    let failed = azure.append(&key(&place.full("k")), "x").await.expect_err("no append blob");
    assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
    assert!(failed.to_string().contains("another type"), "{failed}");
    assert_eq!(store.read(&key("k"), ReadOptions::new()).await?.bytes, "old");
    // The other way round, in parts.
    azure.append(&key(&place.full("log")), "old").await?;
    let failed = store.write(&key("log"), body(9 << 20), WriteOptions::new()).await.expect_err("append blob");
    assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
    assert_eq!(store.read(&key("log"), ReadOptions::new()).await?.bytes, "old");
    let absent = store.write(&key("log"), "x", WriteOptions::new().if_absent()).await.expect_err("is there");
    assert_eq!(absent.kind(), ErrorKind::AlreadyExists, "{absent}");
    Ok(())
}

async fn lost(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let proxy = place.proxy();
    let azure = place.backend(&behind(&proxy), |c| c).await?;
    let full = key(&place.full("log"));
    azure.append(&full, "first").await?;
    let lost = Rule::new(Fault::LoseResponse(Close::Reset)).target("comp=appendblock").nth(0..1);
    proxy.set(Plan::new().rule(lost));
    let failed = azure.append(&full, "second").await.expect_err("the answer was lost");
    assert!(failed.may_have_been_applied(), "{failed}");
    let store = place.store(|c| c).await?;
    assert_eq!(store.read(&key("log"), ReadOptions::new()).await?.bytes, "firstsecond");
    Ok(())
}

async fn limits(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let azure = place.backend(&endpoint, |c| c).await?;
    let full = key(&place.full("log"));
    for data in [vec![], vec![0; (100 << 20) + 1]] {
        let failed = azure.append(&full, data).await.expect_err("no append");
        assert_eq!(failed.kind(), ErrorKind::InvalidInput, "{failed}");
        assert_eq!(failed.key(), Some(full.as_str()));
    }
    assert!(!place.store(|c| c).await?.exists(&key("log")).await?);
    Ok(())
}

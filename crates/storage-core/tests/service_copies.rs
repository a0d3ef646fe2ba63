//! Copies that the service makes, one by one and together: whose error is whose, and what is asked again.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use common::{Answer, Odd, key};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan};
use storage_core::{
    Condition, CopyTarget, Error, ErrorKind, FileKind, Metadata, Prefix, ReadOptions, RetryPolicy,
    StatOptions, Store, TransferOptions, WriteOptions,
};

/// Two stores of one service.
fn stores(answers: &[Answer]) -> (Store, Store) {
    let odd = Odd::new(|can| can.limits.copy_batch = 8)
        .with(|odd| odd.copies = Arc::new(Mutex::new(answers.to_vec())));
    let fast = RetryPolicy::default().waits(Duration::from_millis(1), Duration::from_millis(2));
    (odd.store(), odd.store().with_retry(fast))
}

async fn put(store: &Store, name: &str, body: &'static str) -> Metadata {
    store.write(&key(name), body, WriteOptions::new()).await.expect("written")
}

async fn content(store: &Store, name: &str) -> Vec<u8> {
    store.read(&key(name), ReadOptions::new()).await.expect("read").bytes.to_vec()
}

fn copies(names: &[(&str, &str)]) -> Vec<CopyTarget> {
    names.iter().map(|(from, to)| CopyTarget::new(key(from), key(to))).collect()
}

#[tokio::test]
async fn one_result_for_each_in_order() {
    let (source, destination) = stores(&[]);
    put(&source, "a", "content of a").await;
    put(&source, "c", "content of c").await;
    let names: Vec<_> = (0..20).map(|n| (["a", "missing", "c"][n % 3], format!("to/{n}"))).collect();
    let names: Vec<_> = names.iter().map(|(from, to)| (*from, to.as_str())).collect();
    let done = source.copy_all_to(&copies(&names), &destination, &TransferOptions::new()).await;
    assert_eq!(done.len(), names.len());
    for ((from, to), done) in names.into_iter().zip(done) {
        match done {
            Ok(done) => {
                assert!(done.by_service && from != "missing");
                assert_eq!(content(&destination, to).await, format!("content of {from}").as_bytes());
            }
            Err(error) => {
                assert_eq!(
                    (from, error.kind(), error.key()),
                    ("missing", ErrorKind::NotFound, Some("missing"))
                );
            }
        }
    }
}

/// An answer that was lost may have been a success: to ask again under a condition would find our own copy in the way.
#[tokio::test]
async fn what_may_have_been_copied_under_a_condition_is_not_asked_for_again() {
    let lost: Answer = |count| {
        let lost = || Err(Error::new(ErrorKind::Unavailable, "a lost answer").maybe_applied());
        Ok(Some((0..count).map(|_| lost()).collect()))
    };
    let lost_together: Answer = |_| Err(Error::new(ErrorKind::Unavailable, "a lost answer").maybe_applied());
    for answer in [lost, lost_together] {
        let (source, destination) = stores(&[answer]);
        put(&source, "a", "content").await;
        let options = TransferOptions::new().condition(Condition::IfAbsent);
        let both = copies(&[("a", "b"), ("a", "c")]);
        for done in source.copy_all_to(&both, &destination, &options).await {
            let error = done.expect_err("nobody knows");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.may_have_been_applied() && error.key().is_some());
        }
        // Without a condition twice is once.
        let (source, destination) = stores(&[answer]);
        put(&source, "a", "content").await;
        for done in source.copy_all_to(&both, &destination, &TransferOptions::new()).await {
            done.expect("copied");
        }
    }
}

#[tokio::test]
async fn answers_that_are_too_few_are_asked_for_again() {
    let few: Answer = |_| Ok(Some(Vec::new()));
    let (source, destination) = stores(&[few]);
    put(&source, "a", "content").await;
    let both = copies(&[("a", "b"), ("a", "c")]);
    for done in source.copy_all_to(&both, &destination, &TransferOptions::new()).await {
        assert!(done.expect("copied").by_service);
    }
}

#[tokio::test]
async fn who_may_not_copy_there_still_carries() {
    let denied: Answer = |count| {
        Ok(Some((0..count).map(|_| Err(Error::new(ErrorKind::PermissionDenied, "not from there"))).collect()))
    };
    let (source, destination) = stores(&[denied]);
    put(&source, "a", "content").await;
    let copied = source.copy_to(&key("a"), &destination, &key("b"), TransferOptions::new()).await;
    assert!(!copied.expect("carried").by_service);
    assert_eq!(content(&destination, "b").await, b"content");
}

/// By whatever names: the same key of the same store, or of two stores below different prefixes of one.
#[tokio::test]
async fn a_copy_onto_itself_changes_nothing() {
    for batch in [1, 8] {
        let odd = Odd::new(|can| can.limits.copy_batch = batch);
        let whole = odd.store();
        let below = whole.scoped(&Prefix::new("d/").expect("a prefix")).expect("a store");
        put(&whole, "d/a", "content").await;
        let name = key("d/a");
        let stat = || whole.stat(&name, StatOptions::new());
        let before = stat().await.expect("there");
        whole.copy_to(&key("d/a"), &whole, &key("d/a"), TransferOptions::new()).await.expect("nothing to do");
        whole.copy_to(&key("d/a"), &below, &key("a"), TransferOptions::new()).await.expect("nothing to do");
        assert_eq!(stat().await.expect("there"), before);
        let absent = TransferOptions::new().condition(Condition::IfAbsent);
        let copied = whole.copy_to(&key("d/a"), &below, &key("a"), absent).await;
        assert_eq!(copied.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
        let missing = whole.copy_to(&key("d/x"), &below, &key("x"), TransferOptions::new()).await;
        assert_eq!(missing.expect_err("nothing is there").kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_copy_within_one_store_keeps_its_time() {
    let store = Store::new(storage_memory::Memory::new());
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let options = WriteOptions::new().modified(time);
    store.write(&key("a"), "content", options).await.expect("written");
    let copied = store.copy_to(&key("a"), &store, &key("b"), TransferOptions::new()).await.expect("copied");
    assert_eq!(copied.metadata.modified, Some(time));
}

/// What is called verified was: also the target of a link.
#[tokio::test]
async fn a_damaged_link_is_no_copy() {
    let (source, destination) = (Odd::new(|_| {}).store(), Odd::new(|_| {}).store());
    let options = WriteOptions::new().kind(FileKind::Symlink);
    source.write(&key("link"), "target", options).await.expect("written");
    let copy = |to: Store| {
        let source = source.clone();
        async move { source.copy_to(&key("link"), &to, &key("link"), TransferOptions::new()).await }
    };
    let done = copy(destination.clone()).await.expect("copied");
    assert_eq!((done.metadata.kind, done.verified), (FileKind::Symlink, true));
    let faults = FaultLayer::new(Plan::new().at(Call::Write, 0, Fault::Damage));
    let damaged = copy(destination.layer(&faults)).await.expect_err("it has another target");
    assert_eq!(damaged.kind(), ErrorKind::InvalidData);
}

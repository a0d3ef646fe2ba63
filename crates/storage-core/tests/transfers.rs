//! Copies that this side makes, as parts side by side: cuts, errors, and what is given back.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Odd, free, in_flight, key, pattern};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};
use storage_core::{
    Algorithm, Budget, Capabilities, Condition, ErrorKind, Journal, ReadOptions, RetryPolicy, Store,
    TransferOptions, Window, WriteOptions,
};

const STEP: u64 = 1000;

fn fast() -> RetryPolicy {
    RetryPolicy::default().waits(Duration::from_millis(1), Duration::from_millis(2))
}

fn ranged(can: &mut Capabilities) {
    can.limits.range_preferred = STEP;
    can.limits.part_preferred = STEP;
    can.limits.write_max = STEP;
}

async fn content(store: &Store, name: &str) -> Vec<u8> {
    store.read(&key(name), ReadOptions::new()).await.expect("read").bytes.to_vec()
}

async fn put(store: &Store, name: &str, body: &[u8]) {
    store.write(&key(name), body.to_vec(), WriteOptions::new()).await.expect("written");
}

/// A store with an object `a`, an empty one with an old object `b`, and its backend.
async fn pair(body: &[u8], from: &FaultLayer, to: &FaultLayer) -> (Store, Store, Odd) {
    let source = Odd::new(ranged).store().with_retry(fast());
    put(&source, "a", body).await;
    let destination = Odd::new(ranged);
    put(&destination.store(), "b", b"old").await;
    let store = destination.store().with_retry(fast()).layer(to);
    (source.layer(from), store, destination)
}

fn calm() -> FaultLayer {
    FaultLayer::new(Plan::new())
}

#[tokio::test(start_paused = true)]
async fn every_cut_gives_the_same_object() {
    for (size, step, part_min, part) in [
        (0, 10, 1, None),
        (300, 10, 1, Some(1)),
        (300, 1, 1, Some(7)),
        (300, 7, 1, Some(10)),
        (300, 10, 25, None),
        (300, 10, 1000, Some(1)),
        (301, 100, 1, Some(100)),
        (299, 100, 33, Some(u64::MAX)),
        (300, 299, 1, Some(299)),
    ] {
        let odd = Odd::new(|can| {
            can.limits.range_preferred = step;
            can.limits.part_min = part_min;
            can.limits.part_preferred = part_min.max(16);
            can.limits.part_max = 10_000;
            can.limits.write_max = 5;
        });
        let (source, destination) =
            (odd.store(), Odd { inner: storage_memory::Memory::unversioned(), ..odd.clone() }.store());
        let body = pattern(size as u64, size);
        put(&source, "a", &body).await;
        for concurrency in [None, Some(1), Some(2), Some(50)] {
            let mut options = TransferOptions::new();
            if let Some(part) = part {
                options = options.part_size(part);
            }
            if let Some(concurrency) = concurrency {
                options = options.concurrency(concurrency);
            }
            let done = source.copy_to(&key("a"), &destination, &key("b"), options).await.expect("copied");
            assert!(!done.by_service && done.verified);
            assert_eq!(done.metadata.size, size as u64);
            assert!(content(&destination, "b").await == body, "{size} bytes in {part:?} by {step}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_parts_than_allowed_are_refused_before_any_is_sent() {
    let to = calm();
    let few = |can: &mut Capabilities| (can.limits.parts_max, can.limits.part_max) = (3, 10);
    let to = to.declare(few);
    let (source, destination, _) = pair(&pattern(1, 5000), &calm(), &to).await;
    let options = TransferOptions::new();
    let error = source.copy_to(&key("a"), &destination, &key("b"), options).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!((to.journal().count(Call::Upload), to.journal().count(Call::Part)), (0, 0));
}

/// Whatever fails, its error is told with a key, and by then the upload is gone and everything given back.
#[tokio::test(start_paused = true)]
async fn a_copy_that_fails_leaves_nothing_under_way() {
    let denied = || Fault::Before(Refusal::denied());
    let later_read = || Rule::new(Call::Read, denied()).nth(3..);
    let cases: [(&str, Plan, Plan, Option<usize>); 6] = [
        ("part", Plan::new(), Plan::new().at(Call::Part, 4, denied()), None),
        ("finish", Plan::new(), Plan::new().at(Call::Finish, 0, denied()), None),
        ("range", Plan::new().rule(later_read()), Plan::new(), None),
        ("changed", Plan::new().each(Call::Read, 3.., Fault::OtherObject { etag: "b" }), Plan::new(), None),
        ("stream, part", Plan::new(), Plan::new().at(Call::Part, 4, denied()), Some(1)),
        (
            "stream, body",
            Plan::new().at(Call::Read, 0, Fault::Cut { after: 9000, with: Refusal::denied() }),
            Plan::new(),
            Some(1),
        ),
    ];
    for (what, from, to, concurrency) in cases {
        let (from, to) = (FaultLayer::new(from), FaultLayer::new(to));
        let (source, destination, odd) = pair(&pattern(2, 20_000), &from, &to).await;
        let (budget, window) = (Budget::new(1 << 20), Window::fixed(4));
        let source = source.with_window(window.clone()).with_budget(budget.clone());
        let destination = destination.with_window(window.clone()).with_budget(budget.clone());
        let mut options = TransferOptions::new();
        if let Some(concurrency) = concurrency {
            options = options.concurrency(concurrency);
        }
        let copied = source.copy_to(&key("a"), &destination, &key("b"), options).await;
        assert_eq!(odd.counts.aborts.load(Ordering::Relaxed), 1, "{what}: the upload was given up by then");
        assert_eq!(odd.counts.parts_at_abort.load(Ordering::Relaxed), 0, "{what}");
        let error = copied.expect_err("it fails");
        assert!(error.key().is_some() && error.operation().is_some(), "{what}: {error}");
        let changed =
            if what == "changed" { ErrorKind::PreconditionFailed } else { ErrorKind::PermissionDenied };
        assert_eq!(error.kind(), changed, "{what}: {error}");
        assert!(from.unmet().is_empty() && to.unmet().is_empty(), "{what}");
        assert_eq!((free(&budget), in_flight(&window)), (1 << 20, 0), "{what}");
        assert_eq!(content(&odd.store(), "b").await, b"old", "{what}");
    }
}

/// An upload is given up only once none of its parts is on its way: a part that arrives later would stay for ever.
#[tokio::test(start_paused = true)]
async fn a_copy_that_is_dropped_is_given_up_behind_its_last_part() {
    for milliseconds in [1, 5, 15, 25] {
        let (source, destination, odd) = pair(&pattern(3, 50_000), &calm(), &calm()).await;
        let (budget, window) = (Budget::new(1 << 20), Window::fixed(4));
        let destination = destination.with_window(window.clone()).with_budget(budget.clone());
        let (a, b) = (key("a"), key("b"));
        let copy = source.copy_to(&a, &destination, &b, TransferOptions::new());
        let cut = tokio::time::timeout(Duration::from_millis(milliseconds), copy).await;
        assert!(cut.is_err(), "it takes longer");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(odd.counts.aborts.load(Ordering::Relaxed), 1);
        assert_eq!(odd.counts.parts_at_abort.load(Ordering::Relaxed), 0, "after {milliseconds} ms");
        assert_eq!((free(&budget), in_flight(&window)), (1 << 20, 0));
        assert_eq!(content(&odd.store(), "b").await, b"old");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_is_sent_again_alone() {
    let plan = Plan::new().rule(
        Rule::new(Call::Part, Fault::After(Refusal::unavailable()))
            .only(|seen| seen.part == Some(7))
            .nth(0..2),
    );
    let (from, to) = (calm(), FaultLayer::new(plan));
    let body = pattern(4, 20_500);
    let (source, destination, odd) = pair(&body, &from, &to).await;
    let options = TransferOptions::new();
    source.copy_to(&key("a"), &destination, &key("b"), options).await.expect("copied");
    assert!(content(&odd.store(), "b").await == body);
    assert_eq!((from.journal().count(Call::Read), to.journal().count(Call::Part)), (21, 23));
    let again: Vec<_> = to.journal().of(Call::Part).into_iter().filter(|seen| seen.part == Some(7)).collect();
    assert!(again.len() == 3 && again.iter().all(|seen| seen.content == again[0].content));
}

/// Each transfer may go on however little there is, and none waits for another.
#[tokio::test(start_paused = true)]
async fn many_copies_share_nothing_and_still_end() {
    let body = pattern(5, 20_000);
    let (source, destination, odd) = pair(&body, &calm(), &calm()).await;
    let (budget, window) = (Budget::new(0), Window::fixed(1));
    let source = source.with_window(window.clone()).with_budget(budget.clone());
    let destination = destination.with_window(window.clone()).with_budget(budget.clone());
    let names: Vec<_> = (0..20).map(|n| key(&format!("to/{n}"))).collect();
    let a = key("a");
    let copies = names.iter().map(|to| source.copy_to(&a, &destination, to, TransferOptions::new()));
    for done in futures_util::future::join_all(copies).await {
        done.expect("copied");
    }
    for name in &names {
        assert!(content(&odd.store(), name.as_str()).await == body);
    }
    assert_eq!((free(&budget), in_flight(&window)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn damage_on_the_way_is_no_copy() {
    for (concurrency, size) in [(None, 20_000), (Some(1), 20_000)] {
        let source = Odd::new(ranged).store();
        put(&source, "a", &pattern(6, size)).await;
        let destination = Odd::new(ranged).with(|odd| odd.damages = true).store();
        let mut options = TransferOptions::new();
        if let Some(concurrency) = concurrency {
            options = options.concurrency(concurrency);
        }
        let copied = source.copy_to(&key("a"), &destination, &key("b"), options).await;
        assert_eq!(copied.expect_err("damaged").kind(), ErrorKind::InvalidData, "{concurrency:?}");
        let options = TransferOptions::new().verify(false);
        let copied = source.copy_to(&key("a"), &destination, &key("b"), options).await.expect("nobody looks");
        assert!(!copied.verified);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_hold_what_it_tells_is_not_copied() {
    for algorithm in [Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        for (concurrency, size) in [(None, 20_000), (None, 500), (Some(1), 20_000)] {
            let lie = algorithm.digest(b"other bytes");
            let source = Odd::new(ranged).with(|odd| odd.checksum = Some(lie));
            let quiet = Odd { oddities: Default::default(), ..source.clone() };
            put(&quiet.store(), "a", &pattern(7, size)).await;
            let (_, destination, odd) = pair(b"", &calm(), &calm()).await;
            let mut options = TransferOptions::new().verify(false);
            if let Some(concurrency) = concurrency {
                options = options.concurrency(concurrency);
            }
            let copied = source.store().copy_to(&key("a"), &destination, &key("b"), options).await;
            let error = copied.expect_err("it is not what the source tells");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            assert!(error.key().is_some(), "of {size} bytes: {error}");
            assert_eq!(content(&odd.store(), "b").await, b"old");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_hold_for_parts_too() {
    let to = calm();
    let (source, destination, odd) = pair(&pattern(8, 20_000), &calm(), &to).await;
    let absent = || TransferOptions::new().condition(Condition::IfAbsent);
    let copied = source.copy_to(&key("a"), &destination, &key("b"), absent()).await;
    assert_eq!(copied.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    assert_eq!(content(&odd.store(), "b").await, b"old");
    assert_eq!(odd.counts.aborts.load(Ordering::Relaxed) as u64, to.journal().count(Call::Upload));
    source.copy_to(&key("a"), &destination, &key("c"), absent()).await.expect("nothing is there");
}

#[tokio::test]
async fn an_upload_that_cannot_be_begun_leaves_no_entry_in_the_journal() {
    let journal = tempfile::tempdir().expect("a directory");
    let from = Odd::new(|can| can.limits.range_preferred = 1 << 20).store();
    from.write(&key("a"), pattern(1, 33 << 20), WriteOptions::new()).await.expect("written");
    let denied = FaultLayer::new(Plan::new().at(Call::Upload, 0, Fault::Before(Refusal::denied())));
    let to = Odd::new(|_| {}).store().layer(&denied);
    let options = TransferOptions::new().resume(Journal::new(journal.path()), "test");
    let failed = from.copy_to(&key("a"), &to, &key("b"), options.clone()).await.expect_err("denied");
    assert_eq!(failed.kind(), ErrorKind::PermissionDenied);
    assert_eq!(std::fs::read_dir(journal.path()).expect("the journal").count(), 0);
    from.copy_to(&key("a"), &to, &key("b"), options).await.expect("copied");
    assert_eq!(std::fs::read_dir(journal.path()).expect("the journal").count(), 0);
}

//! Reading like a file: few requests in a row, small ones after a jump, bounded memory (clauses READ-2, READ-7 and CXL-1).

mod common;

use std::io::SeekFrom;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Odd, Slow, key, pattern};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};
use storage_core::{
    ByteRange, Error, ErrorKind, Hedge, Operation, ReadOptions, RetryPolicy, SeekReader, Store, WriteOptions,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// One request for the rest, however long it is.
fn plain() -> Odd {
    Odd::new(|can| can.limits.range_preferred = 0)
}

async fn put(odd: &Odd, body: &[u8]) {
    odd.store().write(&key("a"), body.to_vec(), WriteOptions::new()).await.expect("written");
}

async fn open(store: &Store) -> SeekReader {
    store.seek_reader(&key("a"), ReadOptions::new()).await.expect("opened")
}

/// The bytes at this place are those of the object.
async fn look(reader: &mut SeekReader, at: u64, len: usize, body: &[u8]) {
    assert_eq!(reader.seek(SeekFrom::Start(at)).await.expect("sought"), at);
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes).await.expect("read");
    assert!(bytes == body[at as usize..][..len], "{len} bytes from {at} on");
}

fn lengths(odd: &Odd, size: u64) -> Vec<u64> {
    let length = |range: ByteRange| range.resolve(size).map_or(0, |range| range.end - range.start);
    odd.counts.asked().into_iter().map(length).collect()
}

fn kind(error: &std::io::Error) -> ErrorKind {
    inner(error).kind()
}

fn inner(error: &std::io::Error) -> &Error {
    error.get_ref().and_then(|inner| inner.downcast_ref()).expect("an error of the store")
}

#[tokio::test]
async fn reading_in_a_row_takes_few_requests_and_no_byte_twice() {
    let body = pattern(1, 20 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 10_007];
    loop {
        let count = reader.read(&mut buffer).await.expect("read");
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    assert!(bytes == body);
    let asked = lengths(&odd, 20 * MIB);
    assert!(asked.len() <= 9, "{asked:?}");
    assert_eq!(asked.iter().sum::<u64>(), 20 * MIB, "{asked:?}");
    assert_eq!(odd.counts.reading(), 0);
}

#[tokio::test]
async fn a_few_bytes_in_the_middle_are_a_small_request() {
    let body = pattern(2, 20 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..100 {
        let at = random.u64(..20 * MIB - 10);
        look(&mut reader, at, 10, &body).await;
    }
    let asked = lengths(&odd, 20 * MIB);
    assert!(asked.len() <= 101, "{}", asked.len());
    // Two places close together look like a run for once.
    assert!(asked.iter().all(|&length| length <= 512 * KIB), "{asked:?}");
    assert!(asked.iter().sum::<u64>() <= 101 * 96 * KIB, "{asked:?}");
}

/// What was wanted once is not wanted for ever, however long the pieces are in which it came.
#[tokio::test]
async fn after_a_long_run_jumps_become_small_again() {
    let body = pattern(3, 20 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    look(&mut reader, 0, 3 * MIB as usize, &body).await;
    let before = odd.counts.asked().len();
    for at in [19, 6, 17, 8, 15, 10] {
        look(&mut reader, at * MIB, 10, &body).await;
    }
    let asked = lengths(&odd, 20 * MIB)[before..].to_vec();
    assert!(asked[0] <= 4 * MIB && asked[1..].iter().all(|&length| length <= 128 * KIB), "{asked:?}");
}

#[tokio::test]
async fn blocks_in_any_order_are_asked_for_as_they_are() {
    let body = pattern(16, 8 * MIB as usize);
    for block in [64 * KIB, 512 * KIB] {
        let odd = plain();
        put(&odd, &body).await;
        let mut reader = open(&odd.store()).await;
        for number in (0..8 * MIB / block).rev() {
            look(&mut reader, number * block, block as usize, &body).await;
        }
        let asked: u64 = lengths(&odd, 8 * MIB).iter().sum();
        assert!(asked <= 8 * MIB + MIB, "{asked} bytes in blocks of {block}");
    }
}

#[tokio::test]
async fn small_steps_ask_for_nothing() {
    let body = pattern(4, 4 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    look(&mut reader, 0, 2 * MIB as usize, &body).await;
    let before = odd.counts.asked().len();
    for back in [1, 1000, 64 * KIB, 500 * KIB, MIB] {
        look(&mut reader, 2 * MIB - back, 10, &body).await;
    }
    assert_eq!(odd.counts.asked().len(), before);
    look(&mut reader, 2 * MIB - 10, 10, &body).await;
    look(&mut reader, 2 * MIB + 10, 10, &body).await;
    let asked = odd.counts.asked().len();
    assert!(asked <= before + 1, "{asked} after {before}");
}

#[tokio::test]
async fn memory_does_not_grow_with_the_object() {
    let body = pattern(5, 24 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    look(&mut reader, 0, 24 * MIB as usize, &body).await;
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..200 {
        let (at, len) = (random.u64(..22 * MIB), random.usize(1..MIB as usize));
        look(&mut reader, at, len, &body).await;
    }
    // What may be stepped back to, the chunk in which that begins, and the one that came last.
    let most = odd.counts.held_most.load(Ordering::Relaxed) as u64;
    assert!(most <= MIB + 256 * KIB, "{most}");
    drop(reader);
    assert_eq!(odd.counts.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_place_far_beyond_the_end_is_no_error_and_has_no_bytes() {
    for size in [0, 1, 1000, 300_000] {
        let body = pattern(6, size);
        let odd = plain();
        put(&odd, &body).await;
        let mut reader = open(&odd.store()).await;
        for at in [size as u64, size as u64 + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(reader.seek(SeekFrom::Start(at)).await.expect("sought"), at);
            assert_eq!(reader.read(&mut [0; 10]).await.expect("read"), 0);
        }
        let error = reader.seek(SeekFrom::Current(1)).await.expect_err("beyond all places");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(reader.position(), u64::MAX);
        let error = reader.seek(SeekFrom::End(i64::MIN)).await.expect_err("before all places");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        look(&mut reader, 0, size, &body).await;
        assert!(odd.counts.asked().len() <= 3);
    }
}

#[tokio::test]
async fn an_error_leaves_the_reader_where_it_stood() {
    let body = pattern(7, 3 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let denied = Fault::Cut { after: 10_000, with: Refusal::denied() };
    let faults = FaultLayer::new(Plan::new().at(Call::Read, 2, denied));
    let mut reader = open(&odd.store().layer(&faults)).await;
    let (mut bytes, mut errors) = (Vec::new(), 0);
    let mut buffer = vec![0; 5_003];
    while bytes.len() < body.len() {
        match reader.read(&mut buffer).await {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert_eq!(kind(&error), ErrorKind::PermissionDenied);
                assert_eq!(reader.position(), bytes.len() as u64);
                errors += 1;
            }
        }
    }
    assert!(bytes == body);
    assert_eq!(errors, 1);
}

/// What was asked for and did not come is no reason to ask for more.
#[tokio::test]
async fn errors_do_not_make_requests_longer() {
    let body = pattern(8, 20 * MIB as usize);
    let odd = plain();
    put(&odd, &body).await;
    let denied = Fault::Before(Refusal::denied());
    let faults = FaultLayer::new(Plan::new().each(Call::Read, 1..=20, denied));
    let mut reader = open(&odd.store().layer(&faults)).await;
    reader.seek(SeekFrom::Start(10 * MIB)).await.expect("sought");
    for _ in 0..20 {
        let error = reader.read(&mut [0; 10]).await.expect_err("denied");
        assert_eq!(kind(&error), ErrorKind::PermissionDenied);
    }
    look(&mut reader, 10 * MIB, 10, &body).await;
    for seen in faults.journal().of(Call::Read) {
        let range = seen.range.expect("of a read").resolve(20 * MIB).expect("within");
        assert!(range.end - range.start <= 128 * KIB, "{range:?}");
    }
}

#[tokio::test]
async fn an_object_that_is_gone_has_changed() {
    let body = pattern(9, 3 * MIB as usize);
    // Deleted, shorter, as long as before, longer.
    for other in [None, Some(10), Some(3 * MIB), Some(5 * MIB)] {
        let odd = plain();
        put(&odd, &body).await;
        let store = odd.store();
        let mut reader = open(&store).await;
        look(&mut reader, 5, 10, &body).await;
        match other {
            None => store.delete(key("a")).await.expect("deleted"),
            Some(size) => put(&odd, &pattern(10, size as usize)).await,
        }
        for at in [2 * MIB, 3 * MIB - 10] {
            reader.seek(SeekFrom::Start(at)).await.expect("sought");
            let error = reader.read(&mut [0; 10]).await.expect_err("another object");
            let error = inner(&error);
            assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{other:?} {at}");
            assert_eq!(error.key(), Some("a"));
            assert_eq!(error.operation(), Some(Operation::Read));
            assert_eq!(error.backend(), Some("odd"));
        }
    }
}

#[tokio::test]
async fn a_store_without_names_for_versions_takes_one_request_only() {
    let odd = plain().with(|odd| odd.nameless = true);
    put(&odd, &pattern(11, MIB as usize)).await;
    let refused = odd.store().seek_reader(&key("a"), ReadOptions::new()).await.expect_err("too long");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);

    let body = pattern(12, 60_000);
    put(&odd, &body).await;
    let denied = Fault::Cut { after: 10_000, with: Refusal::denied() };
    let faults = FaultLayer::new(Plan::new().rule(Rule::new(Call::Read, denied).nth(0..1)));
    let mut reader = open(&odd.store().layer(&faults)).await;
    look(&mut reader, 0, 10_000, &body).await;
    put(&odd, &pattern(13, 60_000)).await;
    let error = reader.read(&mut [0; 10]).await.expect_err("broken off");
    assert_eq!(kind(&error), ErrorKind::PermissionDenied);
    let error = reader.read(&mut [0; 10]).await.expect_err("maybe another object by now");
    assert_eq!(kind(&error), ErrorKind::Unsupported);
    // What came before is still there.
    look(&mut reader, 100, 1000, &body).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_ends_the_request() {
    let body = pattern(14, 3 * MIB as usize);
    let slow = |number| {
        if number == 1 { Slow::answer(Duration::from_secs(30)) } else { Slow::default() }
    };
    let odd = plain().with(|odd| odd.reads = Some(Arc::new(slow)));
    put(&odd, &body).await;
    let mut reader = open(&odd.store()).await;
    assert_eq!(odd.counts.reading(), 1);
    reader.seek(SeekFrom::Start(2 * MIB)).await.expect("sought");
    let late = tokio::time::timeout(Duration::from_secs(1), reader.read(&mut [0; 10])).await;
    assert!(late.is_err());
    // The request that leads somewhere else has ended.
    assert_eq!(odd.counts.reading(), 1);
    // The read goes on where it was left off.
    look(&mut reader, 2 * MIB, 10, &body).await;
    assert_eq!(odd.counts.asked().len(), 2);
    drop(reader);
    assert_eq!(odd.counts.reading(), 0);
    assert_eq!(odd.counts.held.load(Ordering::Relaxed), 0);
}

/// A walk over an object some of whose bodies stall and are overtaken, and some of which break off.
#[tokio::test(start_paused = true)]
async fn a_walk_over_a_slow_and_broken_service_gives_the_right_bytes() {
    for range_preferred in [0, 100_000] {
        let body = pattern(15, 3 * MIB as usize);
        let slow = |number: usize| match number % 5 {
            1 => Slow::stall(7_000 * number as u64, Duration::from_secs(30)),
            2 => Slow { answer: Duration::from_millis(300), ..Slow::default() },
            3 => Slow {
                stall: Some((3_000, Duration::from_millis(10))),
                breaks: Some(ErrorKind::Unavailable),
                ..Slow::default()
            },
            _ => Slow::default(),
        };
        let odd = Odd::new(|can| can.limits.range_preferred = range_preferred)
            .with(|odd| odd.reads = Some(Arc::new(slow)));
        put(&odd, &body).await;
        let retry = RetryPolicy::default().waits(Duration::from_millis(1), Duration::from_millis(2));
        let store = odd.store().with_hedge(Hedge::up_to(1.0)).with_retry(retry);
        for _ in 0..30 {
            store.exists(&key("a")).await.expect("answered");
        }
        let mut reader = open(&store).await;
        let mut random = fastrand::Rng::with_seed(15);
        for _ in 0..150 {
            let at = random.u64(..3 * MIB);
            let len = random.usize(..=((3 * MIB - at) as usize).min(600_000));
            look(&mut reader, at, len, &body).await;
        }
        drop(reader);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(odd.counts.reading(), 0);
    }
}

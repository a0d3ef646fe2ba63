//! Reading as ranges side by side: the right bytes of one version, and no more of them ahead than there is room for.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Odd, Slow, free, in_flight, key, pattern};
use futures_util::TryStreamExt;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};
use storage_core::{Budget, ByteRange, ErrorKind, ReadOptions, RetryPolicy, Store, Window, WriteOptions};

const STEP: u64 = 1000;

fn fast() -> RetryPolicy {
    RetryPolicy::default().waits(Duration::from_millis(1), Duration::from_millis(2))
}

/// A store whose ranges are that long, with an object of that many bytes in it.
async fn store(step: u64, body: &[u8], faults: &FaultLayer) -> Store {
    let odd = Odd::new(|can| can.limits.range_preferred = step);
    let store = odd.store().with_retry(fast());
    store.write(&key("a"), body.to_vec(), WriteOptions::new()).await.expect("written");
    store.layer(faults)
}

fn of_range(start: u64, fault: Fault) -> Rule {
    let asked =
        move |range: &ByteRange| matches!(range, ByteRange::Bounded { start: at, .. } if *at == start);
    Rule::new(Call::Read, fault).only(move |seen| seen.range.as_ref().is_some_and(asked))
}

#[tokio::test]
async fn every_cut_gives_the_bytes_asked_for() {
    for (size, step) in [(0, 1), (1, 1), (2, 1), (50, 1), (50, 49), (50, 50), (50, 51), (5003, 1000)] {
        let body = pattern(1, size);
        let store = store(step, &body, &FaultLayer::new(Plan::new())).await;
        let end = size as u64;
        let ranges = [
            ByteRange::Full,
            ByteRange::Bounded { start: 0, end },
            ByteRange::Bounded { start: 0, end: u64::MAX },
            ByteRange::Bounded { start: end / 3, end: end - end / 4 },
            ByteRange::From(end / 2),
            ByteRange::Suffix(end / 2),
            ByteRange::Suffix(u64::MAX),
        ];
        for range in ranges {
            for concurrency in [None, Some(1), Some(2), Some(5), Some(usize::MAX)] {
                let mut options = ReadOptions::new().range(range);
                if let Some(concurrency) = concurrency {
                    options = options.concurrency(concurrency);
                }
                let read = store.read(&key("a"), options).await.expect("read");
                let wanted = range.resolve(end).expect("within");
                assert_eq!(read.range, wanted, "{range:?} of {size}");
                let expected = &body[wanted.start as usize..wanted.end as usize];
                assert!(read.bytes == expected, "{range:?} of {size} in {step}, {concurrency:?} at a time");
            }
        }
    }
}

/// Waits until nothing moves any more: the clock stands still while anything can go on.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_no_more_than_a_few_ranges_and_the_budget() {
    let body = pattern(2, 40 * STEP as usize);
    for (bytes, most) in [(u64::MAX, 10), (3 * STEP, 5), (STEP - 1, 2), (0, 2)] {
        let faults = FaultLayer::new(Plan::new());
        let (budget, window) = (Budget::new(bytes), Window::fixed(64));
        let store = store(STEP, &body, &faults).await;
        let store = store.with_budget(budget.clone()).with_window(window.clone());
        let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
        settle().await;
        assert_eq!(faults.journal().count(Call::Read), 1, "nothing is asked for before it is polled");
        let first = reader.try_next().await.expect("read").expect("bytes");
        settle().await;
        let asked = faults.journal().count(Call::Read);
        assert!(asked <= most, "{asked} ranges with a budget of {bytes}");
        assert!(free(&budget) >= bytes.saturating_sub((asked - 1) * STEP), "{budget:?}");
        let rest: Vec<_> = reader.try_collect().await.expect("read");
        assert_eq!([&[first][..], &rest].concat().concat(), body);
        settle().await;
        assert_eq!((free(&budget), in_flight(&window)), (bytes, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_dropped_half_way_gives_everything_back_and_asks_for_no_more() {
    let body = pattern(3, 40 * STEP as usize);
    for late in [None, Some(Duration::from_secs(60))] {
        let mut plan = Plan::new();
        if let Some(late) = late {
            plan = plan.each(Call::Read, 3.., Fault::Late(late));
        }
        let faults = FaultLayer::new(plan);
        let (budget, window) = (Budget::new(1 << 20), Window::fixed(8));
        let store = store(STEP, &body, &faults).await;
        let store = store.with_budget(budget.clone()).with_window(window.clone());
        let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
        for _ in 0..2 {
            reader.try_next().await.expect("read").expect("bytes");
        }
        drop(reader);
        settle().await;
        let asked = faults.journal().count(Call::Read);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(faults.journal().count(Call::Read), asked);
        assert_eq!((free(&budget), in_flight(&window)), (1 << 20, 0));
    }
}

#[tokio::test]
async fn a_broken_range_is_continued_alone_and_from_its_own_byte() {
    let body = pattern(4, 10 * STEP as usize);
    let cut = Fault::Cut { after: 300, with: Refusal::unavailable() };
    let faults = FaultLayer::new(Plan::new().rule(of_range(4 * STEP, cut).nth(0..1)));
    let store = store(STEP, &body, &faults).await;
    let read = store.read(&key("a"), ReadOptions::new().size_hint(10 * STEP)).await.expect("read");
    assert!(read.bytes == body);
    let mut asked: Vec<_> =
        faults.journal().of(Call::Read).into_iter().filter_map(|seen| seen.range).collect();
    asked.sort_by_key(|range| range.resolve(u64::MAX).expect("a range").start);
    let from = |start, end| ByteRange::Bounded { start, end };
    let mut expected: Vec<_> = (0..10).map(|n| from(n * STEP, (n + 1) * STEP)).collect();
    expected.insert(5, from(4 * STEP + 300, 5 * STEP));
    assert_eq!(asked, expected);
    assert!(faults.journal().of(Call::Read)[1..].iter().all(|seen| seen.pinned));
}

/// What comes before the range that fails is given out, and then its error, whatever failed behind it earlier.
#[tokio::test(start_paused = true)]
async fn the_first_error_in_order_is_the_one_told() {
    let body = pattern(5, 10 * STEP as usize);
    let plan = Plan::new()
        .rule(of_range(5 * STEP, Fault::Before(Refusal::denied())))
        .rule(of_range(3 * STEP, Fault::Late(Duration::from_secs(5))).nth(0..1))
        .rule(of_range(4 * STEP, Fault::Before(Refusal::of(ErrorKind::Unauthenticated))));
    let faults = FaultLayer::new(plan);
    let store = store(STEP, &body, &faults).await;
    let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
    let mut seen = Vec::new();
    let error = loop {
        match reader.try_next().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            Ok(None) => panic!("it ended after {} bytes", seen.len()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.key(), Some("a"));
    assert!(seen == body[..4 * STEP as usize]);
    assert!(reader.try_next().await.expect("an end").is_none());
}

#[tokio::test]
async fn later_ranges_of_another_version_or_place_are_no_bytes_of_this_one() {
    let body = pattern(6, 10 * STEP as usize);
    let later = 2 * STEP;
    for (fault, kind) in [
        (Fault::OtherObject { etag: "other" }, ErrorKind::PreconditionFailed),
        (Fault::OtherRange(0..STEP), ErrorKind::InvalidData),
        (Fault::OtherRange(later..later + 10), ErrorKind::InvalidData),
        (Fault::WholeObject, ErrorKind::InvalidData),
        (Fault::TooLong(vec![b'x'; 5].into()), ErrorKind::InvalidData),
        (Fault::Before(Refusal::of(ErrorKind::NotFound)), ErrorKind::PreconditionFailed),
        (Fault::Before(Refusal::of(ErrorKind::RangeNotSatisfiable)), ErrorKind::PreconditionFailed),
    ] {
        let faults = FaultLayer::new(Plan::new().rule(of_range(later, fault.clone())));
        let store = store(STEP, &body, &faults).await;
        let read = store.read(&key("a"), ReadOptions::new()).await;
        assert_eq!(read.expect_err("not the object").kind(), kind, "{fault:?}");
    }
}

#[tokio::test]
async fn an_object_without_a_name_for_its_version_is_read_in_one_request() {
    let body = pattern(7, 10 * STEP as usize);
    let odd = Odd::new(|can| can.limits.range_preferred = STEP).with(|odd| odd.nameless = true);
    let faults = FaultLayer::new(Plan::new());
    let store = odd.store().layer(&faults);
    store.write(&key("a"), body.clone(), WriteOptions::new()).await.expect("written");
    let asked = || -> Vec<ByteRange> {
        faults.journal().of(Call::Read).into_iter().filter_map(|seen| seen.range).collect()
    };
    let read = store.read(&key("a"), ReadOptions::new()).await.expect("read");
    assert!(read.bytes == body);
    assert_eq!(asked(), [ByteRange::Full]);
    // Who tells the size beforehand pays for one request more.
    let read = store.read(&key("a"), ReadOptions::new().size_hint(10 * STEP)).await.expect("read");
    assert!(read.bytes == body);
    assert_eq!(asked()[1..], [ByteRange::Bounded { start: 0, end: STEP }, ByteRange::Full]);
}

/// As many are on their way as were asked for, the one in front among them.
#[tokio::test(start_paused = true)]
async fn so_many_ranges_travel_as_were_asked_for() {
    let body = pattern(8, 13 * STEP as usize);
    for (concurrency, seconds) in [(2, 7), (3, 5), (4, 4), (13, 2)] {
        let late = Fault::Late(Duration::from_secs(1));
        let faults = FaultLayer::new(Plan::new().each(Call::Read, .., late));
        let store = store(STEP, &body, &faults).await;
        let begun = tokio::time::Instant::now();
        let options = ReadOptions::new().concurrency(concurrency);
        assert!(store.read(&key("a"), options).await.expect("read").bytes == body);
        assert_eq!(begun.elapsed().as_secs(), seconds, "{concurrency} at a time");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_goes_between_the_pieces_of_a_read_has_changed() {
    let late = |number| if number == 1 { Slow::answer(Duration::from_secs(1)) } else { Slow::default() };
    let odd = Odd::new(|_| {}).with(|odd| odd.reads = Some(Arc::new(late)));
    let store = odd.store();
    store.write(&key("a"), pattern(9, 1 << 20), WriteOptions::new()).await.expect("written");
    let name = key("a");
    let deleted = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        store.delete(key("a")).await.expect("deleted");
    };
    let ranges = [0..10, (1 << 20) - 10..1 << 20];
    let (read, ()) = tokio::join!(store.read_ranges(&name, &ranges, ReadOptions::new()), deleted);
    let error = read.expect_err("there is no more of it");
    assert_eq!((error.kind(), error.key()), (ErrorKind::PreconditionFailed, Some("a")));
}

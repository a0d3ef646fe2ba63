//! A second request beside one that is late: what it may do, what it may not, and that nobody can tell from the bytes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Odd, Slow, key, pattern};
use futures_util::TryStreamExt;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};
use storage_core::{
    ErrorKind, Event, Hedge, Limit, Progress, ReadOptions, RetryPolicy, StatOptions, Store, TransferOptions,
    WriteOptions,
};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(30);
/// Nothing is late before that.
const LATE: Duration = Duration::from_millis(50);

/// Objects whose reads go by `script`, in ranges of this length.
fn slow(range_preferred: u64, script: impl Fn(usize) -> Slow + Send + Sync + 'static) -> Odd {
    Odd::new(|can| can.limits.range_preferred = range_preferred)
        .with(|odd| odd.reads = Some(Arc::new(script)))
}

/// The first read is like this, all others are quick.
fn first(slow: Slow) -> impl Fn(usize) -> Slow + Send + Sync {
    move |number| if number == 0 { slow } else { Slow::default() }
}

async fn put(odd: &Odd, body: &[u8]) {
    odd.store().write(&key("a"), body.to_vec(), WriteOptions::new()).await.expect("written");
}

/// So many answers, each at once.
async fn answers(store: &Store, count: usize) {
    for _ in 0..count {
        store.stat(&key("a"), StatOptions::new()).await.expect("answered");
    }
}

/// A store that knows what is late, and may send as many second requests as it likes.
async fn eager(store: Store) -> Store {
    let store = store.with_hedge(Hedge::up_to(1.0));
    answers(&store, 20).await;
    store
}

async fn reads(store: &Store, body: &[u8]) {
    let read = store.read(&key("a"), ReadOptions::new()).await.expect("read");
    assert!(read.bytes == body);
}

/// What is told of bytes and of tries.
#[derive(Debug, Default)]
struct Told {
    bytes: AtomicU64,
    retries: AtomicU64,
}

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Bytes { count, .. } => self.bytes.fetch_add(count, Ordering::Relaxed),
            Event::Retry { .. } => self.retries.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_read_is_asked_again_and_the_first_answer_counts() {
    let body = pattern(1, 5000);
    for (answers, took) in [([LONG, 5 * MS], LATE + 5 * MS), ([100 * MS, LONG], 100 * MS)] {
        let odd = slow(0, move |number| Slow::answer(answers[number]));
        put(&odd, &body).await;
        let store = eager(odd.store()).await;
        let begun = Instant::now();
        let reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
        assert_eq!(begun.elapsed().as_millis(), took.as_millis());
        assert_eq!(odd.counts.reading(), 1, "the other one is dropped");
        assert!(reader.collect().await.expect("read") == body);
        assert_eq!((odd.counts.asked().len(), odd.counts.reading()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_stat_is_asked_again() {
    let odd = slow(0, |_| Slow::default());
    put(&odd, b"abc").await;
    let faults = FaultLayer::new(Plan::new().at(Call::Stat, 20, Fault::Late(LONG)));
    let store = eager(odd.store().layer(&faults)).await;
    let begun = Instant::now();
    answers(&store, 1).await;
    assert_eq!(begun.elapsed().as_millis(), LATE.as_millis());
    assert_eq!(faults.journal().count(Call::Stat), 22);
    let both = faults.journal().ended(Call::Stat, 22);
    assert!(tokio::time::timeout(2 * LONG, both).await.is_err(), "the other one is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_overtaken_wherever_it_is_cut() {
    let body = pattern(2, 10_000);
    // In one piece, in ranges behind a body that goes on, in ranges of their own.
    for (preferred, hint) in [(0, None), (1000, None), (1000, Some(10_000)), (4999, None)] {
        for after in [0, 1, 300, 998, 999, 4998, 9999] {
            for stalled in [0..1, 0..2, 3..4] {
                let stalls = stalled.clone();
                let odd = slow(preferred, move |number| {
                    if stalls.contains(&number) { Slow::stall(after, LONG) } else { Slow::default() }
                });
                put(&odd, &body).await;
                let told = Arc::new(Told::default());
                let store = eager(odd.store()).await.with_progress(told.clone());
                let begun = Instant::now();
                let mut options = ReadOptions::new();
                if let Some(hint) = hint {
                    options = options.size_hint(hint);
                }
                let read = store.read(&key("a"), options).await.expect("read");
                let what = format!("ranges of {preferred}, {hint:?}, {stalled:?} stalled after {after}");
                assert!(read.bytes == body, "{what}");
                assert_eq!(told.bytes.load(Ordering::Relaxed), 10_000, "{what}");
                assert_eq!(told.retries.load(Ordering::Relaxed), 0, "{what}");
                // Where the second one stalls as well, it is waited for.
                let hopeless = stalled.contains(&1) && after == 0;
                assert!(hopeless || begun.elapsed() < 4 * LATE, "{what}: {:?}", begun.elapsed());
                drop(read);
                tokio::time::sleep(MS).await;
                assert_eq!(odd.counts.reading(), 0, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_goes_on_first_is_kept() {
    let body = pattern(3, 10_000);
    for preferred in [0, 1000] {
        let odd = slow(preferred, |number| match number {
            0 => Slow::stall(300, 100 * MS),
            _ => Slow::answer(LONG),
        });
        put(&odd, &body).await;
        let store = eager(odd.store()).await;
        let mut reader = store.reader(&key("a"), ReadOptions::new().concurrency(1)).await.expect("opened");
        let begun = Instant::now();
        let mut bytes = Vec::new();
        while let Some(chunk) = reader.try_next().await.expect("read") {
            bytes.extend_from_slice(&chunk);
        }
        assert!(bytes == body);
        assert_eq!(begun.elapsed().as_millis(), 100);
        assert_eq!((odd.counts.asked().len(), odd.counts.reading()), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_try_would_mend_counts_at_once() {
    let odd = slow(0, first(Slow::answer(LONG)));
    put(&odd, b"abc").await;
    let store = eager(odd.store()).await;
    let begun = Instant::now();
    let missing = store.read(&key("b"), ReadOptions::new()).await.expect_err("there is none");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(begun.elapsed().as_millis(), LATE.as_millis());
    assert_eq!((odd.counts.asked().len(), odd.counts.reading()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_of_one_waits_for_the_other() {
    let refused = |wait| Slow { answer: wait, fails: Some(ErrorKind::Unavailable), ..Slow::default() };
    let cases: [([Slow; 2], Duration); 3] = [
        ([Slow::answer(200 * MS), refused(MS)], 200 * MS),
        ([refused(60 * MS), Slow::answer(100 * MS)], LATE + 100 * MS),
        ([refused(60 * MS), Slow::default()], LATE),
    ];
    for (both, took) in cases {
        let odd = slow(0, move |number| both[number]);
        put(&odd, b"abc").await;
        let told = Arc::new(Told::default());
        let store = eager(odd.store()).await.with_progress(told.clone());
        let begun = Instant::now();
        reads(&store, b"abc").await;
        assert_eq!(begun.elapsed().as_millis(), took.as_millis());
        assert_eq!(told.retries.load(Ordering::Relaxed), 0);
    }
    // What the other one says for good is not lost behind what passes.
    let gone = Slow { answer: 100 * MS, fails: Some(ErrorKind::PermissionDenied), ..Slow::default() };
    let odd = slow(0, move |number| [refused(60 * MS), gone][number]);
    put(&odd, b"abc").await;
    let store = eager(odd.store()).await;
    let denied = store.read(&key("a"), ReadOptions::new()).await.expect_err("denied");
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
    assert_eq!(odd.counts.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_failures_are_one_try() {
    let odd = slow(0, |number| match number {
        0 | 1 => Slow { answer: 100 * MS, fails: Some(ErrorKind::Unavailable), ..Slow::default() },
        _ => Slow::default(),
    });
    put(&odd, b"abc").await;
    let told = Arc::new(Told::default());
    let store = eager(odd.store()).await.with_progress(told.clone());
    reads(&store, b"abc").await;
    assert_eq!(odd.counts.asked().len(), 3);
    assert_eq!(told.retries.load(Ordering::Relaxed), 1);
}

/// A second request that fails is no reason to give up a body that is only late.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_late_is_not_given_up_for_a_second_request_that_fails() {
    let body = pattern(4, 10_000);
    let denied = Slow { fails: Some(ErrorKind::PermissionDenied), ..Slow::default() };
    let misplaced = Slow { misplaced: true, ..Slow::default() };
    let short = Slow { stall: Some((0, MS)), breaks: Some(ErrorKind::InvalidData), ..Slow::default() };
    for second in [denied, misplaced, short] {
        for preferred in [0, 4000] {
            let odd = slow(preferred, move |number| match number {
                0 => Slow::stall(300, Duration::from_secs(1)),
                1 => second,
                _ => Slow::default(),
            });
            put(&odd, &body).await;
            let store = eager(odd.store()).await;
            let read = store.read(&key("a"), ReadOptions::new().concurrency(1)).await;
            assert!(read.unwrap_or_else(|error| panic!("{second:?}: {error}")).bytes == body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_an_object_that_was_replaced_goes_on_although_it_was_late() {
    let body = pattern(5, 10_000);
    let odd = slow(0, first(Slow::stall(300, Duration::from_secs(1))));
    put(&odd, &body).await;
    let store = eager(odd.store()).await;
    let reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
    put(&odd, &pattern(6, 10_000)).await;
    assert!(reader.collect().await.expect("read") == body);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_name_for_its_version_is_not_asked_for_again() {
    let body = pattern(7, 10_000);
    let odd = slow(0, first(Slow::stall(300, Duration::from_secs(1)))).with(|odd| odd.nameless = true);
    put(&odd, &body).await;
    reads(&eager(odd.store()).await, &body).await;
    assert_eq!(odd.counts.asked().len(), 1);
}

/// The first body breaks off while a second one is on its way.
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_late_is_followed_by_the_second() {
    let body = pattern(8, 10_000);
    for preferred in [0, 4000] {
        let odd = slow(preferred, |number| match number {
            0 => {
                Slow { stall: Some((300, 100 * MS)), breaks: Some(ErrorKind::Unavailable), ..Slow::default() }
            }
            1 => Slow::answer(200 * MS),
            _ => Slow::default(),
        });
        put(&odd, &body).await;
        let told = Arc::new(Told::default());
        let store = eager(odd.store()).await.with_progress(told.clone());
        let read = store.read(&key("a"), ReadOptions::new().concurrency(1)).await.expect("read");
        assert!(read.bytes == body);
        assert_eq!(told.retries.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_late_before_sixteen_answers() {
    for (known, asked) in [(0, 1), (15, 1), (16, 2)] {
        let odd = slow(0, first(Slow::answer(Duration::from_secs(1))));
        put(&odd, b"abc").await;
        let store = odd.store().with_hedge(Hedge::up_to(1.0));
        answers(&store, known).await;
        reads(&store, b"abc").await;
        assert_eq!(odd.counts.asked().len(), asked, "{known}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_none_gets_none() {
    let second = Duration::from_secs(1);
    let limits = [
        Limit::new().bytes_per_second(1 << 40),
        Limit::new().requests_per_second(1_000_000),
        Limit::new().bytes_per_second(1 << 40).requests_per_second(1_000_000),
    ];
    let mut stores = vec![];
    for limit in limits {
        stores.push(
            Box::new(move |store: Store| store.with_limit(limit.clone())) as Box<dyn Fn(Store) -> Store>
        );
    }
    stores.push(Box::new(|store: Store| store.with_hedge(Hedge::none())));
    stores.push(Box::new(|store: Store| store.with_hedge(Hedge::up_to(-1.0))));
    stores.push(Box::new(|store: Store| store.with_hedge(Hedge::up_to(f64::NAN))));
    for change in stores {
        for slow_read in [Slow::answer(second), Slow::stall(1, second)] {
            let odd = slow(0, first(slow_read));
            put(&odd, b"abc").await;
            let store = change(odd.store().with_hedge(Hedge::up_to(1.0)));
            answers(&store, 100).await;
            reads(&store, b"abc").await;
            assert_eq!(odd.counts.asked().len(), 1);
        }
    }
    // A limit that comes while an answer is late holds too.
    let odd = slow(0, first(Slow::answer(second)));
    put(&odd, b"abc").await;
    let limit = Limit::new();
    let store = eager(odd.store().with_limit(limit.clone())).await;
    let limited = async {
        tokio::time::sleep(20 * MS).await;
        limit.set_requests_per_second(Some(1_000_000));
    };
    tokio::join!(reads(&store, b"abc"), limited);
    assert_eq!(odd.counts.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn second_requests_stay_a_share_of_all() {
    // Slow answers and slow bodies, more and more of them.
    let odd = slow(0, |number| match number % 20 {
        0 | 7 => Slow::answer(MS * (100 + number as u32)),
        3 => Slow::stall(1, MS * (100 + number as u32)),
        _ => Slow::answer(MS),
    });
    put(&odd, b"abc").await;
    let store = odd.store();
    const READS: usize = 2000;
    for _ in 0..READS {
        reads(&store, b"abc").await;
    }
    let second = odd.counts.asked().len() - READS;
    assert!((1..=(READS + second) / 20).contains(&second), "{second}");
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_sent_once() {
    let late = Fault::Late(Duration::from_secs(5));
    let calls = [Call::Write, Call::Upload, Call::Finish, Call::Delete, Call::Copy, Call::Rename];
    let plan = calls.iter().fold(Plan::new(), |plan, call| plan.each(*call, .., late.clone()));
    let faults = FaultLayer::new(plan);
    let odd = Odd::new(|can| can.limits.part_min = 1).with(|odd| odd.twice = true);
    put(&odd, b"abc").await;
    let store = eager(odd.store().layer(&faults)).await;
    store.write(&key("b"), "b", WriteOptions::new()).await.expect("written");
    let options = WriteOptions::new().part_size(1000);
    let mut writer = store.writer(&key("c"), options).await.expect("begun");
    writer.write(pattern(9, 3000)).await.expect("written");
    writer.finish().await.expect("published");
    store.copy(&key("c"), &key("d"), Default::default()).await.expect("copied");
    store.rename(&key("d"), &key("e"), Default::default()).await.expect("renamed");
    store.delete(key("e")).await.expect("deleted");
    for call in calls {
        assert_eq!(faults.journal().count(call), 1, "{call}");
    }
}

const PARTS: u64 = 30;

/// A store with parts of 1000 bytes, and what is to become of some of them.
fn parts(twice: bool, rules: impl IntoIterator<Item = Rule>) -> (Odd, FaultLayer, Store) {
    let odd = Odd::new(|can| {
        can.limits.part_min = 1;
        can.limits.part_preferred = 1000;
        can.limits.write_max = 1000;
    })
    .with(|odd| odd.twice = twice);
    let faults = FaultLayer::new(rules.into_iter().fold(Plan::new(), Plan::rule));
    let store = odd.store().layer(&faults).with_hedge(Hedge::up_to(1.0));
    (odd, faults, store)
}

fn of_part(number: u64, fault: Fault) -> Rule {
    Rule::new(Call::Part, fault).only(move |seen| seen.part == Some(number)).nth(0..1)
}

fn sent(faults: &FaultLayer, number: u64) -> usize {
    faults.journal().of(Call::Part).iter().filter(|seen| seen.part == Some(number)).count()
}

#[tokio::test(start_paused = true)]
async fn the_last_parts_are_sent_twice_where_they_may_be() {
    let body = pattern(10, (PARTS * 1000) as usize);
    for (twice, copies) in [(true, true), (true, false), (false, true), (false, false)] {
        let (odd, faults, store) = parts(twice, [of_part(PARTS - 2, Fault::Late(LONG))]);
        let told = Arc::new(Told::default());
        let store = store.with_progress(told.clone());
        let begun = Instant::now();
        if copies {
            let from = Odd::new(|_| {});
            put(&from, &body).await;
            let options = TransferOptions::new().verify(false);
            from.store().copy_to(&key("a"), &store, &key("a"), options).await.expect("copied");
        } else {
            let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("begun");
            writer.write(body.clone()).await.expect("written");
            writer.finish().await.expect("published");
        }
        let took = begun.elapsed();
        assert_eq!(sent(&faults, PARTS - 2), if twice { 2 } else { 1 });
        assert_eq!(faults.journal().count(Call::Part), PARTS + u64::from(twice));
        assert_eq!(faults.journal().count(Call::Finish), 1);
        assert!(if twice { took < LONG / 10 } else { took >= LONG }, "{took:?}");
        assert_eq!(told.bytes.load(Ordering::Relaxed), body.len() as u64);
        assert_eq!(odd.counts.parts.load(Ordering::Relaxed), 0);
        reads(&odd.store(), &body).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_part_is_sent_twice_while_others_wait() {
    let body = pattern(11, (PARTS * 1000) as usize);
    // The writer gets its bytes slowly: the part is late long before the end.
    let (odd, faults, store) = parts(true, [of_part(3, Fault::Late(Duration::from_secs(2)))]);
    let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("begun");
    for chunk in body.chunks(1000) {
        writer.write(chunk.to_vec()).await.expect("written");
        tokio::time::sleep(100 * MS).await;
    }
    writer.finish().await.expect("published");
    assert_eq!(faults.journal().count(Call::Part), PARTS);
    reads(&odd.store(), &body).await;
    // Few parts tell nothing of what is late.
    let (odd, faults, store) = parts(true, [of_part(10, Fault::Late(LONG))]);
    let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("begun");
    writer.write(body[..12_000].to_vec()).await.expect("written");
    writer.finish().await.expect("published");
    assert_eq!(faults.journal().count(Call::Part), 12);
    reads(&odd.store(), &body[..12_000]).await;
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_second_request_fails_is_not_lost() {
    let body = pattern(12, (PARTS * 1000) as usize);
    let last = PARTS - 1;
    let refused = Rule::new(Call::Part, Fault::Before(Refusal::unavailable()))
        .only(move |seen| seen.part == Some(last))
        .nth(1..2);
    let (odd, faults, store) = parts(true, [of_part(last, Fault::Late(Duration::from_secs(1))), refused]);
    let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("begun");
    writer.write(body.clone()).await.expect("written");
    writer.finish().await.expect("published");
    assert_eq!(sent(&faults, last), 2);
    reads(&odd.store(), &body).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_futures_leave_nothing_running() {
    let body = pattern(13, 10_000);
    // While a second answer is waited for.
    let odd = slow(0, |_| Slow::answer(LONG));
    put(&odd, &body).await;
    let store = eager(odd.store()).await;
    let read = tokio::time::timeout(3 * LATE, store.read(&key("a"), ReadOptions::new())).await;
    assert!(read.is_err());
    assert_eq!((odd.counts.asked().len(), odd.counts.reading()), (2, 0));
    // While a body and a second one stall.
    for preferred in [0, 1000] {
        let odd = slow(preferred, |_| Slow::stall(300, LONG));
        put(&odd, &body).await;
        let store = eager(odd.store()).await;
        let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("opened");
        let all = async { while reader.try_next().await.expect("read").is_some() {} };
        assert!(tokio::time::timeout(LATE * 3 / 2, all).await.is_err());
        assert!(odd.counts.reading() >= 1);
        drop(reader);
        tokio::time::sleep(MS).await;
        let asked = odd.counts.asked().len();
        assert_eq!(odd.counts.reading(), 0);
        tokio::time::sleep(4 * LONG).await;
        assert_eq!(odd.counts.asked().len(), asked);
    }
    // While the last part travels twice.
    let late = Rule::new(Call::Part, Fault::Hang).only(|seen| seen.part == Some(PARTS - 1));
    let (odd, faults, store) = parts(true, [late]);
    let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("begun");
    writer.write(pattern(14, (PARTS * 1000) as usize)).await.expect("written");
    assert!(tokio::time::timeout(LONG, writer.finish()).await.is_err());
    assert_eq!(sent(&faults, PARTS - 1), 2);
    tokio::time::sleep(MS).await;
    assert_eq!(odd.counts.aborts.load(Ordering::Relaxed), 1);
    assert_eq!(odd.counts.parts_at_abort.load(Ordering::Relaxed), 0);
    tokio::time::sleep(4 * LONG).await;
    assert_eq!(faults.journal().count(Call::Part), PARTS + 1);
}

/// Everything at once, with two readers of each kind.
#[tokio::test(start_paused = true)]
async fn ranges_side_by_side_stay_right_however_slow_some_are() {
    let body = pattern(15, 200_000);
    for seed in 0..20 {
        let odd = slow(7_001, move |number| {
            let mut random = fastrand::Rng::with_seed(seed * 1000 + number as u64);
            Slow {
                answer: MS * random.u32(0..200),
                stall: random.bool().then(|| (random.u64(0..8_000), MS * random.u32(0..400))),
                breaks: (random.u8(..) < 25).then_some(ErrorKind::Unavailable),
                ..Slow::default()
            }
        });
        put(&odd, &body).await;
        let told = Arc::new(Told::default());
        let retry = RetryPolicy::default().waits(MS, 2 * MS);
        let store = eager(odd.store().with_retry(retry)).await.with_progress(told.clone());
        tokio::join!(reads(&store, &body), reads(&store, &body));
        assert_eq!(told.bytes.load(Ordering::Relaxed), 2 * body.len() as u64);
        tokio::time::sleep(MS).await;
        assert_eq!(odd.counts.reading(), 0);
    }
}

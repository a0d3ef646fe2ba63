//! Reads and copies of random shapes through random faults: the right bytes or an error, an end, and nothing left behind.

mod common;

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use common::{Odd, free, in_flight, key, pattern};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
use storage_core::{
    Budget, Capabilities, Limit, ReadOptions, RetryPolicy, Store, TransferOptions, Window, WriteOptions,
};

type Random = fastrand::Rng;

fn shape(random: &mut Random) -> impl FnOnce(&mut Capabilities) + use<> {
    let (range, part_min, part) = (random.u64(0..900), random.u64(1..200), random.u64(1..600));
    let (parallel, verified) = (random.u8(0..5) > 0, random.bool());
    move |can| {
        can.limits.range_preferred = range;
        can.limits.part_min = part_min;
        can.limits.part_preferred = part.max(part_min);
        can.limits.write_max = part.max(part_min);
        can.limits.parallel_parts = parallel;
        can.verified_writes = verified;
    }
}

fn reading(random: &mut Random, size: u64) -> Fault {
    let after = random.u64(0..=size.min(500));
    match random.u8(0..9) {
        0 => Fault::EndEarly { after },
        1 => Fault::Cut { after, with: Refusal::throttled(Duration::from_secs(1)) },
        2 => Fault::Cut { after, with: Refusal::denied() },
        3 => Fault::Stall { after },
        4 => Fault::Late(Duration::from_millis(random.u64(0..90_000))),
        5 => Fault::WholeObject,
        6 => Fault::OtherObject { etag: "other" },
        7 => Fault::TooLong(Bytes::from_static(b"more")),
        _ => Fault::Before(Refusal::unavailable()),
    }
}

fn writing(random: &mut Random) -> Fault {
    match random.u8(0..5) {
        0 => Fault::After(Refusal::unavailable()),
        1 => Fault::Lost(Refusal::throttled(Duration::from_secs(1))),
        2 => Fault::Before(Refusal::denied()),
        3 => Fault::Late(Duration::from_millis(random.u64(0..900_000))),
        _ => Fault::HangAfter,
    }
}

fn plan(random: &mut Random, calls: &[Call], mut fault: impl FnMut(&mut Random) -> Fault) -> Plan {
    let mut plan = Plan::new();
    for _ in 0..random.u8(0..4) {
        let fault = fault(random);
        plan = plan.at(calls[random.usize(0..calls.len())], random.u64(0..8), fault);
    }
    plan
}

struct Shared {
    budget: Budget,
    window: Window,
    limit: Limit,
}

impl Shared {
    fn new(random: &mut Random) -> Self {
        let window =
            if random.bool() { Window::up_to(random.usize(0..9)) } else { Window::fixed(random.usize(0..9)) };
        let limit = Limit::new();
        if random.u8(0..4) == 0 {
            limit.set_bytes_per_second(Some(random.u64(100..100_000)));
            limit.set_requests_per_second(Some(random.u64(1..100)));
        }
        Self { budget: Budget::new(random.u64(0..3000)), window, limit }
    }

    fn with(&self, store: &Store) -> Store {
        let retry = RetryPolicy::default().attempts(4);
        store
            .with_retry(retry)
            .with_budget(self.budget.clone())
            .with_window(self.window.clone())
            .with_limit(self.limit.clone())
    }

    fn nothing_is_held(&self, round: u64) {
        assert_eq!((free(&self.budget), in_flight(&self.window)), (self.budget.bytes(), 0), "round {round}");
    }
}

/// What an answer of another object holds; a whole read of that one is right too.
fn other(body: &[u8]) -> Vec<u8> {
    body.iter().map(|byte| !byte).collect()
}

async fn old(odd: &Odd, name: &str, body: &[u8]) {
    odd.store().write(&key(name), body.to_vec(), WriteOptions::new()).await.expect("written");
}

#[tokio::test(start_paused = true)]
async fn reads() {
    for round in 0..1500 {
        let random = &mut Random::with_seed(round);
        let size = random.u64(0..4000);
        let body = pattern(round, size as usize);
        let odd = Odd::new(shape(random)).with(|odd| odd.nameless = random.u8(0..6) == 0);
        old(&odd, "a", &body).await;
        let faults = FaultLayer::new(plan(random, &[Call::Read], |random| reading(random, size)));
        let shared = Shared::new(random);
        let store = shared.with(&odd.store().layer(&faults));
        let mut options = ReadOptions::new();
        let mut wanted: Range<u64> = 0..size;
        if random.bool() && size > 0 {
            wanted = random.u64(0..size)..size;
            options = options.range(wanted.start..);
        }
        if random.bool() {
            options = options.concurrency(random.usize(0..9));
        }
        let a = key("a");
        let read = store.read(&a, options);
        if random.u8(0..5) == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(random.u64(0..100_000)), read).await;
        } else if let Ok(read) = read.await {
            let wanted = wanted.start as usize..wanted.end as usize;
            let whole = read.bytes == body[wanted.clone()] || read.bytes == other(&body)[wanted];
            assert!(whole, "round {round}: {faults:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        shared.nothing_is_held(round);
    }
}

#[tokio::test(start_paused = true)]
async fn copies() {
    for round in 0..1500 {
        let random = &mut Random::with_seed(round);
        let size = random.u64(0..4000);
        let body = pattern(round, size as usize);
        let (from, to) = (Odd::new(shape(random)), Odd::new(shape(random)));
        let from = from.with(|odd| odd.nameless = random.u8(0..6) == 0);
        old(&from, "a", &body).await;
        old(&to, "b", b"old").await;
        let reads = FaultLayer::new(plan(random, &[Call::Read], |random| reading(random, size)));
        let writes = [Call::Part, Call::Part, Call::Finish, Call::Write, Call::Upload, Call::Abort];
        let writes = FaultLayer::new(plan(random, &writes, writing));
        let shared = Shared::new(random);
        let source = shared.with(&from.store().layer(&reads));
        let destination = shared.with(&to.store().layer(&writes));
        let mut options = TransferOptions::new().verify(random.bool());
        if random.bool() {
            options = options.concurrency(random.usize(0..9));
        }
        if random.bool() {
            options = options.part_size(random.u64(0..700));
        }
        let (a, b) = (key("a"), key("b"));
        let copy = source.copy_to(&a, &destination, &b, options);
        let copied = if random.u8(0..5) == 0 {
            tokio::time::timeout(Duration::from_millis(random.u64(0..100_000)), copy).await.ok()
        } else {
            Some(copy.await)
        };
        tokio::time::sleep(Duration::from_secs(5)).await;
        let found = to.store().read(&b, ReadOptions::new()).await.expect("there").bytes;
        let what = format!("round {round}: {copied:?}\n{reads:?}\n{writes:?}");
        let new = found == body || found == other(&body);
        match &copied {
            Some(Ok(done)) => assert!(new && done.metadata.size == size, "{what}"),
            Some(Err(error)) if !error.may_have_been_applied() => assert!(&found[..] == b"old", "{what}"),
            _ => assert!(&found[..] == b"old" || new, "{what}"),
        }
        assert_eq!(to.counts.parts_at_abort.load(Ordering::Relaxed), 0, "{what}");
        shared.nothing_is_held(round);
    }
}

//! Limits on bytes and requests, in the time of a clock that only runs while everybody waits.

mod common;

use std::time::Duration;

use common::{Odd, key, pattern};
use storage_core::{Limit, ReadOptions, Store, TransferOptions, WriteOptions};
use tokio::time::Instant;

const SIZE: usize = 1_000_000;

fn store(limit: &Limit) -> (Odd, Store) {
    let odd = Odd::new(|can| {
        can.limits.range_preferred = 64 << 10;
        can.limits.part_preferred = 64 << 10;
        can.limits.write_max = 64 << 10;
    });
    let store = odd.store().with_limit(limit.clone());
    (odd, store)
}

/// It takes that long, but for what is saved up and a part that is on its way.
fn about(took: Duration, expected: f64) {
    let took = took.as_secs_f64();
    assert!((took - expected).abs() <= expected * 0.05 + 0.2, "{took} s, not {expected} s");
}

#[tokio::test(start_paused = true)]
async fn reads_writes_and_copies_keep_it() {
    let limit = Limit::new().bytes_per_second(100_000);
    let (_, from) = store(&limit);
    let body = pattern(1, SIZE);
    let begun = Instant::now();
    from.write(&key("a"), body.clone(), WriteOptions::new()).await.expect("written");
    about(begun.elapsed(), 10.0);
    let begun = Instant::now();
    assert!(from.read(&key("a"), ReadOptions::new()).await.expect("read").bytes == body);
    about(begun.elapsed(), 10.0);
    // Once on the way in and once on the way out.
    let (odd, to) = store(&limit);
    let begun = Instant::now();
    let options = TransferOptions::new().verify(false);
    from.copy_to(&key("a"), &to, &key("a"), options).await.expect("copied");
    about(begun.elapsed(), 20.0);
    assert!(odd.store().read(&key("a"), ReadOptions::new()).await.expect("read").bytes == body);
}

#[tokio::test(start_paused = true)]
async fn stopped_and_let_go_again() {
    let limit = Limit::new();
    let (odd, from) = store(&limit);
    odd.store().write(&key("a"), pattern(2, SIZE), WriteOptions::new()).await.expect("written");
    let (_, to) = store(&limit);
    limit.set_bytes_per_second(Some(0));
    let begun = Instant::now();
    let let_go = async {
        tokio::time::sleep(Duration::from_secs(1000)).await;
        limit.set_bytes_per_second(Some(1_000_000));
        tokio::time::sleep(Duration::from_millis(500)).await;
        limit.set_bytes_per_second(Some(0));
        tokio::time::sleep(Duration::from_secs(1000)).await;
        limit.set_bytes_per_second(None);
    };
    let (a, options) = (key("a"), TransferOptions::new());
    let (copied, ()) = tokio::join!(from.copy_to(&a, &to, &a, options), let_go);
    assert_eq!(copied.expect("copied").metadata.size, SIZE as u64);
    about(begun.elapsed(), 2000.5);
}

/// Under a limit parts are short. They must not be so short that their number does not suffice, nor stay so once the
/// limit is lifted.
#[tokio::test(start_paused = true)]
async fn a_writer_that_was_begun_under_a_limit_can_hold_as_much() {
    for rate in [0, 1, 1000] {
        let limit = Limit::new().bytes_per_second(rate);
        let odd = Odd::new(|can| can.limits.parts_max = 100);
        let store = odd.store().with_limit(limit.clone());
        let mut writer = store.writer(&key("a"), WriteOptions::new()).await.expect("a writer");
        limit.set_bytes_per_second(None);
        for _ in 0..64 {
            writer.write(vec![1u8; 1 << 20]).await.expect("taken");
        }
        assert_eq!(writer.finish().await.expect("written").size, 64 << 20, "begun at {rate} bytes a second");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_tries_and_ranges_included() {
    let limit = Limit::new();
    let (odd, from) = store(&limit);
    odd.store().write(&key("a"), pattern(3, SIZE), WriteOptions::new()).await.expect("written");
    limit.set_requests_per_second(Some(2));
    let begun = Instant::now();
    from.read(&key("a"), ReadOptions::new()).await.expect("read");
    about(begun.elapsed(), (SIZE as f64 / f64::from(64 << 10)).ceil() / 2.0);
}

//! Bytes and requests per second, paid for before they move.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Under a limit, bytes move in pieces of about this much time.
const PIECE: f64 = 0.1;
/// What is saved up while nobody asks, in time: as much as a timer may ring late.
const SAVED: f64 = 0.01;
/// The longest sleep: what is asked for may be further off than a clock can tell.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// How many bytes and requests a second may move. A clone is the same limit: give one to several stores and they share it,
/// give a store several and it keeps all of them ([`Store::with_limit`](crate::Store::with_limit)). It can be changed
/// while transfers run, and holds for them from that moment.
///
/// Exact from one byte a second up: `n` bytes take `n` divided by the limit, and while nobody asks no more
/// is saved up than what a hundredth of a second is worth. Who waits can be dropped; what it asked for is not counted then.
///
/// ```
/// use storage_core::Limit;
///
/// let limit = Limit::new().bytes_per_second(10_000_000);
/// assert_eq!(limit.get().bytes_per_second, Some(10_000_000));
/// limit.set_bytes_per_second(None);
/// assert_eq!(limit.get().bytes_per_second, None);
/// ```
#[derive(Clone, Default)]
pub struct Limit {
    bytes: Arc<Meter>,
    requests: Arc<Meter>,
}

/// What a [`Limit`] allows now. `None` is no limit.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Bytes of bodies, in both directions together.
    pub bytes_per_second: Option<u64>,
    /// Requests, tries included.
    pub requests_per_second: Option<u64>,
}

impl Limit {
    /// No limit yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes a second may move. 0 stops them.
    pub fn bytes_per_second(self, bytes: u64) -> Self {
        self.set_bytes_per_second(Some(bytes));
        self
    }

    /// Sets how many requests a second may go out. 0 stops them.
    pub fn requests_per_second(self, requests: u64) -> Self {
        self.set_requests_per_second(Some(requests));
        self
    }

    /// Changes how many bytes a second may move from now on, or lifts the limit.
    pub fn set_bytes_per_second(&self, bytes: Option<u64>) {
        self.bytes.set(bytes);
    }

    /// Changes how many requests a second may go out from now on, or lifts the limit.
    pub fn set_requests_per_second(&self, requests: Option<u64>) {
        self.requests.set(requests);
    }

    /// What it allows now.
    pub fn get(&self) -> Allowed {
        Allowed { bytes_per_second: self.bytes.rate(), requests_per_second: self.requests.rate() }
    }

    /// How many of `bytes` should move in one piece, so that they flow rather than jump.
    pub(crate) fn piece(&self, bytes: u64) -> u64 {
        match self.bytes.rate() {
            Some(rate) => bytes.min(((rate as f64 * PIECE) as u64).max(1)),
            None => bytes,
        }
    }

    /// Waits until this many bytes may move.
    pub(crate) async fn bytes(&self, count: u64) {
        self.bytes.take(count).await;
    }

    /// Waits until one more request may go out.
    pub(crate) async fn request(&self) {
        self.requests.take(1).await;
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("allowed", &self.get()).finish()
    }
}

/// One thing that is counted.
#[derive(Default)]
struct Meter {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    rate: Option<u64>,
    /// What was asked for so far.
    asked: f64,
    /// How much of it was allowed, at `since`.
    allowed: f64,
    since: Option<Instant>,
    /// Claims that were given up before their turn, in order: where they end, and how long they were.
    gaps: VecDeque<(f64, f64)>,
}

impl Meter {
    fn rate(&self) -> Option<u64> {
        self.lock().rate
    }

    fn set(&self, rate: Option<u64>) {
        let mut state = self.lock();
        state.settle(Instant::now());
        state.rate = rate;
        drop(state);
        self.changed.notify_waiters();
    }

    async fn take(&self, count: u64) {
        if count == 0 || self.rate().is_none() {
            return;
        }
        let mut claim = self.claim(count);
        loop {
            // Before the question, lest a change in between is missed.
            let changed = self.changed.notified();
            match claim.wait() {
                None => return,
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, changed).await;
                }
            }
        }
    }

    /// A place in the queue.
    fn claim(&self, count: u64) -> Claim<'_> {
        let mut state = self.lock();
        state.settle(Instant::now());
        state.asked += count as f64;
        Claim { meter: self, count: count as f64, end: state.asked, is_open: true }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Brings what is allowed up to now.
    fn settle(&mut self, now: Instant) {
        let since = self.since.replace(now).unwrap_or(now);
        self.allowed = match self.rate {
            Some(rate) => {
                let more = now.duration_since(since).as_secs_f64() * rate as f64;
                (self.allowed + more).min(self.asked + rate as f64 * SAVED)
            }
            None => self.allowed.max(self.asked),
        };
        // A claim that was given up takes no time when its turn comes. Not before: that would help those before it.
        while let Some((end, count)) = self.gaps.front().copied()
            && self.allowed >= end - count
        {
            self.gaps.pop_front();
            self.allowed += count.min(self.asked - self.allowed).max(0.0);
        }
    }

    /// What has to be allowed yet before the turn of a claim that ends there.
    fn missing(&self, end: f64) -> f64 {
        let gaps = self.gaps.iter().take_while(|(gap, _)| *gap < end).map(|(_, count)| count);
        end - self.allowed - gaps.sum::<f64>()
    }
}

/// A place in the queue. Given up before its turn, it moves those behind it up.
struct Claim<'a> {
    meter: &'a Meter,
    count: f64,
    /// What has to be allowed in all before it is its turn.
    end: f64,
    is_open: bool,
}

impl Claim<'_> {
    /// How long until its turn; nothing if it is.
    fn wait(&mut self) -> Option<Duration> {
        let mut state = self.meter.lock();
        state.settle(Instant::now());
        let missing = state.missing(self.end);
        // What is left over from calculating in fractions is less than a thousandth of one.
        if missing < 1e-3 {
            self.is_open = false;
            return None;
        }
        match state.rate {
            Some(0) => Some(LONG),
            Some(rate) => {
                let wait = Duration::try_from_secs_f64(missing / rate as f64).unwrap_or(LONG);
                Some(wait.clamp(Duration::from_millis(1), LONG))
            }
            None => None,
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let mut state = self.meter.lock();
            let at = state.gaps.partition_point(|(end, _)| *end < self.end);
            state.gaps.insert(at, (self.end, self.count));
            state.settle(Instant::now());
            drop(state);
            self.meter.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Limit;

    /// How long `count` bytes take, asked for in pieces of `piece`.
    async fn time(limit: &Limit, count: u64, piece: u64) -> Duration {
        let begun = Instant::now();
        let mut left = count;
        while left > 0 {
            let now = left.min(piece);
            limit.bytes(now).await;
            left -= now;
        }
        begun.elapsed()
    }

    fn about(took: Duration, expected: f64) {
        let took = took.as_secs_f64();
        assert!((took - expected).abs() <= expected * 0.01 + 0.002, "{took} s, not {expected} s");
    }

    #[tokio::test(start_paused = true)]
    async fn exact_from_one_byte_a_second() {
        about(time(&Limit::new().bytes_per_second(1), 60, 1).await, 60.0);
        about(time(&Limit::new().bytes_per_second(3), 60, 7).await, 20.0);
        about(time(&Limit::new().bytes_per_second(1_000_000_000), 10_000_000_000, 1 << 20).await, 10.0);
        about(time(&Limit::new(), u64::MAX, u64::MAX).await, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_saved_up() {
        let limit = Limit::new().bytes_per_second(100);
        limit.bytes(1).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        about(time(&limit, 1000, 10).await, 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn many_share_one() {
        let limit = Limit::new().bytes_per_second(1000);
        let begun = Instant::now();
        futures_util::future::join_all((0..10).map(|_| time(&limit, 1000, 50))).await;
        about(begun.elapsed(), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_hold_at_once() {
        let limit = Limit::new().bytes_per_second(1);
        let begun = Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            limit.set_bytes_per_second(Some(99));
        };
        futures_util::future::join(limit.bytes(1000), change).await;
        about(begun.elapsed(), 20.0);
        let lift = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            limit.set_bytes_per_second(None);
        };
        limit.set_bytes_per_second(Some(0));
        let begun = Instant::now();
        futures_util::future::join(limit.bytes(1 << 40), lift).await;
        about(begun.elapsed(), 5.0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_not_counted() {
        let limit = Limit::new().bytes_per_second(10);
        let begun = Instant::now();
        let long = tokio::time::timeout(Duration::from_secs(1), limit.bytes(1_000_000));
        let (long, ()) = futures_util::future::join(long, async {
            tokio::task::yield_now().await;
            limit.bytes(100).await;
        })
        .await;
        assert!(long.is_err());
        assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_helps_nobody_before_it() {
        let limit = Limit::new().bytes_per_second(10);
        let begun = Instant::now();
        let first = async {
            limit.bytes(100).await;
            about(begun.elapsed(), 10.0);
        };
        let second = tokio::time::timeout(Duration::from_secs(1), limit.bytes(1000));
        let third = async {
            limit.bytes(100).await;
            about(begun.elapsed(), 20.0);
        };
        let ((), second, ()) = futures_util::future::join3(first, second, third).await;
        assert!(second.is_err());
        about(time(&limit, 100, 10).await, 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_too() {
        let limit = Limit::new().requests_per_second(5);
        let begun = Instant::now();
        for _ in 0..50 {
            limit.request().await;
        }
        about(begun.elapsed(), 10.0);
    }
}

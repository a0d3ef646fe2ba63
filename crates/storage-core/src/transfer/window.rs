//! How many requests with a body travel side by side: as many as the way to the service makes use of.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, 1989). A round is as many finished requests as fit in the
//! window. While a full window moves bytes faster than before, it grows: by doubling until that is in vain for the first time
//! (slow start, RFC 5681), by a step from then on. Where the service throttles, it
//! halves. Where requests only take longer and nothing moves faster, more of them are a queue somewhere: it shrinks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const START: f64 = 4.0;
/// What a full window grows by after a round that it made faster.
const STEP: f64 = 2.0;
/// A round is faster if it moved this much more a second.
const FASTER: f64 = 1.05;
/// What it shrinks to after a round that only took longer.
const SHRINK: f64 = 0.85;
/// Requests that take this much longer than at best, with nothing gained, wait in a queue.
const QUEUED: f64 = 1.5;
/// The way has changed if it carries no more than this of the best.
const SLOWER: f64 = 0.6;
/// After this many rounds without gain it looks again whether there is more.
const PROBE: u32 = 16;
/// Throttling that is told again within this time is told of the same queue.
const SAME_STORM: Duration = Duration::from_secs(1);
/// The bounds of the default.
const DEFAULT_MAX: usize = 64;

/// The number of requests with a body that a store keeps in flight for large objects. It adapts; a clone is the same
/// window. All transfers of a store share one, and each may have one request beyond it.
///
/// ```
/// use storage_core::Window;
///
/// let window = Window::fixed(16);
/// assert_eq!(window.size(), 16);
/// ```
#[derive(Clone, Debug)]
pub struct Window {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    size: f64,
    max: f64,
    adapts: bool,
    in_flight: usize,
    round: Round,
    /// Bytes a second and the time of a byte, at the size that gave most.
    best: Option<(f64, f64)>,
    idle_rounds: u32,
    /// The size before a look whether there is more.
    probed_from: Option<f64>,
    /// No growth was in vain yet.
    searches: bool,
    /// The window has changed: the round that is under way tells of both sizes, and so of neither.
    changed: bool,
    throttled: Option<Instant>,
}

#[derive(Debug, Default)]
struct Round {
    began: Option<Instant>,
    bytes: u64,
    finished: u32,
    busy: Duration,
    was_full: bool,
}

impl Window {
    /// A window that adapts, up to `max`.
    pub fn up_to(max: usize) -> Self {
        Self::new(START.min(max.max(1) as f64), max, true)
    }

    /// A window of this size for good.
    pub fn fixed(size: usize) -> Self {
        Self::new(size.max(1) as f64, size, false)
    }

    fn new(size: f64, max: usize, adapts: bool) -> Self {
        let state = State {
            size,
            max: max.max(1) as f64,
            adapts,
            in_flight: 0,
            round: Round::default(),
            best: None,
            idle_rounds: 0,
            probed_from: None,
            searches: true,
            changed: false,
            throttled: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many requests it holds now.
    pub fn size(&self) -> usize {
        self.lock().size as usize
    }

    /// A place for one more request, if there is one.
    pub(crate) fn try_enter(&self) -> Option<Slot> {
        let mut state = self.lock();
        if state.in_flight >= state.size as usize {
            state.round.was_full = true;
            return None;
        }
        state.in_flight += 1;
        drop(state);
        Some(self.slot())
    }

    /// A place for one more request whether there is one or not: the first one of a transfer.
    pub(crate) fn enter(&self) -> Slot {
        self.lock().in_flight += 1;
        self.slot()
    }

    fn slot(&self) -> Slot {
        Slot { window: self.clone(), began: Instant::now() }
    }

    /// The service asked for fewer requests.
    pub(crate) fn throttled(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let same_storm = state.throttled.is_some_and(|before| now.duration_since(before) < SAME_STORM);
        if state.adapts && !same_storm {
            state.size = (state.size / 2.0).max(1.0);
            state.throttled = Some(now);
            (state.best, state.probed_from, state.searches) = (None, None, false);
            state.round = Round::default();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::up_to(DEFAULT_MAX)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    window: Window,
    began: Instant,
}

impl Slot {
    /// The request moved all its bytes.
    pub(crate) fn finished(self, bytes: u64) {
        self.window.lock().finished(bytes, self.began, Instant::now());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.window.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            // Until the next request there is nothing to measure.
            state.round = Round::default();
        }
    }
}

impl State {
    fn finished(&mut self, bytes: u64, began: Instant, now: Instant) {
        let round = &mut self.round;
        let since = *round.began.get_or_insert(began);
        round.bytes += bytes;
        round.finished += 1;
        round.busy += now.duration_since(began);
        if !self.adapts || round.finished < self.size as u32 || round.bytes == 0 {
            return;
        }
        let elapsed = now.duration_since(since).as_secs_f64().max(1e-6);
        let rate = round.bytes as f64 / elapsed;
        let byte_time = round.busy.as_secs_f64() / round.bytes as f64;
        let was_full = round.was_full;
        self.round = Round { began: Some(now), ..Round::default() };
        if was_full && !std::mem::take(&mut self.changed) {
            self.adapt(rate, byte_time);
        }
    }

    fn adapt(&mut self, rate: f64, byte_time: f64) {
        let Some((best_rate, best_time)) = self.best else {
            self.best = Some((rate, byte_time));
            return self.grow();
        };
        if rate > best_rate * FASTER {
            self.best = Some((rate, byte_time));
            (self.idle_rounds, self.probed_from) = (0, None);
            return self.grow();
        }
        self.idle_rounds += 1;
        if let Some(before) = self.probed_from.take() {
            // More of them moved nothing more.
            self.size = self.size.min(before);
            (self.changed, self.searches) = (true, false);
        } else if rate < best_rate * SLOWER {
            // The way itself is another one now: what is best has to be found anew.
            self.best = None;
        } else if byte_time > best_time * QUEUED {
            self.size = (self.size * SHRINK).max(1.0);
            self.changed = true;
        } else if self.idle_rounds >= PROBE {
            self.idle_rounds = 0;
            self.probed_from = Some(self.size);
            self.grow();
        }
    }

    /// By a step; before the first growth that gave nothing, by doubling, since a distant service would be reached late.
    fn grow(&mut self) {
        let before = self.size;
        let size = if self.searches { self.size * 2.0 } else { self.size + STEP };
        self.size = size.min(self.max);
        self.changed = true;
        if self.searches {
            self.probed_from = Some(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Window;

    /// A way that carries `streams` at full speed and shares what it has among more. Tells the size of the window in the
    /// end.
    async fn run(window: &Window, streams: usize, rounds: usize) -> usize {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..rounds * 64 {
            let slot = loop {
                match window.try_enter() {
                    Some(slot) => break slot,
                    None => drop(tasks.join_next().await),
                }
            };
            let share = (window.lock().in_flight as f64 / streams as f64).max(1.0);
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(100).mul_f64(share)).await;
                slot.finished(8 << 20);
            });
        }
        while tasks.join_next().await.is_some() {}
        window.size()
    }

    #[tokio::test(start_paused = true)]
    async fn grows_to_what_the_way_carries_and_not_far_beyond() {
        let window = Window::up_to(64);
        let size = run(&window, 24, 40).await;
        assert!((18..=44).contains(&size), "{size}");
        let window = Window::up_to(64);
        let size = run(&window, 2, 40).await;
        assert!(size <= 8, "{size}");
    }

    /// Time in which nothing was to be moved tells nothing of the way.
    #[tokio::test(start_paused = true)]
    async fn does_not_grow_with_every_pause() {
        let window = Window::up_to(64);
        for _ in 0..40 {
            run(&window, 2, 2).await;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        assert!(window.size() <= 8, "{}", window.size());
    }

    #[tokio::test(start_paused = true)]
    async fn halves_once_a_storm() {
        let window = Window::up_to(64);
        run(&window, 64, 40).await;
        let before = window.size();
        assert!(before >= 16, "{before}");
        window.throttled();
        window.throttled();
        assert_eq!(window.size(), before / 2);
        tokio::time::sleep(Duration::from_secs(2)).await;
        window.throttled();
        assert!(window.size() <= before / 4 + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_one_stays() {
        let window = Window::fixed(3);
        run(&window, 64, 4).await;
        window.throttled();
        assert_eq!(window.size(), 3);
    }

    #[test]
    fn a_place_is_free_again_after_its_request() {
        let window = Window::fixed(1);
        let first = window.try_enter().expect("nothing is in flight");
        assert!(window.try_enter().is_none());
        let beyond = window.enter();
        drop(first);
        assert!(window.try_enter().is_none());
        drop(beyond);
        assert!(window.try_enter().is_some());
    }
}

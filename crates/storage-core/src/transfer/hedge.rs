//! When a request is so late that it is worth asking again beside it.
//!
//! What is late is what comes later than nearly all before it: by smoothed mean and deviation, as TCP finds out when to send
//! again (Jacobson and Karels, RFC 6298). A second request goes out beside the late one and the first answer counts
//! (Dean and Barroso, "The Tail at Scale", 2013). A share of all requests bounds what that may cost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Nothing is late before so many answers tell what is usual.
const SAMPLES_MIN: u32 = 16;
/// Nothing is late before this: what a scheduler may take is no sign of a service.
const LATE_MIN: Duration = Duration::from_millis(50);
/// The gains of RFC 6298, and how many deviations beyond the mean are late.
const MEAN_GAIN: f64 = 1.0 / 8.0;
const DEVIATION_GAIN: f64 = 1.0 / 4.0;
const DEVIATIONS: f64 = 4.0;
/// Requests that may be saved up for a bad moment.
const SAVED_MAX: f64 = 8.0;
/// The default: one in twenty.
const SHARE: f64 = 0.05;

/// Whether a store sends a second request beside one that is late, and for how large a share of its requests at most. A
/// clone is the same count. Reads are hedged, and at the end of an upload its parts where the service lets a part come
/// twice; whole writes never are: one that comes late could replace what somebody else wrote since.
///
/// ```
/// use storage_core::{Hedge, Store};
/// # let store = Store::new(storage_memory::Memory::new());
/// let patient = store.with_hedge(Hedge::none());
/// ```
#[derive(Clone, Debug)]
pub struct Hedge {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    share: f64,
    saved: f64,
    answers: Usual,
}

impl Hedge {
    /// No second requests.
    pub fn none() -> Self {
        Self::up_to(0.0)
    }

    /// Second requests for this share of all, such as 0.05 for one in twenty.
    pub fn up_to(share: f64) -> Self {
        // What is no number is no share.
        let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
        let state = State { share, saved: 0.0, answers: Usual::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// After how long an answer is late, if that is known and something would be done about it.
    pub(crate) fn late_after(&self) -> Option<Duration> {
        let state = self.lock();
        if state.saved < 1.0 { None } else { state.answers.late_after() }
    }

    /// An answer took this long.
    pub(crate) fn answered(&self, took: Duration) {
        self.earn();
        self.lock().answers.note(took);
    }

    /// A request that was sent once is done: it counts for the share.
    pub(crate) fn earn(&self) {
        let mut state = self.lock();
        state.saved = (state.saved + state.share).min(SAVED_MAX);
    }

    /// Leave for one second request.
    pub(crate) fn try_spend(&self) -> bool {
        let mut state = self.lock();
        let may = state.saved >= 1.0;
        if may {
            state.saved -= 1.0;
        }
        may
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self::up_to(SHARE)
    }
}

/// How long something takes as a rule, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usual {
    samples: u32,
    mean: f64,
    deviation: f64,
}

impl Usual {
    pub(crate) fn note(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        if self.samples == 0 {
            (self.mean, self.deviation) = (took, took / 2.0);
        } else {
            self.deviation += DEVIATION_GAIN * ((took - self.mean).abs() - self.deviation);
            self.mean += MEAN_GAIN * (took - self.mean);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// After how long it is late, once enough is known.
    pub(crate) fn late_after(&self) -> Option<Duration> {
        let late = Duration::from_secs_f64(self.mean + DEVIATIONS * self.deviation);
        (self.samples >= SAMPLES_MIN).then(|| late.max(LATE_MIN))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Hedge, LATE_MIN};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn late_is_what_comes_after_nearly_all_others() {
        let hedge = Hedge::up_to(1.0);
        for n in 0..15 {
            assert_eq!(hedge.late_after(), None, "{n} answers tell nothing yet");
            hedge.answered(100 * MS);
        }
        (0..200).for_each(|n| hedge.answered((90 + n % 20) * MS));
        let late = hedge.late_after().expect("enough answers");
        assert!((110 * MS..160 * MS).contains(&late), "{late:?}");
    }

    #[test]
    fn what_a_scheduler_takes_is_not_late() {
        let hedge = Hedge::up_to(1.0);
        (0..100).for_each(|_| hedge.answered(MS / 10));
        assert_eq!(hedge.late_after(), Some(LATE_MIN));
    }

    #[test]
    fn second_requests_stay_a_share() {
        let hedge = Hedge::default();
        let mut second = 0;
        for _ in 0..1000 {
            hedge.answered(MS);
            second += u32::from(hedge.try_spend());
        }
        assert!((45..=50).contains(&second), "{second}");
        assert!(!Hedge::none().try_spend());
    }
}

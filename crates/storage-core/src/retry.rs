//! Retry by idempotency with a budget in time, and timeouts on silence (clauses ERR-3 and TIME-1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Retry};

/// When to try again and for how long.
///
/// Waits grow from `base` by doubling up to `cap`, each drawn evenly from zero to that bound ("full jitter"), so that
/// clients that failed together do not return together. A service's `Retry-After` is a lower bound of the wait. The
/// budget counts from the first failure without progress: a long transfer that keeps moving never runs out of it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// No further try starts after this long.
    pub budget: Duration,
    /// The budget for connecting while the service was not reached once: then a wrong address is likelier than a
    /// passing failure, and its user is waiting. A try that was begun has its own time to connect on top.
    pub first_contact: Duration,
    /// No more tries than this in a row without progress.
    pub attempts: u32,
    /// The bound of the first wait.
    pub base: Duration,
    /// The largest bound of a wait.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(120),
            first_contact: Duration::from_secs(4),
            attempts: 10,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// One try only.
    pub fn none() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// Sets the budget.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the budget for connecting while the service was not reached once.
    pub fn first_contact(mut self, budget: Duration) -> Self {
        self.first_contact = budget;
        self
    }

    /// Sets the most tries in a row.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the bounds of the first and of the longest wait.
    pub fn waits(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }
}

/// How long silence is taken. How long a connection may take to stand is a setting of the backend that makes it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the answer to a request begins, and between two chunks of a body while the reader waits for one.
    pub silence: Duration,
    /// Until a request is answered for which the service has to work: finishing an upload, a rename. A copy has no
    /// such limit, since nobody knows how long an object of any size takes; its backend keeps one, or its caller.
    pub work: Duration,
    /// A part or a one-shot body counts as stalled when it goes slower than this many bytes per second, on top of
    /// `silence`. Not a limit on the whole object.
    pub slowest: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), work: Duration::from_secs(600), slowest: 16 << 10 }
    }
}

impl Timeouts {
    /// Sets how long silence is taken.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Sets how long a request may take for which the service has to work.
    pub fn work(mut self, work: Duration) -> Self {
        self.work = work;
        self
    }

    /// How long a request that carries `bytes` may take.
    pub(crate) fn for_body(&self, bytes: u64) -> Duration {
        self.silence + Duration::from_secs(bytes / self.slowest.max(1))
    }
}

/// Whether a request may be repeated although it may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Applying it twice is the same as once.
    Idempotent,
    /// Only if it was surely not applied.
    IfNotApplied,
}

/// Whether the service was ever reached. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact(Arc<AtomicBool>);

impl Contact {
    /// Takes note of an answer, or of an error on the way to one.
    pub(crate) fn note<T>(&self, answer: &Result<T, Error>) {
        match answer {
            Ok(_) => self.0.store(true, Ordering::Relaxed),
            Err(error) => self.note_error(error),
        }
    }

    /// Takes note of an error alone, where a success may have come without an answer.
    pub(crate) fn note_error(&self, error: &Error) {
        if !error.is_unreached() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn was_made(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The state of one run of tries.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    contact: Contact,
    first_failure: Option<Instant>,
    made: u32,
    /// Whether one of the failed tries may have been applied: then the run may have been, however the last one failed.
    in_doubt: bool,
}

impl Attempts {
    pub(crate) fn new(policy: &RetryPolicy, contact: &Contact) -> Self {
        Self {
            policy: policy.clone(),
            contact: contact.clone(),
            first_failure: None,
            made: 1,
            in_doubt: false,
        }
    }

    /// How many tries were made so far.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Bytes moved: the budget starts anew.
    pub(crate) fn progressed(&mut self) {
        self.first_failure = None;
        self.made = 1;
    }

    /// Decides what to do about `error`: the wait before the next try, or the error to give up with.
    pub(crate) fn after(&mut self, error: Error, repeat: Repeat) -> Result<(Duration, Error), Error> {
        self.in_doubt |= error.may_have_been_applied();
        let hopeless =
            !error.is_retryable() || (repeat == Repeat::IfNotApplied && error.may_have_been_applied());
        let since = *self.first_failure.get_or_insert_with(Instant::now);
        let wait = self.wait(error.retry());
        let never_reached = error.is_unreached() && !self.contact.was_made();
        let budget = if never_reached { self.policy.first_contact } else { self.policy.budget };
        if hopeless || self.made >= self.policy.attempts || since.elapsed().saturating_add(wait) > budget {
            let error = error.with_attempts(self.made);
            return Err(if self.in_doubt { error.maybe_applied() } else { error });
        }
        self.made += 1;
        Ok((wait, error))
    }

    fn wait(&self, advice: Retry) -> Duration {
        let doublings = (self.made - 1).min(20);
        let bound = self.policy.base.saturating_mul(1 << doublings).min(self.policy.cap);
        let jittered = bound.mul_f64(fastrand::f64());
        match advice {
            Retry::After(at_least) => at_least.saturating_add(jittered),
            _ => jittered,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Attempts, Contact, Repeat, RetryPolicy};
    use crate::error::{Error, ErrorKind, Retry};

    fn unavailable() -> Error {
        Error::new(ErrorKind::Unavailable, "down")
    }

    fn attempts(policy: &RetryPolicy) -> Attempts {
        Attempts::new(policy, &Contact::default())
    }

    /// How long a run goes on in which no connection stands.
    async fn unreached(contact: &Contact) -> Duration {
        let begun = tokio::time::Instant::now();
        let mut attempts = Attempts::new(&RetryPolicy::default().attempts(u32::MAX), contact);
        loop {
            contact.note(&Err::<(), _>(unavailable().unreached()));
            match attempts.after(unavailable().unreached(), Repeat::Idempotent) {
                Ok((wait, _)) => tokio::time::sleep(wait).await,
                Err(_) => return begun.elapsed(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_was_never_reached_gets_less_time() {
        let contact = Contact::default();
        let never = unreached(&contact).await;
        assert!(never <= Duration::from_secs(4), "{never:?}");
        // An error is an answer too, if it came from there.
        contact.note(&Err::<(), _>(unavailable()));
        let again = unreached(&contact).await;
        assert!(again > Duration::from_secs(60), "{again:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_the_attempts_and_says_how_many() {
        let mut attempts = attempts(&RetryPolicy::default().attempts(3));
        assert!(attempts.after(unavailable(), Repeat::Idempotent).is_ok());
        assert!(attempts.after(unavailable(), Repeat::Idempotent).is_ok());
        let last = attempts.after(unavailable(), Repeat::Idempotent).expect_err("the third was the last");
        assert_eq!(last.attempts(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_when_the_wait_would_pass_the_budget() {
        let mut attempts = attempts(&RetryPolicy::default().budget(Duration::from_secs(5)));
        let slow = unavailable().with_retry(Retry::After(Duration::from_secs(6)));
        assert!(attempts.after(slow, Repeat::Idempotent).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_where_the_service_asks_for_more_than_there_is() {
        let slow = unavailable().with_retry(Retry::After(Duration::MAX));
        assert!(attempts(&RetryPolicy::default()).after(slow, Repeat::Idempotent).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_at_least_what_the_service_asks_for() {
        let mut attempts = attempts(&RetryPolicy::default());
        let slow = unavailable().with_retry(Retry::After(Duration::from_secs(3)));
        let (wait, _) = attempts.after(slow, Repeat::Idempotent).expect("there is budget");
        assert!(wait >= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_stays_a_doubt_whatever_the_next_try_says() {
        let mut attempts = attempts(&RetryPolicy::default());
        assert!(attempts.after(unavailable().maybe_applied(), Repeat::Idempotent).is_ok());
        let gone = Error::new(ErrorKind::NotFound, "no such upload");
        let last = attempts.after(gone, Repeat::Idempotent).expect_err("not found is no reason to try again");
        assert!(last.may_have_been_applied());
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_a_possibly_applied_request_only_if_idempotent() {
        let lost = || unavailable().maybe_applied();
        assert!(attempts(&RetryPolicy::default()).after(lost(), Repeat::Idempotent).is_ok());
        assert!(attempts(&RetryPolicy::default()).after(lost(), Repeat::IfNotApplied).is_err());
    }
}

//! Every call, in order, for tests to count and to look at.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use storage_core::{Backend, Layer};
use tokio::sync::watch;

use super::backend::FaultBackend;
use super::call::{Call, Seen};

/// The calls that a layer saw. A clone shows the same calls.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    seen: Mutex<Vec<Seen>>,
    ended: watch::Sender<Vec<Call>>,
}

impl Journal {
    pub(super) fn new() -> Self {
        let inner = Inner { seen: Mutex::new(Vec::new()), ended: watch::Sender::new(Vec::new()) };
        Self(Arc::new(inner))
    }

    /// How often `call` was made.
    pub fn count(&self, call: Call) -> u64 {
        self.seen().iter().filter(|seen| seen.call == call).count() as u64
    }

    /// How many calls were made.
    pub fn total(&self) -> u64 {
        self.seen().len() as u64
    }

    /// All calls of one method, in order.
    pub fn of(&self, call: Call) -> Vec<Seen> {
        self.seen().iter().filter(|seen| seen.call == call).cloned().collect()
    }

    /// Forgets what was seen so far, mostly the preparation of a test. Rules of a plan count on.
    pub fn clear(&self) {
        self.seen().clear();
    }

    /// Waits until `call` came back from the backend `times` times, with whatever result.
    pub async fn ended(&self, call: Call, times: usize) {
        let enough = |ended: &Vec<Call>| ended.iter().filter(|c| **c == call).count() >= times;
        let mut receiver = self.0.ended.subscribe();
        receiver.wait_for(enough).await.expect("because the journal holds the sender");
    }

    pub(super) fn begin(&self, seen: Seen) {
        self.seen().push(seen);
    }

    pub(super) fn end(&self, call: Call) {
        self.0.ended.send_modify(|ended| ended.push(call));
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.seen.lock().expect("because no holder of the lock panics")
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.seen().iter().map(|seen| (seen.call, seen.name.clone()))).finish()
    }
}

impl fmt::Display for Journal {
    /// Each method and how often it was called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Call::ALL.map(|call| (call, self.count(call)));
        let made: Vec<String> =
            counts.iter().filter(|(_, n)| *n > 0).map(|(call, n)| format!("{n} {call}")).collect();
        f.write_str(&if made.is_empty() { "no call".to_owned() } else { made.join(", ") })
    }
}

/// A layer that counts calls and changes nothing: a read of a small object is one `Read` and no `Stat`.
#[derive(Clone, Debug)]
pub struct CallCounts(Journal);

impl CallCounts {
    /// A layer that has seen nothing.
    pub fn new() -> Self {
        Self(Journal::new())
    }

    /// What was seen, by every backend that this layer is around.
    pub fn journal(&self) -> &Journal {
        &self.0
    }
}

impl Default for CallCounts {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for CallCounts {
    fn wrap(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let capabilities = inner.capabilities();
        Arc::new(FaultBackend::new(inner, capabilities, Arc::default(), self.0.clone(), None))
    }
}

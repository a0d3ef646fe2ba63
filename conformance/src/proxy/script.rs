//! What is to happen and what happened.

use std::sync::{Arc, Mutex, MutexGuard};

use super::fault::{ConnectionFault, Fault};
use super::journal::{Journal, Note, Request};
use super::plan::Plan;

/// Plan and journal of a proxy. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    plan: Arc<Mutex<Plan>>,
    pub(super) journal: Journal,
}

impl Script {
    pub(super) fn set(&self, mut plan: Plan) {
        let mut current = self.plan();
        plan.edition = current.edition + 1;
        *current = plan;
    }

    pub(super) fn unmet(&self) -> Vec<String> {
        self.plan().unmet()
    }

    /// Enters a request, and tells the fault that is meant for it.
    pub(super) fn begin(&self, request: Request) -> (Note, Option<(Met<'_>, Fault)>) {
        let mut plan = self.plan();
        let edition = plan.edition;
        let fault = plan.next(&request).map(|(place, fault)| (Met { script: self, edition, place }, fault));
        (self.journal.begin(request), fault)
    }

    pub(super) fn connection(&self) -> Option<ConnectionFault> {
        self.plan().next_connection()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("because no holder of the lock panics")
    }
}

/// The note that a fault made a difference, still to be taken.
pub(super) struct Met<'a> {
    script: &'a Script,
    edition: u64,
    place: usize,
}

impl Met<'_> {
    pub(super) fn now(&self) {
        let mut plan = self.script.plan();
        // The plan of another test phase knows nothing of this request.
        if plan.edition == self.edition {
            plan.met(self.place);
        }
    }
}

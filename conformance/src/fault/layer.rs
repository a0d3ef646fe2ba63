//! The layer that carries out a plan.

use std::fmt;
use std::sync::{Arc, Mutex};

use storage_core::{Backend, Capabilities, Layer};

use super::backend::FaultBackend;
use super::journal::Journal;
use super::plan::Plan;

/// Puts the faults of a [`Plan`] between a store and its backend, and keeps a [`Journal`] of the calls. A clone shares
/// plan and journal.
#[derive(Clone)]
pub struct FaultLayer {
    plan: Arc<Mutex<Plan>>,
    journal: Journal,
    page: Option<usize>,
    declare: Arc<dyn Fn(&mut Capabilities) + Send + Sync>,
}

impl FaultLayer {
    /// A layer that carries out `plan`.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan: Arc::new(Mutex::new(plan)),
            journal: Journal::new(),
            page: None,
            declare: Arc::new(|_| {}),
        }
    }

    /// Cuts listings into pages of so many entries, so that a few objects fill several pages on any backend.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.page = Some(entries.max(1));
        self
    }

    /// Changes what the backend declares, mostly to take something away and see `Store` make up for it. Declaring what
    /// the backend cannot do makes a backend that breaks its contract.
    pub fn declare(mut self, change: impl Fn(&mut Capabilities) + Send + Sync + 'static) -> Self {
        self.declare = Arc::new(change);
        self
    }

    /// The calls so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Replaces the plan: for faults that depend on what was prepared before, or that are over.
    pub fn set(&self, plan: Plan) {
        *self.plan.lock().expect("because no holder of the lock panics") = plan;
    }

    /// The rules that no call met so far. A test that ends with any of them tested less than it says.
    pub fn unmet(&self) -> Vec<String> {
        self.plan.lock().expect("because no holder of the lock panics").unmet()
    }
}

impl Layer for FaultLayer {
    fn wrap(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let mut capabilities = inner.capabilities();
        (self.declare)(&mut capabilities);
        let (plan, journal) = (self.plan.clone(), self.journal.clone());
        Arc::new(FaultBackend::new(inner, capabilities, plan, journal, self.page))
    }
}

impl fmt::Debug for FaultLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultLayer").field("plan", &self.plan).field("journal", &self.journal).finish()
    }
}

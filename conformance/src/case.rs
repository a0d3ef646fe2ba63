//! What a case is.

use storage_core::{BoxFuture, Capabilities};

use crate::context::Context;
use crate::failure::Failure;

/// The suite level of this version: the highest level of any case. See [`Subject::level`](crate::Subject::level).
pub const LEVEL: u32 = 1;

pub(crate) type Run = fn(Context) -> BoxFuture<'static, Result<(), Failure>>;

/// Why a case cannot run on a backend with these capabilities; `None` if it can.
pub(crate) type Needs = fn(&Capabilities) -> Option<String>;

/// One case: a statement about every backend, and the code that tries it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) area: &'static str,
    pub(crate) clause: &'static str,
    /// What it states, in lower-case words joined by hyphens.
    pub(crate) words: &'static str,
    /// The suite level that brought it.
    pub(crate) since: u32,
    pub(crate) needs: Needs,
    /// Whether it wants threads that run at the same time.
    pub(crate) threads: bool,
    pub(crate) run: Run,
}

impl Case {
    /// A case of level 1 that every backend can run.
    pub(crate) const fn new(area: &'static str, clause: &'static str, words: &'static str, run: Run) -> Self {
        Self { area, clause, words, since: 1, needs: |_| None, threads: false, run }
    }

    /// Ignored where `needs` gives a reason.
    pub(crate) const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Runs on several threads.
    pub(crate) const fn threads(mut self) -> Self {
        self.threads = true;
        self
    }

    /// `<area>/<clause>-<words>`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}-{}", self.area, self.clause, self.words)
    }
}

/// A case as tools see it, such as the check that every clause has one.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseInfo {
    /// Its full name, `<mode>/<area>/<clause>-<words>`.
    pub name: String,
    /// The clause that it proves, such as `WRITE-2`.
    pub clause: &'static str,
    /// The suite level that brought it.
    pub since: u32,
}

impl CaseInfo {
    pub(crate) fn new(mode: &str, case: &Case) -> Self {
        Self { name: format!("{mode}/{}", case.path()), clause: case.clause, since: case.since }
    }
}

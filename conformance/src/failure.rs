//! Why a case failed, and where in the case.

use std::fmt::{self, Display};
use std::panic::Location;

/// A failed expectation: what was expected, what came, and the line of the case.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    /// The case found out that it cannot be run.
    ignored: bool,
}

impl Failure {
    /// A failure at the caller's line.
    #[track_caller]
    pub(crate) fn new(message: impl Display) -> Self {
        let at = Location::caller();
        Self { message: format!("{message}\n  at {}:{}", at.file(), at.line()), ignored: false }
    }

    /// Not a failure: the case cannot be run here, which no capability tells beforehand.
    pub(crate) fn ignored(reason: impl Display) -> Self {
        Self { message: reason.to_string(), ignored: true }
    }

    /// The same failure, and what it happened in.
    pub(crate) fn within(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub(crate) fn is_ignored(&self) -> bool {
        self.ignored
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error where success was expected.
impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(format_args!("expected success, got an error: {error}"))
    }
}

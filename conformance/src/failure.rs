//! Why a case failed, and where in the case.

use std::fmt::{self, Display};
use std::panic::Location;

/// A failed expectation: what was expected, what came, and the line of the case.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure at the caller's line.
    #[track_caller]
    pub(crate) fn new(message: impl Display) -> Self {
        let at = Location::caller();
        Self(format!("{message}\n  at {}:{}", at.file(), at.line()))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error where success was expected.
impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(format_args!("expected success, got an error: {error}"))
    }
}

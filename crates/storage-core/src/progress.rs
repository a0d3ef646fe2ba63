//! What a long operation tells while it runs.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Operation};
use crate::key::Key;

/// One event.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Bytes of a body moved: read from, or taken by, the backend.
    #[non_exhaustive]
    Bytes {
        /// Reading or writing.
        operation: Operation,
        /// The object.
        key: &'a Key,
        /// How many more, not in total.
        count: u64,
    },
    /// A request failed and will be tried again.
    #[non_exhaustive]
    Retry {
        /// The operation.
        operation: Operation,
        /// What went wrong.
        error: &'a Error,
        /// How long until the next try.
        wait: Duration,
    },
}

/// Receives events, on whatever task the work runs. It must not block.
pub trait Progress: fmt::Debug + Send + Sync + 'static {
    /// Takes one event.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

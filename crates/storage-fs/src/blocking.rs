//! File work happens on threads that may block (std files on a blocking pool: no write is buffered behind our back).

use storage_core::{Error, ErrorKind, Result};

/// Runs `work` on a blocking thread. Dropping the future does not stop a step that has begun; every step is short or
/// checks for itself.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(gone) => Err(Error::new(ErrorKind::Cancelled, "the file work was cut off").with_source(gone)),
    }
}

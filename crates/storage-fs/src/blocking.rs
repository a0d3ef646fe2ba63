//! File work happens on threads that may block (std files on a blocking pool: no write is buffered behind our back).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storage_core::{Error, ErrorKind, Result};

/// Tells a step on a blocking thread whether anybody still waits for it (clause CXL-1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Fails once the future was dropped. Long steps ask between their parts, and every change before it is made.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "nobody waits for the result any more"));
        }
        Ok(())
    }
}

/// Cancels what is still going on when the future goes.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

/// Runs `work` on a blocking thread, unless nobody waits for it any more when its turn comes.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancel = Cancel::default();
    let _guard = CancelOnDrop(cancel.clone());
    match tokio::task::spawn_blocking(move || cancel.check().and_then(|()| work(&cancel))).await {
        Ok(result) => result,
        Err(gone) => Err(Error::new(ErrorKind::Cancelled, "the file work was cut off").with_source(gone)),
    }
}

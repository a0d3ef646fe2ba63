//! The open file: transactions on threads that may block, given up when nobody waits for them.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase};
use storage_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::error::Failure;
use crate::table::Tables;

pub(crate) struct File {
    path: PathBuf,
    database: Database,
    /// Contents whose uploads are alive. redb locks its file, so no other process has any.
    alive: Mutex<BTreeSet<u64>>,
}

impl File {
    pub(crate) fn open(path: &Path, cache_bytes: Option<usize>) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        if let Some(bytes) = cache_bytes {
            builder.set_cache_size(bytes);
        }
        let database = builder.create(path)?;
        let file = Self { path: path.to_owned(), database, alive: Mutex::default() };
        // A commit that makes the tables; readers may then rely on them.
        file.transact(Durability::Immediate, |_| Ok(()), || false)?;
        sync_directory(path).map_err(redb::StorageError::from)?;
        Ok(file)
    }

    /// Runs `work` on a snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        blocking(move |_| work(&file.database.begin_read()?)).await
    }

    /// Runs `work` in a transaction and commits it: for good, with everything before it.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        blocking(move |given_up| file.transact(Durability::Immediate, work, given_up)).await
    }

    /// As `write`, but the disk may wait until the next `write`: what is lost by then, nobody was promised.
    pub(crate) async fn prepare<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        blocking(move |given_up| file.transact(Durability::None, work, given_up)).await
    }

    // One transaction writes at a time. So a write that was given up either committed before any later one began, or
    // sees here that nobody waits, and never commits.
    fn transact<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure>,
        given_up: impl Fn() -> bool,
    ) -> Result<T, Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        let value = work(&mut Tables::open(&transaction)?)?;
        if given_up() {
            return Err(Error::new(ErrorKind::Cancelled, "nobody waits for the result any more").into());
        }
        transaction.commit()?;
        Ok(value)
    }

    pub(crate) fn alive(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.alive.lock().expect("because no holder of the lock panics")
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A new file outlives a loss of power only with its entry in the directory. Elsewhere directories cannot be opened.
fn sync_directory(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let directory = path.parent().filter(|_| cfg!(unix));
    directory.map_or(Ok(()), |directory| std::fs::File::open(directory)?.sync_all())
}

/// Runs `work` on a thread that may block; it can ask whether its result is still waited for.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, Failure> + Send + 'static,
) -> Result<T> {
    let (answer, waiting) = oneshot::channel();
    spawn_blocking(move || {
        let result = work(&|| answer.is_closed());
        // If nobody waits, nobody wants to know.
        let _ = answer.send(result);
    });
    let cut_off = |_| Error::new(ErrorKind::Cancelled, "the work was cut off").maybe_applied();
    Ok(waiting.await.map_err(cut_off)??)
}

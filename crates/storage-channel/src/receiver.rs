//! The end that takes.

use std::sync::Arc;

use futures_util::StreamExt;
use storage_core::{
    DeleteTarget, Entry, Error, ErrorKind, Key, ListOptions, Object, Prefix, ReadOptions, ReadOutcome,
    Result, Scope, StatOptions, Store,
};

use crate::waiting::{Claim, Outcome, Waiting};

/// Takes objects, the one that began to wait first before all others.
///
/// Dropped, it leaves what waits in its backend, and writers for whom there is no room fail.
#[derive(Debug)]
pub struct Receiver {
    store: Store,
    waiting: Arc<Waiting>,
    /// The backend was asked at the end what stands there.
    is_listed: bool,
}

impl Receiver {
    pub(crate) fn new(store: Store, waiting: Arc<Waiting>) -> Self {
        Self { store, waiting, is_listed: false }
    }

    /// Learns of all that stands in the backend. What cannot be a key of ours is nobody's here.
    pub(crate) async fn look(&self, found: impl Fn(&Waiting, &Object)) -> Result<()> {
        let mut listing = self.store.list(&Prefix::root(), ListOptions::new());
        while let Some(entry) = listing.next().await {
            match entry {
                Ok(Entry::Object(object)) => found(&self.waiting, &object),
                Ok(_) => {}
                Err(error) if error.scope() == Scope::Entry => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next object, once there is one. Dropped half-way, nothing is taken.
    ///
    /// `None` once every sending store is gone, writes and all, and nothing waits. Deliveries that are still out, which
    /// [`waiting`](Self::waiting) counts, may be given back after that, and come when it is called again.
    ///
    /// # Errors
    /// Those of asking the backend what became of a write that failed, or what stands there at the end, when nothing else
    /// can be received. The next call asks again.
    pub async fn recv(&mut self) -> Result<Option<Delivery>> {
        loop {
            if let Some(claim) = self.waiting.take() {
                return Ok(Some(Delivery { store: self.store.clone(), claim }));
            }
            if let Some(failed) = self.ask().await {
                let claim = self.waiting.take().ok_or(failed)?;
                return Ok(Some(Delivery { store: self.store.clone(), claim }));
            }
            if self.waiting.something().await {
                if self.is_listed {
                    // Whoever asks again wants to know again.
                    self.is_listed = false;
                    return Ok(None);
                }
                // A write that was given up may have been finished after it was asked for. What is delivered and done while this
                // goes on may still be told of: whether it stands is asked.
                self.look(|waiting, object| waiting.suspect(&object.key)).await?;
                self.is_listed = true;
            }
        }
    }

    /// Asks for what is doubtful, until something can be received. Tells what kept an answer from being had, if nothing can.
    async fn ask(&self) -> Option<Error> {
        let (mut last, mut failed) = (None, None);
        while let Some(mut claim) = self.waiting.take_doubtful(last.as_ref()) {
            last = Some(claim.key().clone());
            match self.store.stat(claim.key(), StatOptions::new()).await {
                Ok(found) => {
                    claim.outcome(Outcome::Stands(found.size));
                    return None;
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidKey) => {
                    claim.outcome(Outcome::Gone);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed
    }

    /// How many objects wait or were delivered and are not done.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.waiting.ends();
    }
}

/// An object that was received. Nobody else gets, writes or deletes it until it is [`done`](Self::done) or dropped; dropped, it waits again,
/// in its old place.
#[derive(Debug)]
pub struct Delivery {
    store: Store,
    claim: Claim,
}

impl Delivery {
    /// Its key.
    pub fn key(&self) -> &Key {
        self.claim.key()
    }

    /// The store that holds it, to read it in any way, or to copy it elsewhere.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Those of [`Store::read`].
    pub async fn read(&self) -> Result<ReadOutcome> {
        self.store.read(self.key(), ReadOptions::new()).await
    }

    /// Takes it away for good, which makes room. Dropped half-way, it is taken away all the same.
    ///
    /// # Errors
    /// Those of [`Store::delete`]: it is delivered again, if it is still there.
    pub async fn done(self) -> Result<()> {
        let Self { store, mut claim } = self;
        // In a task of its own: nobody may write the key while a delete that nobody waits for is under way.
        let delete = tokio::spawn(async move {
            claim.outcome(Outcome::Doubtful);
            let deleted = store.delete(DeleteTarget::new(claim.key().clone())).await;
            claim.outcome(match &deleted {
                Ok(()) => Outcome::Gone,
                Err(error) if error.may_have_been_applied() => Outcome::Doubtful,
                Err(_) => Outcome::Unchanged,
            });
            deleted
        });
        let ended = |gone| Error::new(ErrorKind::Other, "the delete ended early").with_source(gone);
        delete.await.map_err(|gone| ended(gone).maybe_applied())?
    }
}

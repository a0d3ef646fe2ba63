//! Deleting, updating, directories and clean-up.

use std::time::Duration;

use futures_util::StreamExt;

use super::Store;
use crate::backend::Target;
use crate::error::{Error, ErrorKind, Operation, Result, Retry};
use crate::key::{Key, Prefix};
use crate::options::{Change, CleanupReport, DeleteTarget};
use crate::retry::Repeat;

/// Delete requests side by side.
const DELETE_CONCURRENCY: usize = 8;

impl Store {
    /// Deletes an object. A missing one is `Ok` (clause DEL-1). Where versions are kept, a delete without a version
    /// leaves a delete marker, and the versions stay.
    ///
    /// # Errors
    /// `PreconditionFailed` as the target asks; `Unsupported` for a condition or version that the store lacks. After
    /// an error that may have been applied, the object may or may not be there.
    pub async fn delete(&self, target: impl Into<DeleteTarget>) -> Result<()> {
        let (_, result) = self.delete_batch(vec![target.into()]).await.pop().expect("one result per target");
        result
    }

    /// Deletes many objects, in as few requests as the service takes. One result per target, in the order given.
    pub async fn delete_all(
        &self,
        targets: impl IntoIterator<Item = DeleteTarget>,
    ) -> Vec<(DeleteTarget, Result<()>)> {
        let size = self.declared().limits.delete_batch.max(1);
        let targets: Vec<DeleteTarget> = targets.into_iter().collect();
        // The list is made before it is run: a stream of borrowing closures is not provably `Send`.
        let batches: Vec<_> = targets.chunks(size).map(|batch| self.delete_batch(batch.to_vec())).collect();
        let done: Vec<Vec<_>> =
            futures_util::stream::iter(batches).buffered(DELETE_CONCURRENCY).collect().await;
        done.into_iter().flatten().collect()
    }

    /// One batch, repeated for those targets that may still succeed.
    async fn delete_batch(&self, targets: Vec<DeleteTarget>) -> Vec<(DeleteTarget, Result<()>)> {
        let mut results: Vec<Option<Result<()>>> = Vec::with_capacity(targets.len());
        let mut open: Vec<(usize, DeleteTarget)> = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            results.push(match self.admit_delete(target) {
                Ok(full) => {
                    open.push((at, full));
                    None
                }
                Err(error) => Some(Err(error)),
            });
        }
        let mut attempts = self.attempts();
        let mut in_doubt = vec![false; targets.len()];
        while !open.is_empty() {
            let (places, sent): (Vec<usize>, Vec<DeleteTarget>) = open.drain(..).unzip();
            let answers = self.delete_once(&sent).await;
            let mut failed: Vec<(usize, DeleteTarget, Error)> = Vec::new();
            for ((at, target), result) in places.into_iter().zip(sent).zip(answers) {
                let Err(error) = result else {
                    results[at] = Some(Ok(()));
                    continue;
                };
                let repeat = may_repeat(&error, &target);
                in_doubt[at] |= error.may_have_been_applied();
                let error = error.with_attempts(attempts.made());
                let error = if in_doubt[at] { error.maybe_applied() } else { error };
                if repeat {
                    failed.push((at, target, error));
                } else {
                    results[at] = Some(Err(error));
                }
            }
            let Some(slowest) = failed.iter().map(|(_, _, error)| error).max_by_key(|e| advised_wait(e))
            else {
                continue;
            };
            let again = again(slowest);
            match self.pause(Operation::Delete, &mut attempts, again, Repeat::Idempotent).await {
                Ok(()) => open.extend(failed.into_iter().map(|(at, target, _)| (at, target))),
                Err(_) => failed.into_iter().for_each(|(at, _, error)| results[at] = Some(Err(error))),
            }
        }
        let named = |(target, result): (DeleteTarget, Option<Result<()>>)| {
            let result = result.expect("because every target was refused, answered or given up on");
            let result = result.map_err(|e| self.explain(e, Operation::Delete, target.key.as_str()));
            (target, result)
        };
        targets.into_iter().zip(results).map(named).collect()
    }

    fn admit_delete(&self, target: &DeleteTarget) -> Result<DeleteTarget> {
        if target.if_match.is_some() {
            self.admit_conditional_delete()?;
        }
        self.admit_version(target.version.as_ref())?;
        Ok(DeleteTarget { key: self.full(&target.key)?, ..target.clone() })
    }

    async fn delete_once(&self, targets: &[DeleteTarget]) -> Vec<Result<()>> {
        let answer = self.within(self.silence(), self.backend().delete(targets)).await;
        match answer {
            Ok(results) if results.len() == targets.len() => results,
            Ok(results) => {
                let message = format!("{} targets got {} results", targets.len(), results.len());
                let error = Error::new(ErrorKind::InvalidData, message).maybe_applied();
                targets.iter().map(|_| Err(again(&error))).collect()
            }
            Err(error) => targets.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    /// Changes times and permissions of an object without touching its content.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` for what the store does not keep.
    pub async fn update(&self, key: &Key, change: Change) -> Result<()> {
        let update = async { self.update_target(Target::Object(self.full(key)?), &change).await };
        update.await.map_err(|error| self.explain(error, Operation::Update, key.as_str()))
    }

    /// Changes times and permissions of a real directory.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` where directories are not real or do not keep what is asked for.
    pub async fn update_dir(&self, directory: &Prefix, change: Change) -> Result<()> {
        let update = async {
            let full = self.full_directory(directory)?;
            self.update_target(Target::Directory(full), &change).await
        };
        update.await.map_err(|error| self.explain(error, Operation::Update, directory.as_str()))
    }

    async fn update_target(&self, target: Target, change: &Change) -> Result<()> {
        self.admit_update(change)?;
        self.attempt(Operation::Update, Repeat::Idempotent, self.silence(), || {
            self.backend().update(&target, change)
        })
        .await
    }

    /// Makes a directory and its parents, where directories are real. One that exists is `Ok`.
    ///
    /// # Errors
    /// `Unsupported` where directories are not real; `InvalidKey` if an object stands in the way.
    pub async fn create_dir(&self, directory: &Prefix) -> Result<()> {
        let create = async {
            let full = self.full_directory(directory)?;
            self.attempt(Operation::CreateDir, Repeat::Idempotent, self.silence(), || {
                self.backend().create_dir(&full)
            })
            .await
        };
        create.await.map_err(|error| self.explain(error, Operation::CreateDir, directory.as_str()))
    }

    /// Removes an empty directory, where directories are real. A missing one is `Ok`.
    ///
    /// # Errors
    /// `PreconditionFailed` if it is not empty; `Unsupported` where directories are not real; `InvalidInput` for the
    /// root of the store.
    pub async fn remove_dir(&self, directory: &Prefix) -> Result<()> {
        let remove = async {
            if directory.is_root() {
                return Err(Error::new(ErrorKind::InvalidInput, "the root of a store cannot be removed"));
            }
            let full = self.full_directory(directory)?;
            self.attempt(Operation::RemoveDir, Repeat::Idempotent, self.silence(), || {
                self.backend().remove_dir(&full)
            })
            .await
        };
        remove.await.map_err(|error| self.explain(error, Operation::RemoveDir, directory.as_str()))
    }

    /// Removes what interrupted writes under `prefix` left behind. Writes that still go on are left alone. Where
    /// nothing can be left behind this does nothing.
    ///
    /// # Errors
    /// Those of listing and deleting; what was removed before stays removed.
    pub async fn cleanup(&self, prefix: &Prefix) -> Result<CleanupReport> {
        if !self.declared().cleanup {
            return Ok(CleanupReport::default());
        }
        let cleanup = async {
            let full = self.prefix.join(prefix)?;
            self.attempt(Operation::Cleanup, Repeat::Idempotent, None, || self.backend().cleanup(&full)).await
        };
        cleanup.await.map_err(|error| self.explain(error, Operation::Cleanup, prefix.as_str()))
    }

    fn full_directory(&self, directory: &Prefix) -> Result<Prefix> {
        if !self.declared().directories {
            return Err(Error::unsupported(
                "this store has no directories of its own; a key's `/` is enough",
            ));
        }
        if !directory.is_directory() {
            return Err(Error::new(ErrorKind::InvalidInput, "the prefix of a directory ends in `/`"));
        }
        self.prefix.join(directory)
    }
}

/// A plain delete is idempotent. A conditional one that may have been applied would fail its own condition.
fn may_repeat(error: &Error, target: &DeleteTarget) -> bool {
    error.is_retryable() && (target.if_match.is_none() || !error.may_have_been_applied())
}

/// How long the service asks to wait.
fn advised_wait(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait,
        _ => Duration::ZERO,
    }
}

/// One error for several targets.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .with_retry(error.retry())
        .with_attempts(error.attempts());
    let copy = match std::error::Error::source(error) {
        Some(source) => copy.with_source(source.to_string()),
        None => copy,
    };
    let copy = if error.is_unreached() { copy.unreached() } else { copy };
    if error.may_have_been_applied() { copy.maybe_applied() } else { copy }
}

//! Copying one object between two stores, verified.

use storage_core::{
    Algorithm, CopyTarget, Error, ErrorKind, Key, Metadata, ReadOptions, Result, Store, TransferOptions,
    Transferred,
};

use crate::options::{SyncOptions, Verify};

/// Two objects count as equal by a hash that nobody can deceive.
const COMPARE: Algorithm = Algorithm::Blake3;

/// The way between two stores.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Store,
    pub(crate) destination: Store,
    options: TransferOptions,
}

/// What a copy gave.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes copied.
    pub size: u64,
    /// Whether the copy was held against what was read.
    pub verified: bool,
}

/// Copies one object from a store to another, with its times, permissions and attributes as far as the destination keeps
/// them, and verifies it. Within one store, or between two of one service, that copies.
///
/// # Errors
/// Those of reading and writing, after which the destination stands as it was; `InvalidData` for a copy that does not hold
/// what was read.
pub async fn copy_object(
    source: &Store,
    destination: &Store,
    copy: CopyTarget,
    options: &SyncOptions,
) -> Result<Copied> {
    Transfer::new(source, destination, options).copy(copy).await
}

impl Transfer {
    pub(crate) fn new(source: &Store, destination: &Store, options: &SyncOptions) -> Self {
        Self {
            source: source.clone(),
            destination: destination.clone(),
            options: options.transfer.clone().verify(options.verify == Verify::Content).owner(options.owner),
        }
    }

    /// Copies an object. The destination changes only once all bytes are there.
    pub(crate) async fn copy(&self, copy: CopyTarget) -> Result<Copied> {
        let mut done = self.copy_all(&[copy]).await;
        done.pop().unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "a copy without a result")))
    }

    /// Copies small objects together. One result for each, in order.
    pub(crate) async fn copy_all(&self, copies: &[CopyTarget]) -> Vec<Result<Copied>> {
        let done = self.source.copy_all_to(copies, &self.destination, &self.options).await;
        done.into_iter().map(|done| done.map(|done| copied(&done))).collect()
    }

    /// How many small objects are best copied at a time.
    pub(crate) async fn together(&self) -> usize {
        self.source.copies_together(&self.destination).await
    }
}

fn copied(done: &Transferred) -> Copied {
    Copied { size: done.metadata.size, verified: done.verified }
}

/// Whether two objects hold the same bytes. A checksum that both stores report saves reading.
pub(crate) async fn same_content(
    source: &Store,
    destination: &Store,
    key: &Key,
    (left, right): (&Metadata, &Metadata),
) -> Result<bool> {
    if left.kind != right.kind || left.size != right.size {
        return Ok(false);
    }
    if let Some(agree) = left.checksums.agree(&right.checksums) {
        return Ok(agree);
    }
    let algorithms = [COMPARE];
    let (left, right) = futures_util::future::try_join(
        source.checksum(key, &algorithms, ReadOptions::new()),
        destination.checksum(key, &algorithms, ReadOptions::new()),
    )
    .await?;
    Ok(left.get(COMPARE) == right.get(COMPARE))
}

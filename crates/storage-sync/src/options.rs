//! How to sync.

use storage_core::{Journal, TransferOptions};

/// When two objects count as equal.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Size and modification time are the same. Where the destination cannot keep times, an object at least as new as
    /// the source counts as equal.
    #[default]
    SizeAndTime,
    /// Size and content are the same, by checksum. Reads both sides, unless both report a checksum.
    Checksum,
}

/// How a copy is verified. Sizes are always compared, and bytes are always hashed where a checksum is to be compared.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// By the destination's own checksum where it reports one, else by reading the destination back.
    #[default]
    Content,
    /// By size alone.
    Size,
}

/// How to sync.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    pub(crate) delete: bool,
    pub(crate) dry_run: bool,
    pub(crate) allow_empty_source: bool,
    pub(crate) compare: Compare,
    pub(crate) verify: Verify,
    pub(crate) owner: bool,
    pub(crate) concurrency: usize,
    pub(crate) transfer: TransferOptions,
}

impl SyncOptions {
    /// Copies what differs by size or time, verifies content, deletes nothing.
    pub fn new() -> Self {
        Self {
            delete: false,
            dry_run: false,
            allow_empty_source: false,
            compare: Compare::default(),
            verify: Verify::default(),
            owner: false,
            concurrency: 8,
            transfer: TransferOptions::new(),
        }
    }

    /// Sets whether to delete what the source does not have.
    pub fn delete(mut self, delete: bool) -> Self {
        self.delete = delete;
        self
    }

    /// Sets whether only to tell what would be done.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets whether an empty source may empty the destination.
    pub fn allow_empty_source(mut self, allow: bool) -> Self {
        self.allow_empty_source = allow;
        self
    }

    /// Sets when two objects count as equal.
    pub fn compare(mut self, compare: Compare) -> Self {
        self.compare = compare;
        self
    }

    /// Sets how a copy is verified.
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Sets whether owner and group are kept, which mostly needs privileges. Permissions are kept wherever both sides
    /// have them.
    pub fn owner(mut self, owner: bool) -> Self {
        self.owner = owner;
        self
    }

    /// Sets the size in bytes of the parts in which large objects travel, within the destination's limits.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.transfer = self.transfer.part_size(bytes);
        self
    }

    /// Sets how many parts of one large object travel side by side. By default as many as the stores find worth it.
    pub fn streams(mut self, parts: usize) -> Self {
        self.transfer = self.transfer.concurrency(parts);
        self
    }

    /// Writes down what was sent of large objects, so that the next run goes on from there;
    /// see [`TransferOptions::resume`].
    pub fn resume(mut self, journal: Journal, places: impl Into<String>) -> Self {
        self.transfer = self.transfer.resume(journal, places);
        self
    }

    /// Sets how many objects are copied side by side.
    pub fn concurrency(mut self, objects: usize) -> Self {
        self.concurrency = objects.max(1);
        self
    }
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self::new()
    }
}

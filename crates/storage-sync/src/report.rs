//! What a run tells while it goes, and at its end.

use storage_core::Error;

/// One thing that happened, or with a dry run would happen.
#[non_exhaustive]
#[derive(Debug)]
pub enum SyncEvent<'a> {
    /// An object is about to be copied, now or when its turn comes.
    #[non_exhaustive]
    Copying {
        /// Its key.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
    },
    /// An object was copied and verified.
    #[non_exhaustive]
    Copied {
        /// Its key.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
        /// Whether another object stood there before.
        replaced: bool,
    },
    /// Permissions or times were brought in line; the content was equal.
    #[non_exhaustive]
    Updated {
        /// The key, or the directory with a `/` at its end.
        name: &'a str,
    },
    /// A directory was made.
    #[non_exhaustive]
    CreatedDir {
        /// The directory, with a `/` at its end.
        name: &'a str,
    },
    /// An object or directory that the source does not have was deleted.
    #[non_exhaustive]
    Deleted {
        /// The key, or the directory with a `/` at its end.
        name: &'a str,
    },
    /// An object is equal on both sides.
    #[non_exhaustive]
    Unchanged {
        /// Its key.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
    },
    /// Something could not be done; the rest goes on.
    #[non_exhaustive]
    Failed {
        /// The key or directory; empty if the error is of no single item.
        name: &'a str,
        /// Why.
        error: &'a Error,
    },
}

/// What a sync did, or with a dry run would do.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncSummary {
    /// Objects copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Copies that were held against the hash of what was read.
    pub verified: u64,
    /// Objects equal on both sides.
    pub unchanged: u64,
    /// Their bytes.
    pub unchanged_bytes: u64,
    /// Objects and directories whose permissions or times were brought in line.
    pub updated: u64,
    /// Directories made.
    pub created_dirs: u64,
    /// Objects and directories deleted.
    pub deleted: u64,
    /// Items that failed.
    pub failed: u64,
    /// Items that only the destination has, kept because deleting was not asked for.
    pub extra: u64,
    /// Deletions left out because something failed.
    pub deletions_skipped: u64,
    /// Leftovers of killed runs that were removed first.
    pub cleaned: u64,
}

/// How an entry compares, in the signs that `rclone check --combined` made common.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Difference {
    /// `=` on both sides and equal.
    Equal,
    /// `+` only at the source.
    OnlySource,
    /// `-` only at the destination.
    OnlyDestination,
    /// `*` on both sides and different.
    Different,
    /// `!` could not be read.
    Error,
}

impl Difference {
    /// The sign.
    pub const fn sign(self) -> char {
        match self {
            Self::Equal => '=',
            Self::OnlySource => '+',
            Self::OnlyDestination => '-',
            Self::Different => '*',
            Self::Error => '!',
        }
    }
}

/// What a check found.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Equal entries.
    pub equal: u64,
    /// Entries only at the source.
    pub only_source: u64,
    /// Entries only at the destination.
    pub only_destination: u64,
    /// Entries that differ.
    pub different: u64,
    /// Entries that could not be read.
    pub errors: u64,
    /// Bytes compared, counted once.
    pub bytes: u64,
}

impl Comparison {
    /// Whether both trees are the same and everything could be read.
    pub fn is_equal(&self) -> bool {
        self.only_source + self.only_destination + self.different + self.errors == 0
    }

    pub(crate) fn count(&mut self, difference: Difference) {
        match difference {
            Difference::Equal => self.equal += 1,
            Difference::OnlySource => self.only_source += 1,
            Difference::OnlyDestination => self.only_destination += 1,
            Difference::Different => self.different += 1,
            Difference::Error => self.errors += 1,
        }
    }
}

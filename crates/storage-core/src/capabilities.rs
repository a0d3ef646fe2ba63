//! What a backend can do, as levels rather than booleans.

use std::fmt;
use std::time::Duration;

use crate::checksum::Algorithm;

/// How strongly a backend keeps a promise.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Not at all: the request is refused with `Unsupported` before a byte is sent.
    #[default]
    None,
    /// With a gap that the capability's own documentation names: against everybody who uses this library, or by more
    /// than one step.
    Emulated,
    /// Against everybody, in one step.
    Atomic,
}

impl Level {
    /// Whether the request is taken at all.
    pub fn is_supported(self) -> bool {
        self != Self::None
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Emulated => "emulated",
            Self::Atomic => "atomic",
        })
    }
}

/// How long a write lasts once it is acknowledged (clause WRITE-3).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// As long as the process.
    #[default]
    Process,
    /// As long as the machine runs: in the system's cache, not yet on the disk.
    System,
    /// On stable storage: it outlives a loss of power.
    Stable,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::System => "system",
            Self::Stable => "stable",
        })
    }
}

/// What a backend can do. Start from [`Capabilities::none`] and set what holds.
///
/// The fields have to fit together (clause CAP-1): who replaces or deletes by ETag gives every object one, who declares
/// `write_token` or `versions` tells them in every stat and every answer to a write, and `part_min` and
/// `part_preferred` are at most `part_max`.
///
/// ```
/// use storage_core::{Capabilities, Level};
///
/// let mut capabilities = Capabilities::none();
/// capabilities.publish = Level::Atomic;
/// capabilities.list_sorted = true;
/// assert!(!capabilities.rename.is_supported());
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A finished write becomes visible. `Atomic`: whole, in one step. `Emulated`: a reader may see it half-written.
    pub publish: Level,
    /// How long an acknowledged write lasts.
    pub durability: Durability,
    /// A write on condition that the key is absent. `Emulated`: holds among users of this library only.
    pub create_if_absent: Level,
    /// A write on condition of an ETag. `Emulated`: holds among users of this library only.
    pub replace_if_match: Level,
    /// A delete on condition of an ETag. `Emulated`: holds among users of this library only.
    pub delete_if_match: Level,
    /// A copy inside the store, without the bytes passing through the client. `Emulated`: they pass through.
    pub copy: Level,
    /// A rename. `Emulated`: a copy and then a delete (clause REN-1).
    pub rename: Level,
    /// Listings come in ascending byte order of the full key (clause LIST-2).
    pub list_sorted: bool,
    /// The backend groups by the delimiter `/` itself; `Store` groups by any other.
    pub list_delimiter: bool,
    /// The backend starts after a key itself; else `Store` skips.
    pub list_start_after: bool,
    /// Old versions are kept and can be read, listed and deleted.
    pub versions: bool,
    /// A delete without a version lays a marker on top of the versions, and the newest that is left when a version or
    /// marker is deleted is the object again. Else a delete just leaves no object, and old versions stay old.
    pub delete_markers: bool,
    /// User metadata is kept.
    pub user_metadata: bool,
    /// The content headers of [`Attributes`](crate::Attributes) are kept.
    pub content_headers: bool,
    /// A writer can set the modification time.
    pub set_modified: bool,
    /// The step of stored modification times, where known.
    pub modified_precision: Option<Duration>,
    /// Permissions and owner are kept and can be set.
    pub unix_attributes: bool,
    /// Symbolic links are objects of kind [`Symlink`](crate::FileKind::Symlink) and can be written as such.
    pub symlinks: bool,
    /// Directories are real: they can be made, removed, listed while empty, and carry times and permissions.
    pub directories: bool,
    /// Keys are paths: an object `a` and a key `a/b` exclude each other, as on a file system.
    pub hierarchical: bool,
    /// The backend keeps the token of a write, by which a lost answer is proved a success (clause ERR-3).
    pub write_token: bool,
    /// A write asked to be verified is published only once what is held was compared with what was sent: by a checksum
    /// that the service takes itself, or by reading back.
    pub verified_writes: bool,
    /// The checksum that the service tells of a whole object after a write, as far as it tells one: what `Store` computes to
    /// hold against it, or against what reads back.
    pub told_checksum: Option<Algorithm>,
    /// Interrupted uploads can be found and removed.
    pub cleanup: bool,
    /// Requests can be signed ahead for others, for at most this long.
    pub signed_urls: Option<Duration>,
    /// Names that differ only in case collide.
    pub case_insensitive: bool,
    /// Numbers that bound requests.
    pub limits: Limits,
}

impl Capabilities {
    /// Nothing but reading and writing.
    pub fn none() -> Self {
        Self::default()
    }
}

/// Numbers that bound requests. Sizes in bytes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest one-shot write.
    pub write_max: u64,
    /// The smallest part of an upload but for its last.
    pub part_min: u64,
    /// The largest part of an upload.
    pub part_max: u64,
    /// The size at which parts travel best.
    pub part_preferred: u64,
    /// The most parts of an upload.
    pub parts_max: u64,
    /// Parts may be in flight side by side.
    pub parallel_parts: bool,
    /// The size at which ranges of a large object travel best side by side; 0 where one request after another is as
    /// fast.
    pub range_preferred: u64,
    /// The most objects that are copied out of another store in one request.
    pub copy_batch: usize,
    /// The most keys of one delete request.
    pub delete_batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            write_max: 8 * MIB,
            part_min: 1,
            part_max: 5 << 30,
            part_preferred: 8 * MIB,
            parts_max: 10_000,
            parallel_parts: true,
            range_preferred: 0,
            copy_batch: 1,
            delete_batch: 1,
        }
    }
}

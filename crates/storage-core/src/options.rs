//! What a caller can ask for, per operation. Defaults live here; a backend gets the request part only.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::checksum::{Algorithm, Checksum};
use crate::key::{Key, Prefix};
use crate::meta::{Attributes, ETag, FileKind, Metadata, UnixAttributes, Version};
use crate::range::ByteRange;
use crate::transfer::Journal;

/// Conditions on reading (clause READ-5).
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// Fail with `PreconditionFailed` unless the ETag is this.
    pub if_match: Option<ETag>,
    /// Fail with `NotModified` if the ETag is this.
    pub if_none_match: Option<ETag>,
    /// Fail with `NotModified` unless modified after this.
    pub if_modified_since: Option<SystemTime>,
    /// Fail with `PreconditionFailed` if modified after this.
    pub if_unmodified_since: Option<SystemTime>,
}

/// What a backend is asked to read. A backend may leave conditions to `Store`, which checks every answer.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// Which bytes.
    pub range: ByteRange,
    /// Which version; the newest if `None`.
    pub version: Option<Version>,
    /// Conditions on the answer.
    pub conditions: ReadConditions,
}

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub(crate) request: ReadRequest,
    pub(crate) concurrency: Option<usize>,
    pub(crate) size_hint: Option<u64>,
}

impl ReadOptions {
    /// The whole newest object, unconditionally.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these bytes only.
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.request.range = range.into();
        self
    }

    /// Tells how large the object is, as far as a listing told: of one that is surely large the first request takes the
    /// first range alone. Wrong, it costs a request and changes nothing else.
    pub fn size_hint(mut self, bytes: u64) -> Self {
        self.size_hint = Some(bytes);
        self
    }

    /// Sets how many ranges of a large object are read side by side; 1 reads it in one request. By default as many as the
    /// store's [`Window`](crate::Window) finds worth it.
    pub fn concurrency(mut self, ranges: usize) -> Self {
        self.concurrency = Some(ranges.max(1));
        self
    }

    /// Reads this version.
    pub fn version(mut self, version: Version) -> Self {
        self.request.version = Some(version);
        self
    }

    /// Fails with `PreconditionFailed` unless the ETag is this.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.request.conditions.if_match = Some(etag);
        self
    }

    /// Fails with `NotModified` if the ETag is this.
    pub fn if_none_match(mut self, etag: ETag) -> Self {
        self.request.conditions.if_none_match = Some(etag);
        self
    }

    /// Fails with `NotModified` unless modified after `time`.
    pub fn if_modified_since(mut self, time: SystemTime) -> Self {
        self.request.conditions.if_modified_since = Some(time);
        self
    }

    /// Fails with `PreconditionFailed` if modified after `time`.
    pub fn if_unmodified_since(mut self, time: SystemTime) -> Self {
        self.request.conditions.if_unmodified_since = Some(time);
        self
    }
}

/// What a backend is asked to tell. The same as reading, without bytes.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct StatRequest {
    /// Which version; the newest if `None`.
    pub version: Option<Version>,
}

/// How to stat.
#[derive(Clone, Debug, Default)]
pub struct StatOptions {
    pub(crate) request: StatRequest,
    pub(crate) conditions: ReadConditions,
}

impl StatOptions {
    /// The newest version, unconditionally.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this version.
    pub fn version(mut self, version: Version) -> Self {
        self.request.version = Some(version);
        self
    }

    /// Fails with `PreconditionFailed` unless the ETag is this.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.conditions.if_match = Some(etag);
        self
    }

    /// Fails with `NotModified` if the ETag is this.
    pub fn if_none_match(mut self, etag: ETag) -> Self {
        self.conditions.if_none_match = Some(etag);
        self
    }
}

/// A condition on what stands at the destination (clause WRITE-4).
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Whatever stands there is replaced.
    #[default]
    None,
    /// Nothing may stand there; else `AlreadyExists`.
    IfAbsent,
    /// The object there must have this ETag; else `PreconditionFailed`, also where there is none.
    IfMatch(ETag),
}

/// What a backend is asked to write. The body comes beside it.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct WriteRequest {
    /// Condition on what stands at the key now.
    pub condition: Condition,
    /// Content headers and user metadata; `Store` has checked that the backend keeps them.
    pub attributes: Attributes,
    /// The modification time to set; `Store` has checked that the backend can.
    pub modified: Option<SystemTime>,
    /// Permissions and owner to set; `Store` has checked that the backend can.
    pub unix: Option<UnixAttributes>,
    /// Whether to set the owner too, which mostly needs privileges. If not, the owner is whoever the service makes it.
    pub set_owner: bool,
    /// What to make. For a symlink the body is the target.
    pub kind: FileKind,
    /// The size to come, where known: a hint to reserve space and to choose parts.
    pub size: Option<u64>,
    /// A name for this very write, unique for ever, to be kept with the object where `write_token` is declared.
    pub token: String,
    /// The checksums that the caller expects. `Store` compares; a service that can verify by itself should get them.
    pub expected: Vec<Checksum>,
    /// Whether to acknowledge only what was held against what was sent. Who does not declare `verified_writes` leaves that to
    /// `Store`.
    pub verify: bool,
}

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub(crate) request: WriteRequest,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) part_size: Option<u64>,
    pub(crate) concurrency: Option<usize>,
}

impl WriteOptions {
    /// Replaces whatever stands at the key, with no attribute.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the write happens under a condition only.
    pub fn is_conditional(&self) -> bool {
        self.request.condition != Condition::default()
    }

    /// Fails with `AlreadyExists` if anything stands at the key.
    pub fn if_absent(mut self) -> Self {
        self.request.condition = Condition::IfAbsent;
        self
    }

    /// Fails with `PreconditionFailed` unless the object at the key has this ETag.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.request.condition = Condition::IfMatch(etag);
        self
    }

    /// Sets the condition as a value.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.request.condition = condition;
        self
    }

    /// Sets all attributes.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.request.attributes = attributes;
        self
    }

    /// Sets `Content-Type`.
    pub fn content_type(mut self, value: impl Into<String>) -> Self {
        self.request.attributes.content_type = Some(value.into());
        self
    }

    /// Adds one name and value of user metadata.
    pub fn user_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.attributes.user.insert(name.into(), value.into());
        self
    }

    /// Sets the modification time.
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.request.modified = Some(time);
        self
    }

    /// Sets the permissions; with `owner` also owner and group.
    pub fn unix(mut self, attributes: UnixAttributes, owner: bool) -> Self {
        self.request.unix = Some(attributes);
        self.request.set_owner = owner;
        self
    }

    /// Makes a symlink; the content is its target.
    pub fn kind(mut self, kind: FileKind) -> Self {
        self.request.kind = kind;
        self
    }

    /// Promises the size: more or fewer bytes are an error, and nothing is published.
    pub fn size(mut self, size: u64) -> Self {
        self.request.size = Some(size);
        self
    }

    /// Publishes only if the content has this checksum (clause WRITE-8).
    pub fn expect_checksum(mut self, checksum: Checksum) -> Self {
        self.request.expected.push(checksum);
        self
    }

    /// Computes this checksum on the way and returns it.
    pub fn checksum(mut self, algorithm: Algorithm) -> Self {
        self.algorithms.push(algorithm);
        self
    }

    /// Acknowledges the write only once what the store holds was compared with what was sent: by the service's own
    /// checksum, or by reading back. Where [`Capabilities::verified_writes`](crate::Capabilities::verified_writes) is
    /// declared that happens before anything is published; elsewhere `Store` reads the published object.
    pub fn verify(mut self, verify: bool) -> Self {
        self.request.verify = verify;
        self
    }

    /// Sets the size of a part, within the backend's limits. By default the backend's preferred size, growing so that
    /// the number of parts always suffices.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// Sets how many parts travel side by side. By default as many as the store's [`Window`](crate::Window) finds worth it.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.concurrency = Some(parts);
        self
    }
}

/// How to copy an object from one store to another.
#[derive(Clone, Debug)]
pub struct TransferOptions {
    pub(crate) condition: Condition,
    pub(crate) verify: bool,
    pub(crate) owner: bool,
    pub(crate) part_size: Option<u64>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) resume: Option<(Journal, String)>,
}

impl TransferOptions {
    /// Replaces whatever stands at the destination, verifies, and leaves the owner to whoever the service makes it.
    pub fn new() -> Self {
        Self {
            condition: Condition::None,
            verify: true,
            owner: false,
            part_size: None,
            concurrency: None,
            resume: None,
        }
    }

    /// Writes down what was sent of a large object, so that the same copy goes on from there if it is cut off: after a loss
    /// of the connection, a signal, or a kill, in the next process. `places` names the two stores, the same each time and
    /// as no others are named. What cannot be proved to be the same source and the same parts is sent again.
    ///
    /// What is cut off stays at the destination until it is taken up again, or until a
    /// [`cleanup`](crate::Store::cleanup).
    pub fn resume(mut self, journal: Journal, places: impl Into<String>) -> Self {
        self.resume = Some((journal, places.into()));
        self
    }

    /// Sets the condition on what stands at the destination.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Sets whether the copy is held against what was read; see [`WriteOptions::verify`]. By default it is.
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Sets whether owner and group are kept, which mostly needs privileges.
    pub fn owner(mut self, owner: bool) -> Self {
        self.owner = owner;
        self
    }

    /// Sets the size of a part in bytes, within the destination's limits.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// Sets how many parts travel side by side. By default as many as the [`Window`](crate::Window) of each store finds
    /// worth it.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.concurrency = Some(parts.max(1));
        self
    }
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a backend is asked to list.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// A raw byte prefix of the keys.
    pub prefix: Prefix,
    /// Groups keys that share what stands between the prefix and the next delimiter. A backend is only ever asked to
    /// group by `/`, and only where it declares `list_delimiter`.
    pub delimiter: Option<char>,
    /// Only entries whose names, common prefixes included, sort after this text. It need be no key, nor begin with the
    /// prefix.
    pub start_after: Option<String>,
    /// All versions and delete markers, newest first within a key.
    pub versions: bool,
    /// Real directories as entries of their own, where the backend has them.
    pub directories: bool,
}

/// How to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub(crate) request: ListRequest,
    pub(crate) concurrency: usize,
}

impl ListOptions {
    /// Every object under the prefix.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists a large tree in so many places at a time; entries come in order all the same. It costs some
    /// requests more, to find out where the tree can be cut (at common prefixes) and where each range ends, and memory for
    /// up to 16 pages of each. A store that lists in no order, or has real directories, is listed one page after the other.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// One level: groups by `delimiter`, mostly `/`.
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.request.delimiter = Some(delimiter);
        self
    }

    /// Only what sorts after `key`, which need not exist.
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.request.start_after = Some(key.into());
        self
    }

    /// All versions and delete markers.
    pub fn versions(mut self, versions: bool) -> Self {
        self.request.versions = versions;
        self
    }

    /// Real directories as entries of their own, also empty ones, where the backend has them.
    pub fn directories(mut self, directories: bool) -> Self {
        self.request.directories = directories;
        self
    }
}

/// One entry of a listing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An object.
    Object(Object),
    /// A common prefix, or a real directory.
    Prefix(Directory),
}

impl Entry {
    /// The name by which a listing is ordered.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::Prefix(directory) => directory.prefix.as_str(),
        }
    }

    /// The object, if it is one.
    pub fn into_object(self) -> Option<Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Prefix(_) => None,
        }
    }
}

/// An object in a listing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its key.
    pub key: Key,
    /// What the listing tells of it.
    pub metadata: Metadata,
}

impl Object {
    /// An object of a listing.
    pub fn new(key: Key, metadata: Metadata) -> Self {
        Self { key, metadata }
    }
}

/// A common prefix or a real directory in a listing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    /// It ends in the delimiter.
    pub prefix: Prefix,
    /// Times and permissions, where the directory is real.
    pub metadata: Option<Metadata>,
}

impl Directory {
    /// A common prefix; with metadata a real directory.
    pub fn new(prefix: Prefix, metadata: Option<Metadata>) -> Self {
        Self { prefix, metadata }
    }
}

/// One object to delete.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTarget {
    /// Its key.
    pub key: Key,
    /// Only if it has this ETag; else `PreconditionFailed`.
    pub if_match: Option<ETag>,
    /// This version for good, instead of the newest.
    pub version: Option<Version>,
}

impl DeleteTarget {
    /// Deletes `key`, whatever stands there.
    pub fn new(key: Key) -> Self {
        Self { key, if_match: None, version: None }
    }

    /// Only if the object has this ETag.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.if_match = Some(etag);
        self
    }

    /// This version for good.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }
}

impl From<Key> for DeleteTarget {
    fn from(key: Key) -> Self {
        Self::new(key)
    }
}

/// What a backend is asked to copy.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct CopyRequest {
    /// Condition on the destination.
    pub condition: Condition,
    /// Condition on the source: it has this ETag, else `PreconditionFailed`.
    pub source_if_match: Option<ETag>,
    /// Which version of the source.
    pub source_version: Option<Version>,
    /// New attributes in place of the source's.
    pub attributes: Option<Attributes>,
    /// Whether the copy gets the source's modification time and all its permissions, as far as the backend keeps them.
    pub preserve: bool,
    /// Whether the copy gets the source's owner too, which mostly needs privileges.
    pub set_owner: bool,
    /// Whether to hold the copy against its source before it is published, where the backend and not a service copies.
    pub verify: bool,
    /// Whom to tell of bytes that moved; set for a single object. What was not told of by the end is told of then.
    pub moved: Option<Moved>,
}

/// Hears how many more bytes of a copy moved. It must not block.
#[derive(Clone)]
pub struct Moved(Arc<dyn Fn(u64) + Send + Sync>);

impl Moved {
    /// Calls `hear` with each number of bytes.
    pub fn new(hear: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Tells of `bytes` more.
    pub fn tell(&self, bytes: u64) {
        (self.0)(bytes);
    }
}

impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moved")
    }
}

/// One object to copy out of another store.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTarget {
    /// Its key there.
    pub from: Key,
    /// The key of the copy.
    pub to: Key,
    /// Its size in bytes, as far as a listing told; a hint, as for [`ReadOptions::size_hint`].
    pub size: Option<u64>,
    /// Its ETag, as far as a listing told; a hint too. A copy that has it is known to be of that size, and need not be
    /// asked for.
    pub etag: Option<ETag>,
}

impl CopyTarget {
    /// A copy of the object at `from` to the key `to`.
    pub fn new(from: Key, to: Key) -> Self {
        Self { from, to, size: None, etag: None }
    }

    /// Tells what a listing told of the object, which may have changed since. It saves requests, and binds nobody: what is
    /// there when the copy begins is copied.
    pub fn seen(mut self, metadata: &Metadata) -> Self {
        (self.size, self.etag) = (Some(metadata.size), metadata.etag.clone());
        self
    }
}

/// How to copy.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    pub(crate) request: CopyRequest,
}

impl CopyOptions {
    /// Copies content and attributes over whatever stands at the destination.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fails with `AlreadyExists` if anything stands at the destination.
    pub fn if_absent(mut self) -> Self {
        self.request.condition = Condition::IfAbsent;
        self
    }

    /// Fails with `PreconditionFailed` unless the object at the destination has this ETag.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.request.condition = Condition::IfMatch(etag);
        self
    }

    /// Fails with `PreconditionFailed` unless the source has this ETag.
    pub fn source_if_match(mut self, etag: ETag) -> Self {
        self.request.source_if_match = Some(etag);
        self
    }

    /// Copies this version of the source.
    pub fn source_version(mut self, version: Version) -> Self {
        self.request.source_version = Some(version);
        self
    }

    /// Gives the copy these attributes in place of the source's.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.request.attributes = Some(attributes);
        self
    }
}

/// How to rename.
#[derive(Clone, Debug, Default)]
pub struct RenameOptions {
    pub(crate) condition: Condition,
}

impl RenameOptions {
    /// Replaces whatever stands at the destination.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fails with `AlreadyExists` if anything stands at the destination.
    pub fn if_absent(mut self) -> Self {
        self.condition = Condition::IfAbsent;
        self
    }

    /// Fails with `PreconditionFailed` unless the object at the destination has this ETag.
    pub fn if_match(mut self, etag: ETag) -> Self {
        self.condition = Condition::IfMatch(etag);
        self
    }
}

/// A change of times and permissions without new content. `None` leaves a thing as it is.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new modification time.
    pub modified: Option<SystemTime>,
    /// The new permissions.
    pub unix: Option<UnixAttributes>,
    /// Whether to change owner and group too. If not, they stay as they are.
    pub set_owner: bool,
}

impl Change {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the modification time.
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.modified = Some(time);
        self
    }

    /// Sets the permissions; with `owner` also owner and group.
    pub fn unix(mut self, attributes: UnixAttributes, owner: bool) -> Self {
        self.unix = Some(attributes);
        self.set_owner = owner;
        self
    }
}

/// What a clean-up found and removed.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Leftovers of interrupted writes that were removed.
    pub removed: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Leftovers that belong to writes still going on, left alone.
    pub in_use: u64,
}

//! What a call is and what can be seen of one.

use std::fmt;

use storage_core::{ByteRange, Checksum, Condition};
use tokio::time::Instant;

/// A method of [`Backend`](storage_core::Backend), [`Upload`](storage_core::Upload) or
/// [`Lister`](storage_core::Lister) that makes a request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `Backend::stat`
    Stat,
    /// `Backend::read`
    Read,
    /// `Backend::write`
    Write,
    /// `Backend::upload`
    Upload,
    /// `Upload::part`
    Part,
    /// `Upload::finish`
    Finish,
    /// `Upload::abort`
    Abort,
    /// `Lister::next_page`
    Page,
    /// `Backend::delete`
    Delete,
    /// `Backend::copy`
    Copy,
    /// `Backend::rename`
    Rename,
    /// `Backend::update`
    Update,
    /// `Backend::create_dir`
    CreateDir,
    /// `Backend::remove_dir`
    RemoveDir,
    /// `Backend::cleanup`
    Cleanup,
    /// `Backend::presign`
    Presign,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 16] = [
        Self::Stat,
        Self::Read,
        Self::Write,
        Self::Upload,
        Self::Part,
        Self::Finish,
        Self::Abort,
        Self::Page,
        Self::Delete,
        Self::Copy,
        Self::Rename,
        Self::Update,
        Self::CreateDir,
        Self::RemoveDir,
        Self::Cleanup,
        Self::Presign,
    ];
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One call as the layer saw it go by. What does not belong to the call is empty.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which method.
    pub call: Call,
    /// The key, prefix or, of a delete, the keys with blanks between them, by the backend's own name.
    pub name: String,
    /// When.
    pub at: Instant,
    /// Of a read: what was asked for.
    pub range: Option<ByteRange>,
    /// Of a read: whether it named an ETag or a version.
    pub pinned: bool,
    /// Of a write, upload, copy or rename: the condition.
    pub condition: Condition,
    /// Of a part: its number.
    pub part: Option<u64>,
    /// Of a part: its offset.
    pub offset: u64,
    /// Of a write or part: the length of the body.
    pub length: u64,
    /// Of a write or part: what the body holds.
    pub content: Option<Checksum>,
    /// Of a write or upload: the token of the write.
    pub token: String,
    /// Of a delete: the keys.
    pub targets: Vec<String>,
}

impl Seen {
    pub(super) fn new(call: Call, name: impl Into<String>) -> Self {
        Self {
            call,
            name: name.into(),
            at: Instant::now(),
            range: None,
            pinned: false,
            condition: Condition::None,
            part: None,
            offset: 0,
            length: 0,
            content: None,
            token: String::new(),
            targets: Vec::new(),
        }
    }
}

//! What a splitter is told.

use bytes::Bytes;

/// What happens at a record that is damaged or too long.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFlaw {
    /// It is an error, and the last thing that comes.
    #[default]
    Fail,
    /// It is left out and told of, at most so many times.
    Skip(u64),
}

/// How bytes are split into records.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitOptions {
    /// The most bytes of a record. Some more than that is held at most, whatever is announced (clause FORMAT-3).
    pub record_max: usize,
    /// What happens at a record that is damaged or too long.
    pub on_flaw: OnFlaw,
    /// At which byte of the whole the data begins, for messages.
    pub offset: u64,
    /// The data begins anywhere, and the first record is looked for.
    pub inside: bool,
    /// What a reader that begins anywhere knows of the beginning.
    pub head: Bytes,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { record_max: 64 << 20, on_flaw: OnFlaw::Fail, offset: 0, inside: false, head: Bytes::new() }
    }
}

impl SplitOptions {
    /// The defaults: records of up to 64 MiB, and the first flaw is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most bytes of a record.
    pub fn record_max(mut self, bytes: usize) -> Self {
        self.record_max = bytes;
        self
    }

    /// Sets what happens at a record that is damaged or too long.
    pub fn on_flaw(mut self, what: OnFlaw) -> Self {
        self.on_flaw = what;
        self
    }

    /// Says that the data begins anywhere, behind the first byte of a record or between two, and how all of it begins: as many bytes
    /// as the format [wants](super::About::shares).
    pub fn inside(mut self, head: impl Into<Bytes>) -> Self {
        (self.inside, self.head) = (true, head.into());
        self
    }

    /// Says at which byte of the whole the data begins.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }
}

//! What is wrong with data, and where: the typed half of an error of a codec or a record format.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// In what way data is wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlawKind {
    /// It is another format, or none.
    Foreign,
    /// It ends before its end: it was cut, or is still being written.
    UnexpectedEnd,
    /// It contradicts itself: a checksum, a length or a code that cannot be.
    Damaged,
    /// Behind its end stands something else.
    TrailingData,
    /// It wants more than the options allow.
    TooLarge,
    /// It is whole, and asks for something that is not supported here.
    Unsupported,
}

/// What is wrong with data, at which byte of it.
///
/// It is the [source](std::error::Error::source) of the [`Error`] that reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    kind: FlawKind,
    format: &'static str,
    offset: u64,
    part: u64,
    message: String,
}

impl Flaw {
    /// A flaw of data in `format`, such as `gzip`. It is placed by [`at`](Self::at).
    pub fn new(kind: FlawKind, format: &'static str, message: impl Into<String>) -> Self {
        Self { kind, format, offset: 0, part: 0, message: message.into() }
    }

    /// Says where: at which byte of the data, and in which of its members, frames or records, counted from 0.
    pub fn at(mut self, offset: u64, part: u64) -> Self {
        (self.offset, self.part) = (offset, part);
        self
    }

    /// The flaw that an error reports, if it reports one.
    ///
    /// ```
    /// use storage_core::{Error, Flaw, FlawKind};
    ///
    /// let error = Error::from(Flaw::new(FlawKind::UnexpectedEnd, "gzip", "").at(10, 0));
    /// assert_eq!(Flaw::of(&error).map(Flaw::offset), Some(10));
    /// assert_eq!(error.to_string(), "invalid data: gzip: unexpected end at byte 10");
    /// ```
    pub fn of(error: &Error) -> Option<&Self> {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(flaw) = cause.downcast_ref::<Self>() {
                return Some(flaw);
            }
            source = cause.source();
        }
        None
    }

    /// In what way the data is wrong.
    pub fn kind(&self) -> FlawKind {
        self.kind
    }

    /// The format that it was read as.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// The byte of the encoded data, counted from 0, up to which nothing is known to be wrong.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Which member, frame or record it is in, counted from 0.
    pub fn part(&self) -> u64 {
        self.part
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FlawKind::Foreign => "not of this format",
            FlawKind::UnexpectedEnd => "unexpected end",
            FlawKind::Damaged => "damaged",
            FlawKind::TrailingData => "trailing data",
            FlawKind::TooLarge => "more than allowed",
            FlawKind::Unsupported => "unsupported",
        };
        write!(f, "{}: {what} at byte {}", self.format, self.offset)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl StdError for Flaw {}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        let kind = match flaw.kind {
            FlawKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, "").with_source(flaw)
    }
}

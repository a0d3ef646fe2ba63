//! What a splitter gives.

use bytes::Bytes;

use crate::flaw::Flaw;

/// A record as it stands in the data, without what separates it from others.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its content, untouched (clause FORMAT-4); a view of the input where it came in one piece.
    pub content: Bytes,
    /// The byte at which it begins, with what announces it; in a format of blocks the byte at which its block begins.
    pub offset: u64,
    /// Its place among the records and those that were left out, counted from 0.
    pub number: u64,
}

impl Record {
    /// A record that a format has found.
    pub fn new(content: Bytes, offset: u64, number: u64) -> Self {
        Self { content, offset, number }
    }
}

/// What was left out.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub flaw: Flaw,
    /// How many bytes went with it.
    pub bytes: u64,
    /// How many records, as far as the format tells: at least so many.
    pub records: u64,
}

impl Skipped {
    /// What a format has left out.
    pub fn new(flaw: Flaw, bytes: u64, records: u64) -> Self {
        Self { flaw, bytes, records }
    }
}

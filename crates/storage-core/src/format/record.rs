//! What a splitter gives.

use bytes::Bytes;

use crate::flaw::Flaw;

/// A record as it stands in the data, without what separates it from others.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its content, untouched (clause FORMAT-4); a view of the input where it came in one piece.
    pub content: Bytes,
    /// The byte at which it begins, with what announces it.
    pub offset: u64,
    /// Its place among the records and those that were left out, counted from 0.
    pub number: u64,
}

/// What was left out.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub flaw: Flaw,
    /// How many bytes went with it.
    pub bytes: u64,
}

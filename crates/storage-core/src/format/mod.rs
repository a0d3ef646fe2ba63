//! Record formats: the trait that a format implements, and the rules that hold for all of them.
//!
//! A format knows where one record ends ([`Framing`]). That any split of the input gives the same records, how long one may
//! be, at which byte and in which record a flaw lies and what happens then is written here once ([`Splitter`], clauses
//! FORMAT-1 to FORMAT-5).

mod file;
mod options;
mod ranges;
mod record;
mod share;
mod splitter;
mod stream;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use crate::flaw::Flaw;

pub use file::{Format, RecordReader, RecordWriter};
pub use options::{OnFlaw, SplitOptions};
pub(crate) use ranges::read_by_ranges;
pub use ranges::{RangeFormat, RangeReader, Step};
pub use record::{Record, Skipped};
pub use share::{records_within, shares};
pub use splitter::Splitter;
pub(crate) use stream::read;
pub use stream::{records, records_but};

/// How records stand one after another in bytes.
pub trait Framing: fmt::Debug + Send + Sync + 'static {
    /// What is known of the format.
    fn about(&self) -> &'static About;

    /// Looks at the record that `data` begins with. Of its bytes the first `seen` were looked at before, and more was
    /// wanted. `at_end` says that nothing follows; `data` is not empty.
    ///
    /// # Errors
    /// A flaw, placed by its offset in `data`, behind which only [`resync`](Self::resync) finds the next record.
    fn look(&self, data: &[u8], seen: usize, at_end: bool) -> Result<Look, Flaw>;

    /// Checks a record that is there as a whole, with all that announces and ends it; `content` is where its content lies.
    ///
    /// # Errors
    /// A flaw, placed by its offset in `whole`. The next record follows all the same.
    fn check(&self, _whole: &[u8], _content: Range<usize>) -> Result<(), Flaw> {
        Ok(())
    }

    /// How many bytes at the very beginning of the data belong to no record, such as a byte order mark. `None` if more has
    /// to be seen.
    fn preamble(&self, _data: &[u8], _at_end: bool) -> Option<usize> {
        Some(0)
    }

    /// Where the next record begins, in `data` that follows the first byte of one with a flaw (clause FORMAT-3). `at_end` says that nothing follows.
    /// Formats without a place to find give up everything.
    fn resync(&self, data: &[u8], at_end: bool) -> Resync;

    /// Appends a record as the format writes it.
    ///
    /// # Errors
    /// A flaw of what would not read back as the same record (clause FORMAT-2); nothing was appended then.
    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw>;
}

impl<F: Framing + ?Sized> Framing for Arc<F> {
    fn about(&self) -> &'static About {
        (**self).about()
    }

    fn look(&self, data: &[u8], seen: usize, at_end: bool) -> Result<Look, Flaw> {
        (**self).look(data, seen, at_end)
    }

    fn check(&self, whole: &[u8], content: Range<usize>) -> Result<(), Flaw> {
        (**self).check(whole, content)
    }

    fn preamble(&self, data: &[u8], at_end: bool) -> Option<usize> {
        (**self).preamble(data, at_end)
    }

    fn resync(&self, data: &[u8], at_end: bool) -> Resync {
        (**self).resync(data, at_end)
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        (**self).write(record, output)
    }
}

/// What is known of a format.
#[allow(clippy::exhaustive_structs)] // written down by formats, and nobody else
#[derive(Clone, Debug)]
pub struct About {
    /// Its name in lower case, such as `ndjson`.
    pub name: &'static str,
    /// The endings of names of such data, without the dot, the usual one first.
    pub extensions: &'static [&'static str],
    /// Whether a checksum stands with each record. Where none does, damage may pass for data.
    pub has_checksum: bool,
    /// Whether a record tells how long it is, so that one that was cut is told from a whole one.
    pub tells_length: bool,
    /// Whether the next record is found behind one that is damaged.
    pub recovers: bool,
    /// Whether a record is found from the middle of whole data for certain, so that several readers can share it: then how many bytes
    /// from its beginning each of them has to know.
    pub shares: Option<usize>,
}

/// What stands at the front of data.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A record, of which perhaps only the beginning is there yet.
    Record {
        /// Where its content begins.
        start: usize,
        /// Where its content ends.
        end: u64,
        /// Where the next record begins.
        next: u64,
    },
    /// So many bytes that are no record, such as a blank line.
    Nothing(usize),
    /// The beginning of a record that does not tell its end yet: so many bytes are needed at least.
    More(usize),
}

/// What is found behind a flaw.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// A record begins behind so many bytes.
    Found(usize),
    /// None begins before so many bytes; whether one begins there is told by more data.
    Beyond(usize),
}

//! Formats as readers and writers: what holds whether records stand one after another or in blocks, with a head or an end.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{About, Framing, RangeFormat, Record, Skipped, SplitOptions, Splitter};
use crate::error::Result;

/// A record format. Every [`Framing`] is one.
pub trait Format: fmt::Debug + Send + Sync + 'static {
    /// What is known of the format.
    fn about(&self) -> &'static About;

    /// A reader of data from its beginning.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be.
    fn reader(&self, options: SplitOptions) -> Result<Box<dyn RecordReader>>;

    /// A writer of data from its beginning.
    ///
    /// # Errors
    /// `InvalidInput` for options of the format that cannot be.
    fn writer(&self) -> Result<Box<dyn RecordWriter>>;

    /// How objects are read whose records are found by an index at the end. `None` for a format that is read from its beginning.
    fn by_ranges(&self) -> Option<&dyn RangeFormat> {
        None
    }
}

/// Bytes into records, whatever pieces they come in.
pub trait RecordReader: fmt::Debug + Send {
    /// Gives it the next piece of the data, once [`next`](Self::next) has found nothing more in the last one.
    fn push(&mut self, piece: Bytes);

    /// Says that no more data comes.
    fn end(&mut self);

    /// The next record. `None` if more data is needed, or if there is none any more after [`end`](Self::end).
    ///
    /// # Errors
    /// A [`Flaw`](crate::Flaw) with the byte and the number of the record, where the options do not leave it out. Nothing more comes then.
    fn next(&mut self) -> Result<Option<Record>>;

    /// What was left out since this was asked last, as far as its end is known.
    fn skipped(&mut self) -> Vec<Skipped>;

    /// How many flaws were left out in all.
    fn skips(&self) -> u64;

    /// Up to which byte of the data everything was given or left out.
    fn offset(&self) -> u64;
}

/// Records into bytes.
pub trait RecordWriter: fmt::Debug + Send {
    /// Takes a record. What has to be written by now is appended, which may be nothing.
    ///
    /// # Errors
    /// One that tells a [`Flaw`](crate::Flaw), of what would not read back as the same record (clause FORMAT-2): nothing was appended
    /// then, and the next one may come. Those of a library beneath.
    fn write(&mut self, record: &[u8], output: &mut BytesMut) -> Result<()>;

    /// Appends what is left, and the end. Nothing is written after it.
    ///
    /// # Errors
    /// Of a library beneath.
    fn finish(&mut self, output: &mut BytesMut) -> Result<()>;
}

impl<F: Framing + Clone> Format for F {
    fn about(&self) -> &'static About {
        Framing::about(self)
    }

    fn reader(&self, options: SplitOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(Splitter::new(self.clone(), options)))
    }

    fn writer(&self) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(Plain(self.clone())))
    }
}

impl<F: Framing> RecordReader for Splitter<F> {
    fn push(&mut self, piece: Bytes) {
        Self::push(self, piece);
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn next(&mut self) -> Result<Option<Record>> {
        Self::next(self)
    }

    fn skipped(&mut self) -> Vec<Skipped> {
        Self::skipped(self)
    }

    fn skips(&self) -> u64 {
        Self::skips(self)
    }

    fn offset(&self) -> u64 {
        Self::offset(self)
    }
}

/// One record after another, and nothing else.
#[derive(Debug)]
struct Plain<F>(F);

impl<F: Framing> RecordWriter for Plain<F> {
    fn write(&mut self, record: &[u8], output: &mut BytesMut) -> Result<()> {
        Ok(self.0.write(record, output)?)
    }

    fn finish(&mut self, _: &mut BytesMut) -> Result<()> {
        Ok(())
    }
}

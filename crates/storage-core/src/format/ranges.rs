//! Formats whose index stands at the end of the data: objects of such are read by ranges.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::try_unfold;
use tokio::task::spawn_blocking;

use super::{Record, Skipped, SplitOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::options::ReadOptions;
use crate::range::ByteRange;
use crate::store::Store;

/// So much of the end is read first: in most data all of the index.
const TAIL: u64 = 64 << 10;

/// A format that finds its records by an index at the end.
pub trait RangeFormat: fmt::Debug + Send + Sync {
    /// A reader of data of `size` bytes.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be.
    fn range_reader(&self, size: u64, options: SplitOptions) -> Result<Box<dyn RangeReader>>;
}

/// Data into records, which asks for the bytes that it needs.
pub trait RangeReader: fmt::Debug + Send {
    /// What comes next. It may take as long as decoding takes: it is called where that holds up nobody else.
    ///
    /// # Errors
    /// A [`Flaw`](crate::Flaw) with the byte and the number of the record, where the options do not leave it out. Nothing more comes then.
    fn next(&mut self) -> Result<Step>;

    /// Gives it the bytes of a range that it asked for.
    fn give(&mut self, range: Range<u64>, bytes: Bytes);

    /// What was left out since this was asked last.
    fn skipped(&mut self) -> Vec<Skipped>;
}

/// What a reader by ranges does next.
#[allow(clippy::exhaustive_enums)] // whoever drives a reader has to know all of it
#[derive(Debug)]
pub enum Step {
    /// It gives records.
    Records(Vec<Record>),
    /// It needs all of these bytes.
    Wanted(Vec<Range<u64>>),
    /// There is nothing more.
    End,
}

/// The records of an object, all of them of the version that it has now. `lost` is told what the options leave out.
pub(crate) async fn read_by_ranges<L: FnMut(Skipped) + Send>(
    (store, key): (&Store, &Key),
    format: &dyn RangeFormat,
    options: SplitOptions,
    read: ReadOptions,
    lost: L,
) -> Result<impl Stream<Item = Result<Record>> + Send + use<L>> {
    if read.request.range != ByteRange::Full {
        let message = "its index tells which bytes are read, and the options hold a range of their own";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(key.as_str()));
    }
    let end = store.read(key, read.clone().range(ByteRange::Suffix(TAIL))).await?;
    let mut pinned = read;
    match (end.metadata.version, end.metadata.etag) {
        (Some(version), _) => pinned = pinned.version(version),
        (None, Some(etag)) => pinned = pinned.if_match(etag),
        (None, None) if end.metadata.size > end.bytes.len() as u64 => {
            let message =
                "this store tells neither ETags nor versions, so that parts of two objects could be mixed up";
            return Err(Error::unsupported(message).with_name(key.as_str()));
        }
        (None, None) => {}
    }
    let size = end.metadata.size;
    let reader = format.range_reader(size, options)?;
    let tail = (size - end.bytes.len() as u64, end.bytes);
    let source = Source { store: store.clone(), key: key.clone(), read: pinned, size, tail };
    let state = (source, reader, Vec::new().into_iter(), lost);
    Ok(try_unfold(state, |(source, mut reader, mut records, mut lost)| async move {
        loop {
            if let Some(record) = records.next() {
                return Ok(Some((record, (source, reader, records, lost))));
            }
            // It has a thread of its own: what goes wrong in a library with damaged data ends there.
            let (step, returned) = spawn_blocking(move || (reader.next(), reader)).await.map_err(gave_up)?;
            reader = returned;
            reader.skipped().into_iter().for_each(&mut lost);
            match step? {
                Step::Records(more) => records = more.into_iter(),
                Step::Wanted(ranges) => {
                    for (range, bytes) in source.read(ranges).await? {
                        reader.give(range, bytes);
                    }
                }
                Step::End => return Ok(None),
            }
        }
    }))
}

fn gave_up(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::InvalidData, "the data is damaged in a way that its decoder does not bear")
        .with_source(error)
}

/// One version of an object, whose end is known already.
struct Source {
    store: Store,
    key: Key,
    read: ReadOptions,
    size: u64,
    /// From which byte on it is there.
    tail: (u64, Bytes),
}

impl Source {
    async fn read(&self, ranges: Vec<Range<u64>>) -> Result<Vec<(Range<u64>, Bytes)>> {
        if let Some(range) = ranges.iter().find(|range| range.start > range.end || range.end > self.size) {
            let message = format!("its index tells of bytes {range:?}, and there are {}", self.size);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        if ranges.is_empty() {
            return Err(Error::new(ErrorKind::Other, "a reader that asks for nothing never ends"));
        }
        let (known, missing): (Vec<_>, Vec<_>) =
            ranges.into_iter().partition(|range| range.start >= self.tail.0);
        let of_tail = |range: Range<u64>| {
            // Fits, since the end of it is in memory.
            let (start, end) = ((range.start - self.tail.0) as usize, (range.end - self.tail.0) as usize);
            (range, self.tail.1.slice(start..end))
        };
        let mut all: Vec<_> = known.into_iter().map(of_tail).collect();
        let read = self.store.read_ranges(&self.key, &missing, self.read.clone()).await?;
        all.extend(missing.into_iter().zip(read));
        Ok(all)
    }
}

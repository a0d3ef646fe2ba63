//! One row group into rows.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use storage_core::{Flaw, FlawKind};

use crate::NAME;
use crate::index::Index;
use crate::reader::{Given, flaw, push};
use crate::rows::rows;

/// Rows that are decoded at a time; how many of them become JSON at a time goes by how long that is.
const BATCH: usize = 4096;
const JSON_BYTES: usize = 2 << 20;

/// A row group on its way.
pub(crate) struct Group {
    decoder: ParquetPushDecoder,
    /// What was decoded and is not given yet, and how much of it to take at a time.
    batch: Option<RecordBatch>,
    at_a_time: usize,
    /// Rows that it has, by the index, and that were given or left out.
    announced: u64,
    given: u64,
    record_max: usize,
}

/// What comes next of a row group.
pub(crate) enum Next {
    Rows(Vec<Bytes>),
    Wanted(Vec<Range<u64>>),
    /// One row, of so many bytes, is longer than may be.
    TooLong(u64),
    End,
}

/// In what way a row group is wrong.
pub(crate) enum Wrong {
    /// What is left of it is lost.
    Damaged(Flaw),
    /// So is every other.
    Unsupported(Flaw),
}

impl Group {
    pub(crate) fn new(index: &Index, group: usize, record_max: usize) -> Result<Self, Wrong> {
        index.check(group).map_err(Wrong::Damaged)?;
        let decoder = ParquetPushDecoderBuilder::new_with_metadata(index.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(index.mask.clone())
            .with_batch_size(BATCH)
            .build()
            .map_err(|error| Wrong::Damaged(flaw(error)))?;
        Ok(Self { decoder, batch: None, at_a_time: 1, announced: index.rows(group), given: 0, record_max })
    }

    /// What is left of it by the index.
    pub(crate) fn left(&self) -> u64 {
        self.announced - self.given
    }

    pub(crate) fn next(&mut self, given: &mut Given) -> Result<Next, Wrong> {
        loop {
            if let Some(batch) = self.batch.take().filter(|batch| batch.num_rows() > 0) {
                return self.take(batch);
            }
            match self.decode(given).map_err(Wrong::Damaged)? {
                DecodeResult::NeedsData(ranges) => return Ok(Next::Wanted(ranges)),
                DecodeResult::Data(batch) if batch.num_rows() as u64 > self.left() => {
                    return Err(damaged("a row group has more rows than its index tells"));
                }
                DecodeResult::Data(batch) => self.batch = Some(batch),
                DecodeResult::Finished if self.left() > 0 => {
                    let (given, announced) = (self.given, self.announced);
                    let message = format!("a row group has {given} rows, and its index tells of {announced}");
                    return Err(damaged(message));
                }
                DecodeResult::Finished => return Ok(Next::End),
            }
        }
    }

    fn decode(&mut self, given: &mut Given) -> Result<DecodeResult<RecordBatch>, Flaw> {
        let decoder = &mut self.decoder;
        push(given, |ranges, bytes| decoder.push_ranges(ranges, bytes)).map_err(flaw)?;
        // Damage that the library does not bear is damage all the same.
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.try_decode()));
        let panicked = |_| Flaw::new(FlawKind::Damaged, NAME, "its decoder gave up");
        decoded.map_err(panicked)?.map_err(flaw)
    }

    /// The first rows of what was decoded, up to one that is too long.
    fn take(&mut self, batch: RecordBatch) -> Result<Next, Wrong> {
        let count = self.at_a_time.min(batch.num_rows());
        let unsupported = |error: arrow_schema::ArrowError| {
            Wrong::Unsupported(Flaw::new(FlawKind::Unsupported, NAME, error.to_string()))
        };
        let mut rows = rows(&batch.slice(0, count)).map_err(unsupported)?;
        let length: usize = rows.iter().map(Bytes::len).sum();
        if length < JSON_BYTES / 2 && count == self.at_a_time {
            self.at_a_time = (self.at_a_time * 2).min(BATCH);
        } else if length > JSON_BYTES {
            self.at_a_time = (self.at_a_time / 2).max(1);
        }
        let fine = rows.iter().take_while(|row| row.len() <= self.record_max).count();
        let too_long = rows.first().filter(|_| fine == 0).map(|row| row.len() as u64);
        let done = fine.max(1);
        rows.truncate(done);
        self.given += done as u64;
        self.batch = Some(batch.slice(done, batch.num_rows() - done));
        Ok(too_long.map_or_else(|| Next::Rows(rows), Next::TooLong))
    }
}

fn damaged(message: impl Into<String>) -> Wrong {
    Wrong::Damaged(Flaw::new(FlawKind::Damaged, NAME, message))
}

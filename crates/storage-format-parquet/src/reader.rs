//! Files into rows, by ranges: the index, then one row group after another.

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataPushDecoder};
use storage_core::format::{OnFlaw, RangeReader, Record, Skipped, SplitOptions, Step};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::group::{Group, Next, Wrong};
use crate::index::Index;
use crate::{NAME, Parquet};

/// What files begin and end with.
const MARK: &[u8] = b"PAR1";
/// What those end with whose index is encrypted.
const ENCRYPTED: &[u8] = b"PARE";
/// The marks at both ends, and the length of the index.
const LEAST: u64 = 12;

/// Bytes that were asked for.
pub(crate) type Given = Vec<(Range<u64>, Bytes)>;

pub(crate) struct ParquetReader {
    size: u64,
    options: SplitOptions,
    columns: Option<Arc<[String]>>,
    state: State,
    given: Given,
    /// The next row.
    number: u64,
    skipped: Vec<Skipped>,
    skips: u64,
}

enum State {
    /// Nothing is known, not even that it is Parquet.
    Mark,
    Index(Box<ParquetMetaDataPushDecoder>),
    Groups(Box<Groups>),
    Failed,
}

struct Groups {
    index: Index,
    /// Which one is read, or is next.
    at: usize,
    group: Option<Group>,
}

impl fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetReader").field("size", &self.size).field("number", &self.number).finish()
    }
}

impl ParquetReader {
    pub(crate) fn new(format: &Parquet, size: u64, options: SplitOptions) -> Result<Self> {
        if options.inside || options.offset != 0 {
            return Err(Error::unsupported("rows of Parquet are found by the index of the whole file"));
        }
        if format.columns.as_ref().is_some_and(|columns| columns.is_empty()) {
            return Err(Error::new(ErrorKind::InvalidInput, "no column is to be read"));
        }
        Ok(Self {
            size,
            options,
            columns: format.columns.clone(),
            state: State::Mark,
            given: Vec::new(),
            number: 0,
            skipped: Vec::new(),
            skips: 0,
        })
    }

    /// Says how long the data is, before anything is read.
    pub(crate) fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            match &mut self.state {
                State::Mark => {
                    if let Some(wanted) = self.mark()? {
                        return Ok(Step::Wanted(wanted));
                    }
                    let decoder = ParquetMetaDataPushDecoder::try_new(self.size);
                    // Where pages lie is of use only to those who leave some out.
                    let decoder = decoder.map_err(flaw)?.with_page_index_policy(PageIndexPolicy::Skip);
                    self.state = State::Index(Box::new(decoder));
                }
                State::Index(decoder) => {
                    push(&mut self.given, |ranges, bytes| decoder.push_ranges(ranges, bytes))
                        .map_err(flaw)?;
                    match decoder.try_decode().map_err(flaw)? {
                        DecodeResult::NeedsData(ranges) => return Ok(Step::Wanted(ranges)),
                        DecodeResult::Data(metadata) => {
                            let index = Index::new(metadata, self.size, self.columns.as_deref())?;
                            self.state = State::Groups(Box::new(Groups { index, at: 0, group: None }));
                        }
                        DecodeResult::Finished => return Err(damaged("its index is none").into()),
                    }
                }
                State::Groups(groups) if groups.at >= groups.index.groups() => return Ok(Step::End),
                State::Groups(_) => {
                    if let Some(step) = self.rows()? {
                        return Ok(step);
                    }
                }
                State::Failed => {
                    return Err(damaged("it was refused before").at(self.size, self.number).into());
                }
            }
        }
    }

    /// Looks for the mark at the end, and, where it is missing, for the one at the beginning, which tells what that means.
    fn mark(&mut self) -> Result<Option<Vec<Range<u64>>>> {
        let (begin, end) = (0..4.min(self.size), self.size.saturating_sub(4)..self.size);
        let given = |wanted: &Range<u64>| {
            self.given.iter().find(|(range, _)| range == wanted).map(|(_, bytes)| bytes.clone())
        };
        if self.size >= LEAST {
            let Some(at_end) = given(&end) else { return Ok(Some(vec![end])) };
            if at_end == ENCRYPTED {
                return Err(Flaw::new(FlawKind::Unsupported, NAME, "it is encrypted").into());
            }
            if at_end == MARK {
                self.given.clear();
                return Ok(None);
            }
        }
        if self.size > 0 {
            let Some(at_begin) = given(&begin) else { return Ok(Some(vec![begin])) };
            if at_begin == MARK {
                let message =
                    "it begins like Parquet and does not end so: it was cut, or is still being written";
                return Err(Flaw::new(FlawKind::UnexpectedEnd, NAME, message).at(self.size, 0).into());
            }
        }
        Err(Flaw::new(FlawKind::Foreign, NAME, "it does not end like Parquet").into())
    }

    /// Goes on in the row group. `None` after its end.
    fn rows(&mut self) -> Result<Option<Step>> {
        let State::Groups(groups) = &mut self.state else { return Ok(None) };
        let offset = groups.index.offset(groups.at);
        match groups.next(&mut self.given, self.options.record_max) {
            Ok(Next::Wanted(ranges)) => Ok(Some(Step::Wanted(ranges))),
            Ok(Next::Rows(rows)) => {
                let records = rows.into_iter().map(|row| {
                    let record = Record::new(row, offset, self.number);
                    self.number += 1;
                    record
                });
                Ok(Some(Step::Records(records.collect())))
            }
            Ok(Next::End) => {
                (groups.at, groups.group) = (groups.at + 1, None);
                Ok(None)
            }
            Ok(Next::TooLong(bytes)) => {
                let most = self.options.record_max;
                let flaw =
                    Flaw::new(FlawKind::TooLarge, NAME, format!("a row of {bytes} bytes, of at most {most}"));
                self.leave_out(flaw.at(offset, self.number), bytes, 1).map(|()| None)
            }
            Err(Wrong::Damaged(flaw)) => {
                let rows = groups.group.take().map_or(groups.index.rows(groups.at), |group| group.left());
                let bytes = groups.index.bytes(groups.at);
                groups.at += 1;
                self.given.clear();
                self.leave_out(flaw.at(offset, self.number), bytes, rows).map(|()| None)
            }
            Err(Wrong::Unsupported(flaw)) => Err(flaw.at(offset, self.number).into()),
        }
    }

    fn leave_out(&mut self, flaw: Flaw, bytes: u64, rows: u64) -> Result<()> {
        match self.options.on_flaw {
            OnFlaw::Skip(most) if self.skips < most => {
                self.skipped.push(Skipped::new(flaw, bytes, rows));
                self.skips += 1;
                self.number = self.number.saturating_add(rows);
                Ok(())
            }
            _ => Err(flaw.into()),
        }
    }
}

impl Groups {
    fn next(&mut self, given: &mut Given, record_max: usize) -> Result<Next, Wrong> {
        let group = match &mut self.group {
            Some(group) => group,
            none => none.insert(Group::new(&self.index, self.at, record_max)?),
        };
        group.next(given)
    }
}

/// Hands on what was given.
pub(crate) fn push(
    given: &mut Given,
    take: impl FnOnce(Vec<Range<u64>>, Vec<Bytes>) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    if given.is_empty() {
        return Ok(());
    }
    let (ranges, bytes) = std::mem::take(given).into_iter().unzip();
    take(ranges, bytes)
}

fn damaged(message: &str) -> Flaw {
    Flaw::new(FlawKind::Damaged, NAME, message)
}

/// What the library says of data.
pub(crate) fn flaw(error: ParquetError) -> Flaw {
    let kind = match &error {
        ParquetError::NYI(_) => FlawKind::Unsupported,
        _ => FlawKind::Damaged,
    };
    let message = match error {
        ParquetError::General(message)
        | ParquetError::NYI(message)
        | ParquetError::EOF(message)
        | ParquetError::ArrowError(message) => message,
        other => other.to_string(),
    };
    Flaw::new(kind, NAME, message)
}

impl RangeReader for ParquetReader {
    fn next(&mut self) -> Result<Step> {
        // Damage that the library does not bear is damage all the same.
        let step = catch_unwind(AssertUnwindSafe(|| self.step()));
        let panicked = |_| Err(damaged("its decoder gave up").at(self.size, self.number).into());
        let step = step.unwrap_or_else(panicked);
        if step.is_err() {
            self.state = State::Failed;
        }
        step
    }

    fn give(&mut self, range: Range<u64>, bytes: Bytes) {
        self.given.push((range, bytes));
    }

    fn skipped(&mut self) -> Vec<Skipped> {
        std::mem::take(&mut self.skipped)
    }
}

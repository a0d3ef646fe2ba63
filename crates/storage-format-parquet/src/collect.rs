//! Data that comes as a stream: it is held until its end, where its index stands.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use storage_core::format::{RangeReader, Record, RecordReader, Skipped, SplitOptions, Step};
use storage_core::{Flaw, FlawKind, Result};

use crate::reader::ParquetReader;
use crate::{NAME, Parquet};

/// Of what was left out so many are remembered until somebody asks; the last one stands for all that follow.
const SKIPPED_MAX: usize = 1000;

#[derive(Debug)]
pub(crate) struct Collected {
    /// The most bytes that are held.
    most: usize,
    data: BytesMut,
    reader: ParquetReader,
    state: State,
    records: VecDeque<Record>,
    skipped: Vec<Skipped>,
    skips: u64,
    /// Where the last record's row group begins.
    offset: u64,
}

#[derive(Debug)]
enum State {
    Collecting,
    Reading(Bytes),
    Done,
    Failed,
}

impl Collected {
    pub(crate) fn new(format: &Parquet, options: SplitOptions) -> Result<Self> {
        Ok(Self {
            most: format.collect_max,
            data: BytesMut::new(),
            // How much there is is known at the end.
            reader: ParquetReader::new(format, 0, options)?,
            state: State::Collecting,
            records: VecDeque::new(),
            skipped: Vec::new(),
            skips: 0,
            offset: 0,
        })
    }

    fn step(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                self.offset = record.offset;
                return Ok(Some(record));
            }
            let data = match &self.state {
                State::Collecting => return self.collecting().map(|()| None),
                State::Reading(data) => data,
                State::Done => return Ok(None),
                State::Failed => {
                    let flaw = Flaw::new(FlawKind::Damaged, NAME, "it was refused before");
                    return Err(flaw.at(self.offset, 0).into());
                }
            };
            let step = self.reader.next();
            for skipped in self.reader.skipped() {
                self.skips += 1;
                if self.skipped.len() < SKIPPED_MAX {
                    self.skipped.push(skipped);
                } else if let Some(last) = self.skipped.last_mut() {
                    last.bytes += skipped.bytes;
                    last.records += skipped.records;
                }
            }
            match step? {
                Step::Records(records) => self.records = records.into(),
                Step::Wanted(ranges) => {
                    for range in ranges {
                        let place = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                        let bytes = place.filter(|(start, end)| start <= end && *end <= data.len());
                        let Some((start, end)) = bytes else {
                            let message =
                                format!("its index tells of bytes {range:?}, and there are {}", data.len());
                            return Err(Flaw::new(FlawKind::Damaged, NAME, message).into());
                        };
                        self.reader.give(range, data.slice(start..end));
                    }
                }
                Step::End => {
                    self.offset = data.len() as u64;
                    self.state = State::Done;
                }
            }
        }
    }

    fn collecting(&self) -> Result<()> {
        if self.data.len() <= self.most {
            return Ok(());
        }
        let message = format!(
            "its index stands at its end, and of a stream no more than {} bytes are held for it; read it from where it is stored",
            self.most
        );
        Err(Flaw::new(FlawKind::TooLarge, NAME, message).into())
    }
}

impl RecordReader for Collected {
    fn push(&mut self, piece: Bytes) {
        // What is too much is told of by the next call.
        if self.data.len() <= self.most {
            self.data.extend_from_slice(&piece);
        }
    }

    fn end(&mut self) {
        if !matches!(self.state, State::Collecting) || self.data.len() > self.most {
            return;
        }
        let data = std::mem::take(&mut self.data).freeze();
        self.reader.set_size(data.len() as u64);
        self.state = State::Reading(data);
    }

    fn next(&mut self) -> Result<Option<Record>> {
        let next = self.step();
        if next.is_err() {
            self.state = State::Failed;
        }
        next
    }

    fn skipped(&mut self) -> Vec<Skipped> {
        std::mem::take(&mut self.skipped)
    }

    fn skips(&self) -> u64 {
        self.skips
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}

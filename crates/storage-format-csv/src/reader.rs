//! Rows into objects.

use bytes::{Buf, Bytes};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use storage_core::format::{About, Format, OnFlaw, Record, RecordReader, Skipped, SplitOptions};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::Csv;
use crate::row::put_text;
use crate::writer::twice;

/// Of what was left out so many are remembered until somebody asks; the last one stands for all that follow.
const SKIPPED_MAX: usize = 1000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Room for a row and for the ends of its fields, at first.
const ROOM: usize = 4 << 10;
const ENDS: usize = 64;

pub(crate) struct CsvReader {
    about: &'static About,
    core: Reader,
    options: SplitOptions,
    data: Bytes,
    at_end: bool,
    /// How often something was added behind the end.
    beyond: u8,
    state: State,
    /// The row so far: the text of its fields one after another, and where each ends.
    row: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
    /// It is longer than allowed: what is left of it is passed over.
    is_long: bool,
    /// Where it begins, and where we are.
    begin: u64,
    offset: u64,
    /// The names as JSON, each with its colon.
    columns: Option<Vec<Vec<u8>>>,
    number: u64,
    skipped: Vec<Skipped>,
    skips: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the very beginning, where a byte order mark may stand.
    Beginning,
    /// Before a row, where line ends belong to the one before.
    Before,
    Inside,
    Done,
    Failed,
}

impl CsvReader {
    pub(crate) fn new(csv: &Csv, options: SplitOptions) -> Result<Self> {
        if options.inside {
            return Err(Error::unsupported("rows of CSV are found from the beginning only"));
        }
        let mut builder = ReaderBuilder::new();
        builder.delimiter(csv.delimiter).quote(csv.quote).escape(csv.escape).comment(csv.comment);
        builder.double_quote(csv.escape.is_none());
        let mut core = builder.build();
        // A byte order mark at its own beginning would be lost to it; at the beginning of data it is passed over here.
        core.read_record(b"\n", &mut [0], &mut [0]);
        let columns = csv.header.as_ref().map(|names| columns(names)).transpose()?;
        Ok(Self {
            about: csv.about(),
            core,
            data: Bytes::new(),
            at_end: false,
            beyond: 0,
            state: if options.offset == 0 { State::Beginning } else { State::Before },
            row: vec![0; ROOM],
            filled: 0,
            ends: vec![0; ENDS],
            ended: 0,
            is_long: false,
            begin: options.offset,
            offset: options.offset,
            columns,
            number: 0,
            skipped: Vec::new(),
            skips: 0,
            options,
        })
    }

    /// Reads on in a row. Says what came of it, and whether that is all of the row.
    fn read(&mut self) -> ReadRecordResult {
        let (row, ends) = (&mut self.row[self.filled..], &mut self.ends[self.ended..]);
        let (result, taken, made, ended) = self.core.read_record(&self.data, row, ends);
        self.data.advance(taken);
        if self.beyond == 0 {
            self.offset += taken as u64;
        }
        self.filled += made;
        self.ended += ended;
        result
    }

    /// Room for more, or none of what there is.
    fn grow(&mut self) {
        // Where a field ends is held, too.
        if self.filled + 8 * self.ended > self.options.record_max {
            self.is_long = true;
        }
        if self.is_long {
            (self.filled, self.ended) = (0, 0);
            return;
        }
        if self.filled == self.row.len() {
            self.row.resize(2 * self.filled, 0);
        }
        if self.ended == self.ends.len() {
            self.ends.resize(2 * self.ended, 0);
        }
    }

    /// A row is there.
    fn row(&mut self) -> Result<Option<Record>> {
        let row = if self.is_long { Ok(Vec::new()) } else { self.count().and_then(|()| self.fields()) };
        let is_long = std::mem::take(&mut self.is_long) || self.filled > self.options.record_max;
        (self.filled, self.ended, self.state) = (0, 0, State::Before);
        let most = self.options.record_max;
        let too_long =
            || Flaw::new(FlawKind::TooLarge, self.about.name, format!("the row is longer than {most} bytes"));
        let made = match row {
            _ if is_long => Err(too_long()),
            Ok(fields) if self.columns.is_none() => {
                // Without names nothing that follows can be read.
                let named =
                    twice(&fields).map_or(Ok(()), |twice| Err(format!("two columns are called `{twice}`")));
                if let Err(message) = named {
                    return self.fail(Flaw::new(FlawKind::Damaged, self.about.name, message));
                }
                self.columns = Some(columns(&fields)?);
                return Ok(None);
            }
            Ok(fields) => self.object(&fields),
            Err(flaw) => Err(flaw),
        };
        match made {
            Ok(content) if content.len() > most => self.flawed(too_long()).map(|()| None),
            Ok(content) => {
                let record = Record::new(content.into(), self.begin, self.number);
                self.number += 1;
                Ok(Some(record))
            }
            // Nor can it if they are not text.
            Err(flaw) if self.columns.is_none() => self.fail(flaw),
            Err(flaw) => self.flawed(flaw).map(|()| None),
        }
    }

    fn fields(&self) -> Result<Vec<String>, Flaw> {
        let mut begin = 0;
        let field = |end: &usize| {
            let text = self.row.get(begin..*end).and_then(|bytes| std::str::from_utf8(bytes).ok());
            begin = *end;
            text.map(str::to_owned).ok_or_else(|| Flaw::new(FlawKind::Damaged, self.about.name, "no UTF-8"))
        };
        self.ends[..self.ended].iter().map(field).collect()
    }

    /// Whether the row has as many fields as there are columns, if that is known.
    fn count(&self) -> Result<(), Flaw> {
        match &self.columns {
            Some(columns) if columns.len() != self.ended => {
                let message =
                    format!("the row has {} fields, and there are {} columns", self.ended, columns.len());
                Err(Flaw::new(FlawKind::Damaged, self.about.name, message))
            }
            _ => Ok(()),
        }
    }

    fn object(&self, fields: &[String]) -> Result<Vec<u8>, Flaw> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let mut object = vec![b'{'];
        for (at, (name, field)) in columns.iter().zip(fields).enumerate() {
            if at > 0 {
                object.push(b',');
            }
            object.extend_from_slice(name);
            // Text can always be written into memory.
            put_text(field, &mut object)
                .map_err(|error| Flaw::new(FlawKind::Damaged, self.about.name, error.to_string()))?;
        }
        object.push(b'}');
        Ok(object)
    }

    /// Finds out what the data ends in, by what a line end does there, and then a line. Says whether there may be a row.
    fn end_row(&mut self) -> Result<bool> {
        self.beyond += 1;
        match self.beyond {
            // Ends a row.
            1 => self.data = Bytes::from_static(b"\n"),
            // Is a row behind a comment or a line end, and a part of a field whose quotes are open.
            2 => self.data = Bytes::from_static(b"x\n"),
            _ => {
                let what = "a quoted field has no end";
                self.flawed(Flaw::new(FlawKind::UnexpectedEnd, self.about.name, what))?;
                self.state = State::Done;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fail<T>(&mut self, flaw: Flaw) -> Result<T> {
        self.state = State::Failed;
        Err(flaw.at(self.begin, self.number).into())
    }

    fn flawed(&mut self, flaw: Flaw) -> Result<()> {
        match self.options.on_flaw {
            OnFlaw::Skip(most) if self.skips < most => {
                let (flaw, bytes) = (flaw.at(self.begin, self.number), self.offset - self.begin);
                self.skips += 1;
                self.number += 1;
                if self.skipped.len() < SKIPPED_MAX {
                    self.skipped.push(Skipped::new(flaw, bytes, 1));
                } else if let Some(last) = self.skipped.last_mut() {
                    last.bytes += bytes;
                    last.records += 1;
                }
                Ok(())
            }
            _ => self.fail(flaw),
        }
    }
}

/// The names as they stand in every object.
fn columns(names: &[String]) -> Result<Vec<Vec<u8>>> {
    let column = |name: &String| {
        let mut column = Vec::new();
        put_text(name, &mut column).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the name of a column").with_source(error)
        })?;
        column.push(b':');
        Ok(column)
    };
    names.iter().map(column).collect()
}

impl RecordReader for CsvReader {
    fn push(&mut self, piece: Bytes) {
        if self.data.is_empty() {
            self.data = piece;
        } else {
            // Only a caller that does not wait comes here.
            self.data = [&self.data[..], &piece].concat().into();
        }
    }

    fn end(&mut self) {
        self.at_end = true;
    }

    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            match self.state {
                State::Failed => {
                    let flaw = Flaw::new(FlawKind::Damaged, self.about.name, "it was refused before");
                    return Err(flaw.at(self.offset, self.number).into());
                }
                State::Done => return Ok(None),
                State::Beginning => {
                    let known = self.data.len().min(BYTE_ORDER_MARK.len());
                    if self.data[..known] == BYTE_ORDER_MARK[..known] {
                        if known < BYTE_ORDER_MARK.len() {
                            if self.at_end {
                                self.state = State::Before;
                                continue;
                            }
                            return Ok(None);
                        }
                        self.data.advance(known);
                        self.offset += known as u64;
                    }
                    self.state = State::Before;
                }
                State::Before => {
                    if self.data.is_empty() && !self.at_end {
                        return Ok(None);
                    }
                    if self.beyond > 0 {
                        self.state = State::Done;
                        continue;
                    }
                    let ends = self.data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    self.data.advance(ends);
                    self.offset += ends as u64;
                    if self.data.is_empty() && ends > 0 {
                        continue;
                    }
                    self.begin = self.offset;
                    self.state = State::Inside;
                }
                State::Inside if self.data.is_empty() && !self.at_end => return Ok(None),
                State::Inside => {
                    if self.data.is_empty() && !self.end_row()? {
                        continue;
                    }
                    match self.read() {
                        ReadRecordResult::InputEmpty => {
                            if self.filled > self.options.record_max {
                                self.grow();
                            }
                        }
                        ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => self.grow(),
                        ReadRecordResult::End => self.state = State::Done,
                        ReadRecordResult::Record if self.beyond == 2 => self.state = State::Done,
                        ReadRecordResult::Record => {
                            if let Some(record) = self.row()? {
                                return Ok(Some(record));
                            }
                        }
                    }
                }
            }
        }
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

impl std::fmt::Debug for CsvReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvReader")
            .field("offset", &self.offset)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

//! Objects into rows.

use bytes::BytesMut;
use storage_core::format::{About, Format, RecordWriter};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::Csv;
use crate::row::{Row, text};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug)]
pub(crate) struct CsvWriter {
    csv: Csv,
    about: &'static About,
    columns: Option<Vec<String>>,
    is_begun: bool,
}

impl CsvWriter {
    pub(crate) fn new(csv: &Csv) -> Self {
        Self { csv: csv.clone(), about: csv.about(), columns: csv.header.clone(), is_begun: false }
    }

    fn refuse<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Flaw::new(FlawKind::Unsupported, self.about.name, message).into())
    }

    fn put(&self, fields: &[String], output: &mut BytesMut) -> Result<()> {
        let failed = |why: String| Error::new(ErrorKind::Other, why);
        let row = match self.csv.escape {
            Some(escape) => self.escaped(fields, escape),
            None => {
                let mut builder = csv::WriterBuilder::new();
                builder.delimiter(self.csv.delimiter).quote(self.csv.quote).has_headers(false);
                let mut writer = builder.from_writer(Vec::new());
                writer.write_record(fields).map_err(|error| failed(error.to_string()))?;
                writer.into_inner().map_err(|error| failed(error.to_string()))?
            }
        };
        // A field that begins so would make the row a comment.
        if self.csv.comment.is_some_and(|comment| row.first() == Some(&comment)) {
            return self.refuse("a row that would read as a comment");
        }
        output.extend_from_slice(&row);
        Ok(())
    }
}

impl CsvWriter {
    /// A row whose quotes are escaped, and so is what escapes: the library would leave that as it is.
    fn escaped(&self, fields: &[String], escape: u8) -> Vec<u8> {
        let quote = self.csv.quote;
        let mut row = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                row.push(self.csv.delimiter);
            }
            row.push(quote);
            for byte in field.bytes() {
                if byte == quote || byte == escape {
                    row.push(escape);
                }
                row.push(byte);
            }
            row.push(quote);
        }
        row.push(b'\n');
        row
    }
}

impl RecordWriter for CsvWriter {
    fn write(&mut self, record: &[u8], output: &mut BytesMut) -> Result<()> {
        let Row(fields) = match serde_json::from_slice(record) {
            Ok(row) => row,
            Err(error) => return self.refuse(format!("the record is no row: {error}")),
        };
        let is_first = self.columns.is_none();
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None if fields.is_empty() => {
                return self.refuse("the first record has no fields to name columns by");
            }
            None => fields.iter().map(|(name, _)| name.clone()).collect(),
        };
        if let Some(twice) = twice(&columns) {
            return self.refuse(format!("two columns are called `{twice}`"));
        }
        let mut row = vec![String::new(); columns.len()];
        let mut filled = vec![false; columns.len()];
        for (name, value) in &fields {
            let Some(at) = columns.iter().position(|column| column == name) else {
                return self
                    .refuse(format!("the record has a field `{name}`, and the first record has none"));
            };
            if std::mem::replace(&mut filled[at], true) {
                return self.refuse(format!("the record has two fields `{name}`"));
            }
            row[at] = match text(value) {
                Ok(text) => text,
                Err(error) => return self.refuse(format!("the field `{name}`: {error}")),
            };
        }
        let before = output.len();
        let is_beginning = !self.is_begun;
        let written = match is_first {
            true => self.put(&columns, output).and_then(|()| self.put(&row, output)),
            false => self.put(&row, output),
        };
        let written = match written {
            Ok(()) if is_beginning && output[before..].starts_with(BYTE_ORDER_MARK) => {
                self.refuse("data that begins with a byte order mark would lose it")
            }
            written => written,
        };
        match written {
            Ok(()) => (self.columns, self.is_begun) = (Some(columns), true),
            Err(_) => output.truncate(before),
        }
        written
    }

    fn finish(&mut self, _: &mut BytesMut) -> Result<()> {
        Ok(())
    }
}

/// A name that stands there twice.
pub(crate) fn twice(names: &[String]) -> Option<&str> {
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

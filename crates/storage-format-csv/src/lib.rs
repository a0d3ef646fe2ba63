#![doc = include_str!("../README.md")]

mod reader;
mod row;
mod writer;

use storage_core::Result;
use storage_core::format::{About, Format, RecordReader, RecordWriter, SplitOptions};

const ABOUT: About = about("csv", &["csv"]);
const ABOUT_TABS: About = about("tsv", &["tsv"]);

const fn about(name: &'static str, extensions: &'static [&'static str]) -> About {
    About { name, extensions, has_checksum: false, tells_length: false, recovers: false, shares: None }
}

/// Rows of text, and how they are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    header: Option<Vec<String>>,
}

impl Default for Csv {
    fn default() -> Self {
        Self::new()
    }
}

impl Csv {
    /// Commas, quotes that are doubled inside of quotes, and a first row of names (RFC 4180).
    pub fn new() -> Self {
        Self { delimiter: b',', quote: b'"', escape: None, comment: None, header: None }
    }

    /// Tabs in place of commas.
    pub fn tabs() -> Self {
        Self::new().delimiter(b'\t')
    }

    /// Sets what stands between fields.
    pub fn delimiter(mut self, byte: u8) -> Self {
        self.delimiter = byte;
        self
    }

    /// Sets what stands around fields that hold anything.
    pub fn quote(mut self, byte: u8) -> Self {
        self.quote = byte;
        self
    }

    /// Sets what stands before a quote inside of quotes, in place of another quote.
    pub fn escape(mut self, byte: u8) -> Self {
        self.escape = Some(byte);
        self
    }

    /// Sets what begins a line that is no row. It is left out when reading, and never written.
    pub fn comment(mut self, byte: u8) -> Self {
        self.comment = Some(byte);
        self
    }

    /// Names the columns of data without a row of names, which then is neither read nor written.
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

impl Format for Csv {
    fn about(&self) -> &'static About {
        if self.delimiter == b'\t' { &ABOUT_TABS } else { &ABOUT }
    }

    fn reader(&self, options: SplitOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(reader::CsvReader::new(self, options)?))
    }

    fn writer(&self) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(writer::CsvWriter::new(self)))
    }
}

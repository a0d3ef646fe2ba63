#![doc = include_str!("../README.md")]

mod collect;
mod group;
mod index;
mod reader;
mod rows;
mod shape;
mod writer;

use std::sync::Arc;

use storage_core::Result;
use storage_core::format::{
    About, Format, RangeFormat, RangeReader, RecordReader, RecordWriter, SplitOptions,
};

const NAME: &str = "parquet";
const ABOUT: About = About {
    name: NAME,
    extensions: &["parquet"],
    // Some writers add checksums of pages, and then they are held against them; others do not.
    has_checksum: false,
    tells_length: true,
    recovers: true,
    shares: None,
};

/// Rows in columns, and how they are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parquet {
    columns: Option<Arc<[String]>>,
    compression: Compression,
    row_group_bytes: usize,
    collect_max: usize,
}

/// How pages are compressed when writing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Small and fast; read by all of today's readers.
    #[default]
    Zstd,
    /// Less small; read by those of long ago, too.
    Snappy,
}

impl Default for Parquet {
    fn default() -> Self {
        Self::new()
    }
}

impl Parquet {
    /// All columns, pages compressed with Zstandard, row groups of about 64 MiB.
    pub fn new() -> Self {
        Self {
            columns: None,
            compression: Compression::default(),
            row_group_bytes: 64 << 20,
            collect_max: 256 << 20,
        }
    }

    /// Reads these columns only; `a.b` is the field `b` of the column `a`. Of the others no byte is read.
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how pages are compressed when writing.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets about how many bytes a row group has that is written. So much is held of columns, and before there are any so many
    /// bytes of the rows that tell their types.
    pub fn row_group_bytes(mut self, bytes: usize) -> Self {
        self.row_group_bytes = bytes.max(1);
        self
    }

    /// Sets the most bytes that are held of data that comes as a stream, whose index is known only at its end.
    pub fn collect_max(mut self, bytes: usize) -> Self {
        self.collect_max = bytes;
        self
    }
}

impl Format for Parquet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reader(&self, options: SplitOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(collect::Collected::new(self, options)?))
    }

    fn writer(&self) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(writer::ParquetWriter::new(self)))
    }

    fn by_ranges(&self) -> Option<&dyn RangeFormat> {
        Some(self)
    }
}

impl RangeFormat for Parquet {
    fn range_reader(&self, size: u64, options: SplitOptions) -> Result<Box<dyn RangeReader>> {
        Ok(Box::new(reader::ParquetReader::new(self, size, options)?))
    }
}

//! Rows into files.

use std::fmt;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_json::reader::Decoder;
use arrow_schema::{ArrowError, Field, Schema};
use bytes::BytesMut;
use parquet::arrow::ArrowWriter;
use parquet::basic;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use storage_core::format::RecordWriter;
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::shape::{FIELDS_MAX, Object, Shape};
use crate::{Compression, NAME, Parquet};

/// Rows that go into columns at a time, once the columns are known.
const CHUNK: usize = 1 << 20;
const BATCH_ROWS: usize = 1024;
/// The most rows of a row group, as those of other writers have.
const ROW_GROUP_ROWS: usize = 1 << 20;

pub(crate) struct ParquetWriter {
    compression: Compression,
    row_group_bytes: usize,
    /// What all rows are so far, or, once there is a file, what rows can be.
    columns: Object,
    /// How many fields those are, fields inside of others among them.
    fields: usize,
    /// Rows that are in no column yet, a line each.
    waiting: Vec<u8>,
    file: Option<File>,
    rows: u64,
    /// Rows were taken that could not be written.
    is_broken: bool,
}

/// What is written, once the types of the columns are known.
struct File {
    decoder: Decoder,
    writer: ArrowWriter<Vec<u8>>,
}

impl fmt::Debug for ParquetWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl ParquetWriter {
    pub(crate) fn new(format: &Parquet) -> Self {
        Self {
            compression: format.compression,
            row_group_bytes: format.row_group_bytes,
            columns: Object::default(),
            fields: 0,
            waiting: Vec::new(),
            file: None,
            rows: 0,
            is_broken: false,
        }
    }

    /// Takes a row in, if the columns do.
    fn admit(&mut self, record: &[u8]) -> Result<(), String> {
        let row = Shape::of(record)?;
        let is_open = self.file.is_none();
        self.columns.admits(&row, is_open)?;
        if is_open {
            let fields = self.fields + self.columns.lacks(&row);
            if fields > FIELDS_MAX {
                return Err(format!("with it there are more than {FIELDS_MAX} columns"));
            }
            self.fields = fields;
            self.columns.merge(row);
        }
        Ok(())
    }

    /// Brings the rows that wait into columns, and what is finished into `output`.
    fn put(&mut self, output: &mut BytesMut) -> Result<()> {
        // Until it is done: half of them may be in, and must not go in again.
        self.is_broken = true;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // Without a row nothing is known of columns, and that is no fault.
                let columns = if self.rows == 0 { Ok(Vec::new()) } else { self.columns.columns() };
                let columns = columns.map_err(|message| Error::new(ErrorKind::InvalidInput, message))?;
                none.insert(File::new(columns, self.compression, self.row_group_bytes)?)
            }
        };
        file.take(&self.waiting).map_err(|e| failed(&e))?;
        self.waiting.clear();
        file.give(output)?;
        self.is_broken = false;
        Ok(())
    }
}

impl File {
    fn new(columns: Vec<Field>, compression: Compression, row_group_bytes: usize) -> Result<Self> {
        let schema = Arc::new(Schema::new(columns));
        let compression = match compression {
            Compression::None => basic::Compression::UNCOMPRESSED,
            Compression::Zstd => basic::Compression::ZSTD(basic::ZstdLevel::default()),
            Compression::Snappy => basic::Compression::SNAPPY,
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_bytes(Some(row_group_bytes))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("storage-format-parquet ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let decoder = ReaderBuilder::new(schema.clone()).with_batch_size(BATCH_ROWS).with_strict_mode(true);
        let decoder = decoder.build_decoder().map_err(|e| failed(&e))?;
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(|e| failed(&e))?;
        Ok(Self { decoder, writer })
    }

    fn take(&mut self, mut rows: &[u8]) -> Result<(), ParquetError> {
        while !rows.is_empty() {
            let taken = self.decoder.decode(rows)?;
            rows = &rows[taken..];
            match self.decoder.flush()? {
                Some(batch) => self.writer.write(&batch)?,
                None if taken == 0 => return Err(ArrowError::JsonError("rows that do not end".into()).into()),
                None => {}
            }
        }
        Ok(())
    }

    /// What is finished.
    fn give(&mut self, output: &mut BytesMut) -> Result<()> {
        self.writer.sync().map_err(|e| failed(&e))?;
        output.extend_from_slice(&std::mem::take(self.writer.inner_mut()));
        Ok(())
    }
}

/// A library that refuses what was checked before.
fn failed(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(ErrorKind::Other, "the rows cannot be written as Parquet").with_source(error.to_string())
}

impl RecordWriter for ParquetWriter {
    fn write(&mut self, record: &[u8], output: &mut BytesMut) -> Result<()> {
        if self.is_broken {
            return Err(Error::new(ErrorKind::InvalidInput, "the rows could not be written before"));
        }
        self.admit(record).map_err(|message| Flaw::new(FlawKind::Damaged, NAME, message).at(0, self.rows))?;
        self.waiting.extend_from_slice(record);
        self.waiting.push(b'\n');
        self.rows += 1;
        let most = if self.file.is_some() { CHUNK } else { self.row_group_bytes };
        if self.waiting.len() >= most { self.put(output) } else { Ok(()) }
    }

    fn finish(&mut self, output: &mut BytesMut) -> Result<()> {
        if self.is_broken {
            return Err(Error::new(ErrorKind::InvalidInput, "the rows could not be written before"));
        }
        self.put(output)?;
        let Some(file) = &mut self.file else { return Ok(()) };
        file.writer.finish().map_err(|e| failed(&e))?;
        output.extend_from_slice(&std::mem::take(file.writer.inner_mut()));
        Ok(())
    }
}

//! A file of records on its way in.

use futures_util::TryStreamExt;
use storage_core::format::{OnFlaw, Record, RecordReader, Skipped, SplitOptions};
use storage_core::{ByteStream, Flaw, Result, codec};

use super::super::ends::End;
use crate::args::RecordsSource;
use crate::codecs::{codecs, named};
use crate::exit::Failure;
use crate::formats;
use crate::progress::Meter;

/// The format whose records are JSON.
const LINES: &str = "ndjson";
/// The formats that are text.
const TEXTS: [&str; 3] = [LINES, "csv", "tsv"];

pub(super) struct Input {
    pub(super) name: String,
    pub(super) format: &'static str,
    bytes: ByteStream,
    reader: Box<dyn RecordReader>,
    is_ended: bool,
}

impl Input {
    pub(super) async fn open(
        source: &RecordsSource,
        on_flaw: OnFlaw,
        meter: Option<&Meter>,
    ) -> std::result::Result<Self, Failure> {
        let end = End::parse(&source.place)?;
        let name = end.name();
        let format = formats::chosen(source.format.as_deref(), &name, "--format")?;
        let about = format.about();
        let bytes = end.read(meter).await?;
        let codecs = codecs();
        let (codec, bytes) = match source.codec.as_deref() {
            Some("none") => (None, bytes),
            Some(codec) => (Some(named(codec)?), bytes),
            // What begins a record behind its length may look like anything.
            None if !TEXTS.contains(&about.name) => {
                (codecs.of_name(&name).map(|(_, codec)| codec.clone()), bytes)
            }
            None => codec::detect(bytes, &codecs, &name).await.map_err(|error| error.renamed(&name))?,
        };
        let bytes = match codec {
            Some(codec) => codec::decode(bytes, codec, codec::DecodeOptions::new())?,
            None => bytes,
        };
        let mut options = SplitOptions::new().on_flaw(on_flaw);
        if let Some(most) = source.record_max {
            options = options.record_max(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let reader = format.reader(options)?;
        Ok(Self { name, format: about.name, bytes, reader, is_ended: false })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.reader.next().map_err(|error| error.renamed(&self.name))? {
                return Ok(Some(record));
            }
            if self.is_ended {
                return Ok(None);
            }
            match self.bytes.try_next().await.map_err(|error| error.renamed(&self.name))? {
                Some(piece) => self.reader.push(piece),
                None => {
                    self.reader.end();
                    self.is_ended = true;
                }
            }
        }
    }

    /// What was left out since this was asked last, and how much in all.
    pub(super) fn skipped(&mut self) -> (Vec<Skipped>, u64) {
        (self.reader.skipped(), self.reader.skips())
    }

    /// What is wrong with the content of a record, which the format does not look at.
    pub(super) fn check(&self, record: &Record) -> Option<Flaw> {
        let wrong = (self.format == LINES).then(|| storage_format_ndjson::check(record).err());
        wrong.flatten().and_then(|error| Flaw::of(&error).cloned())
    }
}

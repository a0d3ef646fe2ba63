//! A file of records on its way in.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use storage_core::codec::{Codec, DecodeOptions};
use storage_core::format::{OnFlaw, Record, RecordReader, Skipped, SplitOptions};
use storage_core::pipeline::{Pipeline, Records};
use storage_core::{ByteStream, Flaw, ReadOptions, Result, codec};

use super::super::ends::{End, Opened};
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
    from: From,
}

enum From {
    /// Bytes from the first to the last.
    Bytes { bytes: ByteStream, reader: Box<dyn RecordReader>, is_ended: bool },
    /// An object whose index tells where its records are.
    Index { records: Records, lost: Arc<Mutex<Vec<Skipped>>>, skips: u64 },
}

impl Input {
    pub(super) async fn open(
        source: &RecordsSource,
        on_flaw: OnFlaw,
        meter: Option<&Meter>,
    ) -> std::result::Result<Self, Failure> {
        let end = End::parse(&source.place)?;
        let name = end.name();
        let mut format = formats::chosen(source.format.as_deref(), &name, "--format")?;
        if !source.columns.is_empty() {
            format = formats::of_columns(&format, &source.columns)?;
        }
        let about = format.about();
        let mut options = SplitOptions::new().on_flaw(on_flaw);
        if let Some(most) = source.record_max {
            options = options.record_max(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let opened = end.open(meter).await?;
        let codecs = codecs();
        let known: Option<Option<Arc<dyn Codec>>> = match source.codec.as_deref() {
            Some("none") => Some(None),
            Some(codec) => Some(Some(named(codec)?)),
            // What begins a record behind its length may look like anything.
            None if !TEXTS.contains(&about.name) => {
                Some(codecs.of_name(&name).map(|(_, codec)| codec.clone()))
            }
            None => None,
        };
        let from = match (known, opened) {
            (Some(None), Opened::Object(store, key)) if format.by_ranges().is_some() => {
                let lost = Arc::new(Mutex::new(Vec::new()));
                let told = lost.clone();
                let pipeline = Pipeline::of(format, None).split_options(options).on_lost(move |skipped| {
                    told.lock().unwrap_or_else(PoisonError::into_inner).push(skipped);
                });
                let records = pipeline.read(&store, &key, ReadOptions::new()).await;
                let records = records.map_err(|error| error.renamed(&name))?;
                From::Index { records, lost, skips: 0 }
            }
            (known, opened) => {
                let bytes = opened.stream(&name).await?;
                let (codec, bytes) = match known {
                    Some(codec) => (codec, bytes),
                    None => {
                        let found = codec::detect(bytes, &codecs, &name).await;
                        found.map_err(|error| error.renamed(&name))?
                    }
                };
                let bytes = match codec {
                    Some(codec) => codec::decode(bytes, codec, DecodeOptions::new())?,
                    None => bytes,
                };
                From::Bytes { bytes, reader: format.reader(options)?, is_ended: false }
            }
        };
        Ok(Self { name, format: about.name, from })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Record>> {
        self.from.next().await.map_err(|error| error.renamed(&self.name))
    }

    /// What was left out since this was asked last, and how much in all.
    pub(super) fn skipped(&mut self) -> (Vec<Skipped>, u64) {
        match &mut self.from {
            From::Bytes { reader, .. } => (reader.skipped(), reader.skips()),
            From::Index { lost, skips, .. } => {
                let lost = std::mem::take(&mut *lost.lock().unwrap_or_else(PoisonError::into_inner));
                *skips += lost.len() as u64;
                (lost, *skips)
            }
        }
    }

    /// What is wrong with the content of a record, which the format does not look at.
    pub(super) fn check(&self, record: &Record) -> Option<Flaw> {
        let wrong = (self.format == LINES).then(|| storage_format_ndjson::check(record).err());
        wrong.flatten().and_then(|error| Flaw::of(&error).cloned())
    }
}

impl From {
    async fn next(&mut self) -> Result<Option<Record>> {
        let (bytes, reader, is_ended) = match self {
            Self::Bytes { bytes, reader, is_ended } => (bytes, reader, is_ended),
            Self::Index { records, .. } => return records.try_next().await,
        };
        loop {
            if let Some(record) = reader.next()? {
                return Ok(Some(record));
            }
            if *is_ended {
                return Ok(None);
            }
            match bytes.try_next().await? {
                Some(piece) => reader.push(piece),
                None => {
                    reader.end();
                    *is_ended = true;
                }
            }
        }
    }
}

//! `haul convert` and `haul records recover`

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use futures_util::stream::{StreamExt, try_unfold};
use serde_json::json;
use storage_core::format::{Format, OnFlaw, Record, RecordWriter};
use storage_core::{ByteStream, Error, ErrorKind, Flaw, Result, codec};

use super::super::ends::End;
use super::input::Input;
use super::look::tell;
use crate::args::{Convert, RecordsSource};
use crate::codecs::codecs;
use crate::exit::Failure;
use crate::formats;
use crate::output::Output;
use crate::progress::Meter;

/// How many bytes of records come out at a time.
const CHUNK: usize = 128 << 10;
/// So many losses are told one by one.
const TOLD_MAX: usize = 1000;

/// `haul convert`
pub(crate) async fn convert(args: Convert, output: &mut Output) -> std::result::Result<(), Failure> {
    let destination = End::parse(&args.destination)?.file()?;
    let meter = Meter::new(output, "converting");
    let input = Input::open(&args.source, OnFlaw::Fail, Some(&meter)).await?;
    let to = formats::chosen(args.to.as_deref(), &destination.name(), "--to")?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let written = write(input, &destination, to, false, &tally, output).await;
    meter.finish();
    let (written, records) = (written?, lock(&tally).records);
    let name = destination.name();
    if output.json && !destination.is_standard() {
        output.object(&json!({"name": name, "records": records, "written": written}))?;
    } else {
        output.note(&format!("{records} records in {name}"));
    }
    Ok(())
}

/// Writes what is whole, and tells of what is not.
pub(super) async fn recover(
    source: &RecordsSource,
    destination: &OsString,
    output: &mut Output,
) -> std::result::Result<(), Failure> {
    let (from, destination) = (End::parse(&source.place)?, End::parse(destination)?.file()?);
    if from.is_same(&destination) {
        let message = "source and destination are the same; what is lost would be lost for good";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(from.name()).into());
    }
    let meter = Meter::new(output, "recovering");
    let input = Input::open(source, OnFlaw::Skip(u64::MAX), Some(&meter)).await?;
    let name = input.name.clone();
    let to = match formats::of_name(&destination.name()) {
        Some(to) => to,
        None => formats::named(input.format)?,
    };
    let tally = Arc::new(Mutex::new(Tally::default()));
    let written = write(input, &destination, to, true, &tally, output).await;
    meter.finish();
    let tally = std::mem::take(&mut *lock(&tally));
    let Tally { records, lost, lost_bytes, told } = tally;
    let as_json = output.json && !destination.is_standard();
    for (flaw, lost) in &told {
        if let Err(failure) = tell(&name, flaw, *lost, as_json, output) {
            return output.conclude().and(Err(failure));
        }
    }
    written?;
    let destination = destination.name();
    if as_json {
        let shown = json!({
            "event": "summary", "name": destination, "records": records, "lost": lost, "lost_bytes": lost_bytes,
        });
        output.object(&shown)?;
    } else {
        output.note(&format!("{records} records in {destination}; lost: {lost}, {lost_bytes} bytes in all"));
    }
    output.conclude()
}

/// Writes records into a file of this format, and of the codec that its name tells. Gives its size.
async fn write(
    input: Input,
    destination: &End,
    to: Arc<dyn Format>,
    is_recovery: bool,
    tally: &Arc<Mutex<Tally>>,
    output: &mut Output,
) -> std::result::Result<u64, Failure> {
    let (source, name) = (input.name.clone(), destination.name());
    let rewriting = Rewriting { input, to: to.writer()?, is_recovery, tally: tally.clone(), ended: None };
    let bytes = try_unfold(rewriting, Rewriting::next).boxed();
    let bytes: ByteStream = match codecs().of_name(&name) {
        Some((_, codec)) => codec::encode(bytes, codec.clone(), &codec::EncodeOptions::new())?,
        None => bytes,
    };
    destination.write(bytes, false, output).await.map_err(|broken| broken.of(&source))
}

/// What came of the records.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
    lost: u64,
    lost_bytes: u64,
    /// The first of what was lost, and how many bytes and records went with each.
    told: Vec<(Flaw, (u64, u64))>,
}

impl Tally {
    fn lose(&mut self, flaw: Flaw, bytes: u64, records: u64) {
        self.lost += records;
        self.lost_bytes += bytes;
        if self.told.len() < TOLD_MAX {
            self.told.push((flaw, (bytes, records)));
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Rewriting {
    input: Input,
    to: Box<dyn RecordWriter>,
    is_recovery: bool,
    tally: Arc<Mutex<Tally>>,
    /// How the records ended.
    ended: Option<Result<()>>,
}

impl Rewriting {
    /// What is whole goes out before an error is told.
    async fn next(mut self) -> Result<Option<(bytes::Bytes, Self)>> {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while self.ended.is_none() && chunk.len() < CHUNK {
            let next = self.input.next().await;
            if self.is_recovery {
                self.count_skipped();
            }
            let done = match next {
                Ok(Some(record)) => self.take(&record, &mut chunk),
                Ok(None) => {
                    self.ended = Some(Ok(()));
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.ended = Some(self.forgiven(error));
            }
            if let Some(Ok(())) = self.ended {
                self.ended = Some(self.to.finish(&mut chunk));
            }
        }
        if !chunk.is_empty() {
            return Ok(Some((chunk.freeze(), self)));
        }
        self.ended.take().unwrap_or(Ok(()))?;
        let tally = lock(&self.tally);
        if self.is_recovery && tally.records == 0 && !tally.told.is_empty() {
            return Err(Error::new(ErrorKind::InvalidData, "no record is whole; nothing is written"));
        }
        Ok(None)
    }

    fn take(&mut self, record: &Record, chunk: &mut BytesMut) -> Result<()> {
        let flaw = self.is_recovery.then(|| self.input.check(record)).flatten();
        let flaw = match flaw {
            Some(flaw) => Some(flaw),
            None => match self.to.write(&record.content, chunk) {
                Ok(()) => None,
                // What cannot be written is told by its place in the source.
                Err(error) => Some(Flaw::of(&error).cloned().ok_or(error)?.at(record.offset, record.number)),
            },
        };
        let mut tally = lock(&self.tally);
        match flaw {
            None => tally.records += 1,
            Some(flaw) if self.is_recovery => tally.lose(flaw, record.content.len() as u64, 1),
            Some(flaw) => return Err(flaw.into()),
        }
        Ok(())
    }

    fn count_skipped(&mut self) {
        let (skipped, _) = self.input.skipped();
        let mut tally = lock(&self.tally);
        skipped.into_iter().for_each(|skipped| tally.lose(skipped.flaw, skipped.bytes, skipped.records));
    }

    /// What is compressed and damaged is lost from there on.
    fn forgiven(&self, error: Error) -> Result<()> {
        match Flaw::of(&error).cloned().filter(|_| self.is_recovery) {
            Some(flaw) => {
                lock(&self.tally).lose(flaw, 0, 1);
                Ok(())
            }
            None => Err(error),
        }
    }
}

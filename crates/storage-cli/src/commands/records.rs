//! `haul records`: looks into files of records, and mends them.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use futures_util::stream::{StreamExt, try_unfold};
use serde_json::json;
use storage_core::format::{Framing, OnFlaw, Record, Skipped, SplitOptions, Splitter};
use storage_core::{ByteStream, Error, codec};
use tokio::sync::mpsc;

use super::ends::End;
use crate::args::{Convert, Records, RecordsSource};
use crate::codecs::codecs;
use crate::exit::Failure;
use crate::formats;
use crate::output::Output;
use crate::progress::Meter;

/// How many bytes of records come out at a time.
const CHUNK: usize = 128 << 10;

pub(crate) async fn records(command: Records, output: &mut Output) -> Result<(), Failure> {
    match command {
        Records::Count { source } => count(&source, output).await,
        Records::Head { source, number } => head(&source, number, output).await,
        Records::Sample { source, number, seed } => sample(&source, number, seed, output).await,
        Records::Validate { source } => validate(&source, output).await,
        Records::Recover { source, destination } => recover(&source, &destination, output).await,
    }
}

/// `haul convert`
pub(crate) async fn convert(args: Convert, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "converting");
    let input = Input::open(&args.source, OnFlaw::Fail, &meter).await?;
    let destination = End::parse(&args.destination)?;
    let done = write(input, &destination, args.to.as_deref(), output).await;
    meter.finish();
    let (records, written) = done?;
    let name = destination.name();
    if output.json && !destination.is_standard() {
        output.object(&json!({"name": name, "records": records, "written": written}))?;
    } else {
        output.note(&format!("{records} records in {name}"));
    }
    Ok(())
}

/// Writes all records into a file of the format and the codec that its name tells. Says how many, and how many bytes.
async fn write(
    input: Input,
    destination: &End,
    format: Option<&str>,
    output: &mut Output,
) -> Result<(u64, u64), Failure> {
    let name = destination.name();
    let to = formats::chosen(format, &name, "--to")?;
    let source = input.name.clone();
    let counter = Arc::new(AtomicU64::new(0));
    let bytes = joined(input, to, counter.clone());
    let codecs = codecs();
    let bytes = match codecs.of_name(&name) {
        Some((_, codec)) => codec::encode(bytes, codec.clone(), &codec::EncodeOptions::new())?,
        None => bytes,
    };
    let written = destination.write(bytes, false, output).await.map_err(|broken| broken.of(&source))?;
    Ok((counter.load(Ordering::Relaxed), written))
}

/// The records in another format.
fn joined(input: Input, to: Arc<dyn Framing>, counter: Arc<AtomicU64>) -> ByteStream {
    let next = move |(mut input, to, counter): (Input, Arc<dyn Framing>, Arc<AtomicU64>)| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while chunk.len() < CHUNK
            && let Some(record) = input.next().await?
        {
            // What cannot be written is told by its place in the source.
            to.write(&record.content, &mut chunk).map_err(|flaw| flaw.at(record.offset, record.number))?;
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, Error>((!chunk.is_empty()).then(|| (chunk.freeze(), (input, to, counter))))
    };
    try_unfold((input, to, counter), next).boxed()
}

/// A file of records on its way.
struct Input {
    name: String,
    format: &'static str,
    bytes: ByteStream,
    splitter: Splitter<Arc<dyn Framing>>,
    is_ended: bool,
    /// Who wants to know what was left out.
    lost: Option<mpsc::UnboundedSender<Skipped>>,
}

impl Input {
    async fn open(source: &RecordsSource, on_flaw: OnFlaw, meter: &Meter) -> Result<Self, Failure> {
        let end = End::parse(&source.place)?;
        let name = end.name();
        let format = formats::chosen(source.format.as_deref(), &name, "--format")?;
        let bytes = end.read(meter).await?;
        let detected = codec::detect(bytes, &codecs(), &name).await;
        let (codec, bytes) = detected.map_err(|error| error.renamed(&name))?;
        let bytes = match codec {
            Some(codec) => codec::decode(bytes, codec, codec::DecodeOptions::new())?,
            None => bytes,
        };
        let mut options = SplitOptions::new().on_flaw(on_flaw);
        if let Some(most) = source.record_max {
            options = options.record_max(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let about = format.about();
        Ok(Self {
            name,
            format: about.name,
            bytes,
            splitter: Splitter::new(format, options),
            is_ended: false,
            lost: None,
        })
    }

    async fn next(&mut self) -> storage_core::Result<Option<Record>> {
        loop {
            let next = self.splitter.next();
            if let Some(lost) = &self.lost {
                // What is left out of one record may go on.
                for skipped in self.splitter.skipped() {
                    let _ = lost.send(skipped);
                }
            }
            if let Some(record) = next.map_err(|error| error.renamed(&self.name))? {
                return Ok(Some(record));
            }
            if self.is_ended {
                return Ok(None);
            }
            match self.bytes.try_next().await.map_err(|error| error.renamed(&self.name))? {
                Some(piece) => self.splitter.push(piece),
                None => {
                    self.splitter.end();
                    self.is_ended = true;
                }
            }
        }
    }
}

async fn count(source: &RecordsSource, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "counting");
    let mut input = Input::open(source, OnFlaw::Fail, &meter).await?;
    let (mut records, mut bytes) = (0u64, 0u64);
    while let Some(record) = input.next().await? {
        records += 1;
        bytes += record.content.len() as u64;
    }
    meter.finish();
    if output.json {
        output.object(&json!({"name": input.name, "records": records, "bytes": bytes}))?;
    } else {
        output.line(&records.to_string())?;
    }
    Ok(())
}

async fn head(source: &RecordsSource, number: u64, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "reading");
    let mut input = Input::open(source, OnFlaw::Fail, &meter).await?;
    for _ in 0..number {
        let Some(record) = input.next().await? else { break };
        print(&record, output)?;
    }
    meter.finish();
    Ok(())
}

/// Every record is as likely as any other, in their order (algorithm R of J. S. Vitter, 1985).
async fn sample(
    source: &RecordsSource,
    number: usize,
    seed: Option<u64>,
    output: &mut Output,
) -> Result<(), Failure> {
    let meter = Meter::new(output, "sampling");
    let mut input = Input::open(source, OnFlaw::Fail, &meter).await?;
    let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let mut chosen: Vec<Record> = Vec::new();
    while let Some(record) = input.next().await? {
        if chosen.len() < number {
            chosen.push(kept(record));
        } else {
            let at = random.u64(0..=record.number);
            if let Some(place) = usize::try_from(at).ok().and_then(|at| chosen.get_mut(at)) {
                *place = kept(record);
            }
        }
    }
    meter.finish();
    chosen.sort_by_key(|record| record.number);
    chosen.iter().try_for_each(|record| print(record, output))
}

/// A view of the input would keep all of it.
fn kept(mut record: Record) -> Record {
    record.content = Bytes::copy_from_slice(&record.content);
    record
}

/// A record on a line: as it stands if it is text of one line, else as a string of JSON.
fn print(record: &Record, output: &mut Output) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(&record.content);
    if output.json {
        let shown = json!({"number": record.number, "offset": record.offset, "content": text});
        output.object(&shown)?;
    } else if text.len() == record.content.len() && !text.chars().any(|c| c.is_control() && c != '\t') {
        output.line(&text)?;
    } else {
        output.line(&serde_json::Value::from(text).to_string())?;
    }
    Ok(())
}

async fn validate(source: &RecordsSource, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "validating");
    let mut input = Input::open(source, OnFlaw::Skip(u64::MAX), &meter).await?;
    let is_json = input.format == "ndjson";
    let (mut records, mut flaws) = (0u64, 0u64);
    loop {
        let next = input.next().await;
        for skipped in input.splitter.skipped() {
            flaws += 1;
            tell(&input.name, &skipped, output)?;
        }
        let Some(record) = next? else { break };
        records += 1;
        if is_json && let Err(error) = storage_format_ndjson::check(&record) {
            flaws += 1;
            output.item_failed(&error.renamed(&input.name));
        }
    }
    meter.finish();
    if output.json {
        output
            .object(&json!({"event": "summary", "name": input.name, "records": records, "flaws": flaws}))?;
    } else {
        output.note(&format!("{records} records, {flaws} of them not as they should be, or lost"));
    }
    output.conclude()
}

/// Tells of what was left out.
fn tell(name: &str, skipped: &Skipped, output: &mut Output) -> Result<(), Failure> {
    let flaw = &skipped.flaw;
    if output.json {
        let shown = json!({"event": "lost", "offset": flaw.offset(), "record": flaw.part(), "bytes": skipped.bytes, "why": flaw.to_string()});
        output.object(&shown)?;
    }
    output.item_failed(&Error::from(flaw.clone()).renamed(name));
    Ok(())
}

/// Writes what is whole, and tells of what is not.
async fn recover(source: &RecordsSource, destination: &OsString, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "recovering");
    let mut input = Input::open(source, OnFlaw::Skip(u64::MAX), &meter).await?;
    let name = input.name.clone();
    let (tell_lost, mut lost) = mpsc::unbounded_channel();
    input.lost = Some(tell_lost);
    let destination = End::parse(destination)?;
    let format = input.format;
    let to = formats::of_name(&destination.name()).map_or(format, |format| format.about().name);
    let done = write(input, &destination, Some(to), output).await;
    meter.finish();
    let (mut flaws, mut bytes) = (0u64, 0u64);
    while let Ok(skipped) = lost.try_recv() {
        flaws += 1;
        bytes += skipped.bytes;
        tell(&name, &skipped, output)?;
    }
    let (records, _) = done?;
    if output.json && !destination.is_standard() {
        let shown = json!({"event": "summary", "name": destination.name(), "records": records, "lost": flaws, "lost_bytes": bytes});
        output.object(&shown)?;
    } else {
        output.note(&format!(
            "{records} records in {}, {flaws} places lost, {bytes} bytes in all",
            destination.name()
        ));
    }
    output.conclude()
}

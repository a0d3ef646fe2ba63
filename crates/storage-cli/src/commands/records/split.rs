//! `haul records split`

use std::ffi::OsString;

use serde_json::json;
use storage_core::format::OnFlaw;
use storage_core::pipeline::{Pipeline, RecordSink};
use storage_core::{Error, ErrorKind, WriteOptions};

use super::input::Input;
use crate::args::RecordsSource;
use crate::codecs::codecs;
use crate::exit::Failure;
use crate::formats;
use crate::output::Output;
use crate::place::{How, Place};
use crate::progress::Meter;

/// When another file begins.
pub(super) struct Limits {
    pub(super) number: Option<u64>,
    pub(super) size: Option<u64>,
}

impl Limits {
    fn is_reached(&self, sink: &RecordSink) -> bool {
        let is = |most: Option<u64>, count: u64| most.is_some_and(|most| count >= most);
        is(self.number, sink.records()) || is(self.size, sink.bytes())
    }
}

pub(super) async fn split(
    source: &RecordsSource,
    destination: &OsString,
    limits: Limits,
    output: &mut Output,
) -> Result<(), Failure> {
    if limits.number == Some(0) || limits.size == Some(0) {
        return Err(Error::new(ErrorKind::InvalidInput, "files without records would have no end").into());
    }
    let directory = Place::parse(destination)?;
    let meter = Meter::new(output, "splitting");
    let mut input = Input::open(source, OnFlaw::Fail, Some(&meter)).await?;
    let endings = endings(&input.name);
    let codec = codecs().of_name(&endings).map(|(_, codec)| codec.clone());
    let pipeline = Pipeline::of(formats::named(input.format)?, codec);
    let (mut open, mut parts, mut records): (Option<(Place, RecordSink)>, u64, u64) = (None, 0, 0);
    let ended = loop {
        let record = match input.next().await {
            Ok(Some(record)) => record,
            Ok(None) => break Ok(()),
            Err(error) => break Err(Failure::from(error)),
        };
        if open.is_none() {
            let place = directory.join(&format!("part-{parts:05}{endings}"));
            match begin(&pipeline, &place).await {
                Ok(sink) => open = Some((place, sink)),
                Err(error) => break Err(error.into()),
            }
        }
        let Some((place, sink)) = &mut open else { continue };
        if let Err(error) = sink.write(&record.content).await {
            break Err(error.renamed(place.shown()).into());
        }
        records += 1;
        if limits.is_reached(sink)
            && let Some((place, sink)) = open.take()
        {
            match end(&meter, &place, sink, output).await {
                Ok(()) => parts += 1,
                Err(failure) => break Err(failure),
            }
        }
    };
    let ended = match (ended, open) {
        (Ok(()), Some((place, sink))) => end(&meter, &place, sink, output).await.map(|()| parts += 1),
        (Err(failure), Some((_, sink))) => {
            sink.abort().await;
            Err(failure)
        }
        (ended, None) => ended,
    };
    meter.finish();
    if ended.is_err() && parts > 0 {
        output.note(&format!("{parts} files before that are whole and stay"));
    }
    ended?;
    output.note(&format!("{records} records in {parts} files in {}", directory.shown()));
    Ok(())
}

async fn begin(pipeline: &Pipeline, place: &Place) -> storage_core::Result<RecordSink> {
    let (store, key) = place.open_object(How { create: true, ..How::default() }).await?;
    // What is there may be the source, or of another run, and would pass for a part of this one.
    let can = store.capabilities().create_if_absent.is_supported();
    if !can && store.exists(&key).await? {
        return Err(Error::new(ErrorKind::AlreadyExists, "it is there already").with_name(place.shown()));
    }
    let options = if can { WriteOptions::new().if_absent() } else { WriteOptions::new() };
    pipeline.write(&store, &key, options).await.map_err(|error| error.renamed(place.shown()))
}

async fn end(meter: &Meter, place: &Place, sink: RecordSink, output: &mut Output) -> Result<(), Failure> {
    let (records, name) = (sink.records(), place.shown());
    let size = sink.finish().await.map_err(|error| error.renamed(&name))?.size;
    meter.above(|| {
        if output.json {
            output.object(&json!({"name": name, "records": records, "size": size}))?;
        } else {
            output.line(&name)?;
        }
        Ok(())
    })
}

/// What follows the first dot of a name that tells a format: `.ndjson.gz` of `a.ndjson.gz`.
fn endings(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or_default();
    let stem = codecs().of_name(base).map_or(base, |(stem, _)| stem);
    let begin = stem.rfind('.').filter(|_| formats::of_name(base).is_some());
    let begin = begin.unwrap_or(stem.len());
    base.get(begin..).unwrap_or_default().to_owned()
}

//! `haul records count`, `head`, `sample` and `validate`

use bytes::Bytes;
use serde_json::json;
use storage_core::format::{OnFlaw, Record};
use storage_core::{Error, Flaw};

use super::input::Input;
use crate::args::RecordsSource;
use crate::exit::Failure;
use crate::output::Output;
use crate::progress::Meter;

pub(super) async fn count(source: &RecordsSource, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "counting");
    let mut input = Input::open(source, OnFlaw::Fail, Some(&meter)).await?;
    let (mut records, mut bytes) = (0u64, 0u64);
    let ended = loop {
        match input.next().await {
            Ok(Some(record)) => {
                records += 1;
                bytes += record.content.len() as u64;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    meter.finish();
    ended?;
    if output.json {
        output.object(&json!({"name": input.name, "records": records, "bytes": bytes}))?;
    } else {
        output.line(&records.to_string())?;
    }
    Ok(())
}

pub(super) async fn head(source: &RecordsSource, number: u64, output: &mut Output) -> Result<(), Failure> {
    let mut input = Input::open(source, OnFlaw::Fail, None).await?;
    for _ in 0..number {
        let Some(record) = input.next().await? else { break };
        print(&record, output)?;
    }
    Ok(())
}

/// Every record is as likely as any other, in their order (algorithm R of J. S. Vitter, 1985).
pub(super) async fn sample(
    source: &RecordsSource,
    number: usize,
    seed: Option<u64>,
    output: &mut Output,
) -> Result<(), Failure> {
    let meter = Meter::new(output, "sampling");
    let mut input = Input::open(source, OnFlaw::Fail, Some(&meter)).await?;
    let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let mut chosen: Vec<Record> = Vec::new();
    let ended = loop {
        let record = match input.next().await {
            Ok(Some(record)) => record,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        if chosen.len() < number {
            chosen.push(kept(record));
        } else {
            let at = random.u64(0..=record.number);
            if let Some(place) = usize::try_from(at).ok().and_then(|at| chosen.get_mut(at)) {
                *place = kept(record);
            }
        }
    };
    meter.finish();
    ended?;
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
    let text = std::str::from_utf8(&record.content);
    let lossy = String::from_utf8_lossy(&record.content);
    if output.json {
        let mut shown = json!({"number": record.number, "offset": record.offset, "content": lossy});
        if text.is_err() {
            shown["lossy"] = true.into();
        }
        output.object(&shown)?;
        return Ok(());
    }
    match text {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => output.line(text)?,
        _ => output.line(&serde_json::Value::from(lossy).to_string())?,
    }
    Ok(())
}

pub(super) async fn validate(source: &RecordsSource, output: &mut Output) -> Result<(), Failure> {
    let meter = Meter::new(output, "validating");
    let mut input = Input::open(source, OnFlaw::Skip(u64::MAX), Some(&meter)).await?;
    let (mut records, mut others) = (0u64, 0u64);
    let ended = loop {
        let next = input.next().await;
        let skipped = input.skipped().0.into_iter();
        let mut wrong: Vec<(Flaw, (u64, u64))> =
            skipped.map(|skipped| (skipped.flaw, (skipped.bytes, skipped.records))).collect();
        let mut ended = None;
        match next {
            Ok(Some(record)) => {
                records += 1;
                let flaw = input.check(&record);
                others += u64::from(flaw.is_some());
                wrong.extend(flaw.map(|flaw| (flaw, (record.content.len() as u64, 1))));
            }
            Ok(None) => ended = Some(Ok(())),
            // What is compressed ends here, and nothing behind it can be known.
            Err(error) => match Flaw::of(&error).cloned() {
                Some(flaw) => {
                    others += 1;
                    wrong.push((flaw, (0, 0)));
                    ended = Some(Ok(()));
                }
                None => ended = Some(Err(error)),
            },
        }
        let told = wrong
            .iter()
            .try_for_each(|(flaw, lost)| meter.above(|| tell(&input.name, flaw, *lost, output.json, output)));
        if let Err(failure) = told {
            break Err(failure);
        }
        if let Some(ended) = ended {
            break ended.map_err(Failure::from);
        }
    };
    meter.finish();
    if let Err(failure) = ended {
        // Who closed our output is told by the exit code all the same.
        return output.conclude().and(Err(failure));
    }
    let flaws = others + input.skipped().1;
    if output.json {
        output
            .object(&json!({"event": "summary", "name": input.name, "records": records, "flaws": flaws}))?;
    } else {
        output.note(&format!("{records} records, {flaws} flaws"));
    }
    output.conclude()
}

/// Tells of what is wrong or was left out.
pub(super) fn tell(
    name: &str,
    flaw: &Flaw,
    (bytes, records): (u64, u64),
    as_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    output.item_failed(&Error::from(flaw.clone()).renamed(name));
    if as_json {
        let (offset, record, why) = (flaw.offset(), flaw.part(), flaw.to_string());
        let shown = json!({"event": "flaw", "offset": offset, "record": record, "records": records, "bytes": bytes, "why": why});
        output.object(&shown)?;
    }
    Ok(())
}

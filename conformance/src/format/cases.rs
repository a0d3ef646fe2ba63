//! What holds for every record format.

use bytes::BytesMut;
use storage_core::FlawKind;
use storage_core::format::{Framing, OnFlaw, SplitOptions};

use super::data::{flaw, split, split_in, split_pieces, written};
use super::{FormatCase, FormatSubject};
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;

pub(super) const CASES: &[FormatCase] = &[
    FormatCase::new("FORMAT-1", "any-split-gives-the-same", splits),
    FormatCase::new("FORMAT-1", "random-splits-give-the-same", random_splits),
    FormatCase::new("FORMAT-1", "any-split-of-what-others-write", foreign)
        .unless(|s| (s.foreign.is_empty()).then_some("the format is written in one way")),
    FormatCase::new("FORMAT-1", "nothing-is-no-records", nothing),
    FormatCase::new("FORMAT-2", "what-was-written-reads-back", round_trip),
    FormatCase::new("FORMAT-2", "what-would-not-read-back-is-refused", refused)
        .unless(|s| (s.refused.is_empty()).then_some("the format holds any bytes")),
    FormatCase::new("FORMAT-2", "any-bytes-read-back-or-are-refused", any_bytes),
    FormatCase::new("FORMAT-3", "a-record-that-is-too-long", too_long),
    FormatCase::new("FORMAT-3", "after-a-record-that-is-too-long", after_too_long),
    FormatCase::new("FORMAT-3", "a-cap-on-what-is-left-out", cap),
    FormatCase::new("FORMAT-3", "a-length-beyond-any-memory", boundless)
        .unless(|s| (s.boundless.is_none()).then_some("the format announces no such lengths")),
    FormatCase::new("FORMAT-4", "records-pass-through-untouched", untouched),
    FormatCase::new("FORMAT-5", "a-cut-record-is-an-unexpected-end", cuts)
        .unless(|s| (!s.framing.about().tells_length).then_some("a record does not tell how long it is")),
    FormatCase::new("FORMAT-5", "damage-never-passes-for-data", damage)
        .unless(|s| (!s.framing.about().has_checksum).then_some("the format has no checksum")),
];

fn expected(s: &FormatSubject, data: &[u8], begins: &[u64], step: usize) -> Result<(), Failure> {
    let found = split_in(s, data, step, SplitOptions::new());
    let what = format!("pieces of {step} bytes");
    found.ended.as_ref().map_err(|error| Failure::new(format_args!("{what}: {error}")))?;
    same(&what, found.contents(), s.records.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let places: Vec<(u64, u64)> = found.records.iter().map(|r| (r.number, r.offset)).collect();
    let meant: Vec<(u64, u64)> = (0..).zip(begins.iter().copied()).take(s.records.len()).collect();
    same(format_args!("numbers and offsets of {what}"), places, meant)
}

fn splits(s: &FormatSubject) -> Result<(), Failure> {
    let (data, begins) = written(s)?;
    for step in (1..70).chain([100, 1000, 4096, 4097, usize::MAX]) {
        expected(s, &data, &begins, step)?;
    }
    Ok(())
}

fn random_splits(s: &FormatSubject) -> Result<(), Failure> {
    let (data, _) = written(s)?;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let (mut left, mut pieces) = (&data[..], Vec::new());
        while !left.is_empty() {
            // Short ones, empty ones and such as hold many records.
            let most = [2, 30, 5000][random.usize(..3)];
            let (piece, rest) = left.split_at(random.usize(..most).min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        let found = split_pieces(s, pieces, SplitOptions::new());
        found.ended.as_ref().map_err(|error| Failure::new(format_args!("round {round}: {error}")))?;
        let meant: Vec<_> = s.records.iter().map(Vec::as_slice).collect();
        same(format_args!("round {round}"), found.contents(), meant)?;
    }
    Ok(())
}

/// What writers elsewhere write, and ours does not.
fn foreign(s: &FormatSubject) -> Result<(), Failure> {
    for (data, records) in &s.foreign {
        for step in (1..=data.len()).chain([usize::MAX]) {
            let found = split_in(s, data, step, SplitOptions::new());
            let what = format!("{:?} by {step}", String::from_utf8_lossy(data));
            found.ended.as_ref().map_err(|error| Failure::new(format_args!("{what}: {error}")))?;
            same(&what, found.contents(), records.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

fn nothing(s: &FormatSubject) -> Result<(), Failure> {
    let found = split(s, b"");
    found.ended?;
    same("records", found.records.len(), 0)
}

fn round_trip(s: &FormatSubject) -> Result<(), Failure> {
    for record in &s.records {
        let mut output = BytesMut::new();
        s.framing.write(record, &mut output).map_err(storage_core::Error::from)?;
        let found = split(s, &output);
        same("records", found.contents(), vec![&record[..]])?;
        found.ended?;
    }
    Ok(())
}

fn refused(s: &FormatSubject) -> Result<(), Failure> {
    for record in &s.refused {
        let mut output = BytesMut::from(&b"before"[..]);
        let wrote = s.framing.write(record, &mut output);
        let shown = String::from_utf8_lossy(&record[..record.len().min(40)]).into_owned();
        holds(wrote.is_err(), format_args!("expected `{shown}` to be refused"))?;
        same_bytes("what was written before", &output, b"before")?;
    }
    Ok(())
}

fn any_bytes(s: &FormatSubject) -> Result<(), Failure> {
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet = b"\n\r\t \0\"\\{}[]a1,\xef\xbb\xbf\xff";
    for round in 0..2000 {
        let length = random.usize(..12);
        let record: Vec<u8> = (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
        let mut output = BytesMut::new();
        if s.framing.write(&record, &mut output).is_err() {
            continue;
        }
        // Between others, and at the beginning, where a format may have a preamble.
        let mut among = output.to_vec();
        s.framing.write(&s.records[0], &mut output).map_err(storage_core::Error::from)?;
        among.splice(..0, output.iter().copied());
        for (data, at) in [(&output[..], 0), (&among[..], 2)] {
            let found = split(s, data);
            holds(found.ended.is_ok(), format_args!("round {round}: {record:?} cannot be read back"))?;
            let contents = found.contents();
            same(format_args!("records of round {round}, {record:?}"), contents.len(), at.max(1) + 1)?;
            same_bytes(format_args!("round {round}"), contents[at], &record)?;
        }
    }
    Ok(())
}

/// The third record is longer than all others.
fn with_a_long_one(s: &FormatSubject) -> Result<(FormatSubject, Vec<u8>, Vec<u64>), Failure> {
    let longest = s.records.iter().map(Vec::len).max().unwrap_or(0);
    let mut long = s.records[2].clone();
    while long.len() <= 20_000 + longest {
        long.extend_from_slice(&s.records[2]);
    }
    let mut s = s.clone();
    s.records[2] = long;
    let (data, begins) = written(&s)?;
    Ok((s, data, begins))
}

fn too_long(s: &FormatSubject) -> Result<(), Failure> {
    let (s, data, begins) = with_a_long_one(s)?;
    for step in [1, 100, 5000, usize::MAX] {
        let found = split_in(&s, &data, step, SplitOptions::new().record_max(1000));
        let flaw = flaw("a long record", &found.ended)?;
        same("kind", flaw.kind(), FlawKind::TooLarge)?;
        same("place", (flaw.offset(), flaw.part()), (begins[2], 2))?;
        same("records before", found.contents(), vec![&s.records[0][..], &s.records[1]])?;
    }
    let just = s.records[2].len();
    let found = split_in(&s, &data, usize::MAX, SplitOptions::new().record_max(just));
    found.ended?;
    same("records with room for the longest", found.records.len(), s.records.len())
}

fn after_too_long(s: &FormatSubject) -> Result<(), Failure> {
    let (s, data, begins) = with_a_long_one(s)?;
    for step in [1, 100, 5000, usize::MAX] {
        let options = SplitOptions::new().record_max(1000).on_flaw(OnFlaw::Skip(1));
        let found = split_in(&s, &data, step, options);
        found.ended?;
        let others: Vec<_> = s.records.iter().enumerate().filter(|(at, _)| *at != 2).collect();
        let places: Vec<_> = found.records.iter().map(|r| (r.number as usize, r.content.to_vec())).collect();
        let meant: Vec<_> = others.iter().map(|(at, record)| (*at, (*record).clone())).collect();
        same("records", places, meant)?;
        same("left out", found.skipped.len(), 1)?;
        same("bytes left out", found.skipped[0].bytes, begins[3] - begins[2])?;
    }
    Ok(())
}

fn cap(s: &FormatSubject) -> Result<(), Failure> {
    let (data, _) = written(s)?;
    let options = SplitOptions::new().record_max(1).on_flaw(OnFlaw::Skip(2));
    let found = split_in(s, &data, usize::MAX, options);
    let flaw = flaw("a record too many", &found.ended)?;
    same("records that were left out or refused", (found.skipped.len(), flaw.part()), (2, 2))
}

fn boundless(s: &FormatSubject) -> Result<(), Failure> {
    let Some(head) = &s.boundless else { return Ok(()) };
    let (before, begins) = written(s)?;
    let place = begins[s.records.len()];
    for step in [1, 3, usize::MAX] {
        // What was announced never comes, and is not waited for either.
        let data = [&before[..], head].concat();
        let found = split_in(s, &data, step, SplitOptions::new());
        let flaw = flaw("a record larger than any memory", &found.ended)?;
        same("kind", flaw.kind(), FlawKind::TooLarge)?;
        same("offset", flaw.offset(), place)?;
    }
    Ok(())
}

fn untouched(s: &FormatSubject) -> Result<(), Failure> {
    let (data, _) = written(s)?;
    let found = split(s, &data);
    found.ended.as_ref().map_err(|error| Failure::new(error.to_string()))?;
    let mut again = BytesMut::new();
    for record in &found.records {
        s.framing.write(&record.content, &mut again).map_err(storage_core::Error::from)?;
    }
    same_bytes("read and written again", &again, &data)
}

fn cuts(s: &FormatSubject) -> Result<(), Failure> {
    let (data, begins) = written(s)?;
    for cut in 0..data.len() {
        let found = split(s, &data[..cut]);
        let whole = begins.iter().filter(|begin| **begin <= cut as u64).count() - 1;
        let what = format!("cut after {cut} of {} bytes", data.len());
        same(&what, found.records.len(), whole)?;
        if begins[whole] == cut as u64 {
            found.ended?;
            continue;
        }
        let flaw = flaw(&what, &found.ended)?;
        same(&what, flaw.kind(), FlawKind::UnexpectedEnd)?;
        same(format_args!("place: {what}"), (flaw.offset(), flaw.part()), (cut as u64, whole as u64))?;
    }
    Ok(())
}

/// Each byte is changed, in several ways: the record is refused, or left out and told of.
fn damage(s: &FormatSubject) -> Result<(), Failure> {
    let (data, begins) = written(s)?;
    for at in 0..data.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = data.clone();
            bad[at] ^= change;
            let hit = begins.iter().filter(|begin| **begin <= at as u64).count() - 1;
            let what = format!("byte {at} of {} changed by {change:#x}", data.len());
            let found = split(s, &bad);
            let flaw = flaw(&what, &found.ended)?;
            same(&what, (found.records.len(), flaw.part()), (hit, hit as u64))?;
            let others = s.records.iter().enumerate().filter(|(number, _)| *number != hit);
            let meant: Vec<&[u8]> = others.map(|(_, record)| &record[..]).collect();
            for step in [1, 11, 12, 13, 100, usize::MAX] {
                let options = SplitOptions::new().on_flaw(OnFlaw::Skip(u64::MAX));
                let found = split_in(s, &bad, step, options);
                found.ended.as_ref().map_err(|error| Failure::new(format_args!("{what}: {error}")))?;
                same(format_args!("the others, by {step}: {what}"), found.contents(), meant.clone())?;
            }
        }
    }
    Ok(())
}

//! What holds for members that several threads share, or that an index finds.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use storage_core::codec::{self, DecodeOptions, EncodeOptions, Extent, Index, Place};
use storage_core::{ByteStream, Flaw, FlawKind, Key, Result, WriteOptions};

use super::CodecSubject;
use super::cases::samples;
use super::data::{encoded_in, noise, text};
use super::tool::through;
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;

/// In pieces that end anywhere.
fn pieces(data: &[u8], step: usize) -> ByteStream {
    let pieces: Vec<_> = data.chunks(step).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

fn run<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// What a stream gave, and how it ended.
async fn drained(mut bytes: ByteStream) -> (Vec<u8>, Result<()>) {
    let mut found = Vec::new();
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => found.extend_from_slice(&piece),
            Err(error) => return (found, Err(error)),
        }
    }
    (found, Ok(()))
}

fn encoded_by(
    s: &CodecSubject,
    plain: &[u8],
    options: &EncodeOptions,
    step: usize,
) -> Result<Vec<u8>, Failure> {
    let bytes = codec::encode(pieces(plain, step), s.codec.clone(), options)?;
    let (found, ended) = run(drained(bytes))?;
    ended?;
    Ok(found)
}

fn decoded_by(
    s: &CodecSubject,
    data: &[u8],
    options: DecodeOptions,
    step: usize,
) -> Result<(Vec<u8>, Result<()>), Failure> {
    let bytes = codec::decode(pieces(data, step), s.codec.clone(), options)?;
    run(drained(bytes))
}

pub(super) fn threads_encode(s: &CodecSubject) -> Result<(), Failure> {
    if s.codec.about().has_threads {
        // Enough for several jobs.
        let plain = text(20_000_000);
        let two = encoded_by(s, &plain, &EncodeOptions::new().threads(2), 1 << 20)?;
        let four = encoded_by(s, &plain, &EncodeOptions::new().threads(4), 300_007)?;
        same_bytes("one member by two threads and by four", &four, &two)?;
        same_bytes("read back", &super::data::decoded(&s.codec, &two)?, &plain)?;
    }
    for plain in samples() {
        let mut options = EncodeOptions::new().threads(2);
        options.member_size = Some(30_000);
        let two = encoded_by(s, &plain, &options, 10_007)?;
        same_bytes("read back", &super::data::decoded(&s.codec, &two)?, &plain)?;
        for threads in [3, 8] {
            options.threads = threads;
            let again = encoded_by(s, &plain, &options, 70_001)?;
            same_bytes(format_args!("{} bytes by {threads} threads", plain.len()), &again, &two)?;
        }
        options.threads = 0;
        let one = encoded_in(&s.codec, &plain, &options, 999)?;
        same_bytes(format_args!("{} bytes by one thread", plain.len()), &one, &two)?;
    }
    Ok(())
}

/// In members of a few sizes, an index behind them where the format has one.
fn in_members(s: &CodecSubject) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let (mut plain, mut data) = (Vec::new(), Vec::new());
    for (part, size) in
        [(text(60_000), 1000), (Vec::new(), 5), (noise(700_000), 60_000), (text(2_000_000), 65_000)]
    {
        let mut options = EncodeOptions::new().member_size(size);
        options.indexed = s.codec.about().indexes.is_some();
        data.extend(encoded_in(&s.codec, &part, &options, usize::MAX)?);
        plain.extend(part);
    }
    Ok((plain, data))
}

pub(super) fn threads_decode(s: &CodecSubject) -> Result<(), Failure> {
    let (plain, data) = in_members(s)?;
    for threads in [2, 5] {
        for step in [1013, 100_000, data.len()] {
            let (found, ended) = decoded_by(s, &data, DecodeOptions::new().threads(threads), step)?;
            ended?;
            same_bytes(format_args!("{threads} threads, pieces of {step}"), &found, &plain)?;
        }
    }
    for plain in samples() {
        let data = super::data::encoded(&s.codec, &plain)?;
        let (found, ended) = decoded_by(s, &data, DecodeOptions::new().threads(3), 5000)?;
        ended?;
        same_bytes("one member", &found, &plain)?;
    }
    Ok(())
}

/// Cut, damaged and too much, several threads give what one gives, and say the same.
pub(super) fn threads_tell(s: &CodecSubject) -> Result<(), Failure> {
    let (plain, data) = in_members(s)?;
    let options = DecodeOptions::new();
    let mut random = fastrand::Rng::with_seed(3);
    let mut cases: Vec<(String, Vec<u8>, DecodeOptions)> = vec![
        ("nothing".into(), Vec::new(), options.clone()),
        ("behind it".into(), [&data[..], b"something that follows"].concat(), options.clone()),
        ("before it".into(), [&b"something that comes first"[..], &data].concat(), options.clone()),
        ("output".into(), data.clone(), options.clone().output_max(1_000_000)),
        ("members".into(), data.clone(), options.clone().members_max(70)),
    ];
    for _ in 0..40 {
        let at = random.usize(..data.len());
        let mut bad = data.clone();
        bad[at] ^= 1 << random.u32(..8);
        cases.push((format!("byte {at} changed"), bad, options.clone()));
        cases.push((format!("cut at {at}"), data[..at].to_vec(), options.clone()));
    }
    for (what, data, options) in cases {
        let (one, one_ended) = decoded_by(s, &data, options.clone(), 50_000)?;
        let (several, several_ended) = decoded_by(s, &data, options.threads(3), 50_000)?;
        let told = |ended: &Result<()>| {
            let flaw = ended.as_ref().err().and_then(Flaw::of);
            // How far a codec had read, and how much had come out when that was too much, depends on the pieces.
            flaw.map(|flaw| (flaw.kind(), (flaw.kind() != FlawKind::TooLarge).then(|| flaw.part())))
        };
        same(format_args!("{what}: the flaw"), told(&several_ended), told(&one_ended))?;
        if told(&one_ended).is_some_and(|(kind, _)| kind == FlawKind::TooLarge) {
            holds(plain.starts_with(&several), format_args!("{what}: got other data"))?;
        } else {
            // What a codec had made when it found the flaw may come out or not: less than a few members.
            let agree = one.starts_with(&several) || several.starts_with(&one);
            let agree = agree && one.len().abs_diff(several.len()) < 300_000;
            holds(agree, format_args!("{what}: got other data"))?;
            holds(one_ended.is_err() || one == several, format_args!("{what}: expected the same data"))?;
        }
    }
    Ok(())
}

pub(super) fn tool_reads_indexed(s: &CodecSubject) -> Result<(), Failure> {
    for plain in samples() {
        let data = encoded_in(&s.codec, &plain, &EncodeOptions::new().indexed(), usize::MAX)?;
        same_bytes(format_args!("{} bytes", plain.len()), &through(&s.decode, &data)?, &plain)?;
    }
    Ok(())
}

pub(super) fn index_finds(s: &CodecSubject) -> Result<(), Failure> {
    let (Some(indexes), Some(store)) = (&s.codec.about().indexes, &s.store) else { return Ok(()) };
    for (plain, threads) in [(Vec::new(), 0), (text(1), 2), (text(300_000), 0), (noise(300_000), 3)] {
        let options = EncodeOptions::new().indexed().member_size(10_000).threads(threads);
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let tell = move |members: Vec<Extent>| {
            if let Ok(mut told) = telling.lock() {
                *told = members;
            }
        };
        let bytes = codec::encode_indexed(pieces(&plain, 7001), s.codec.clone(), &options, tell)?;
        let (data, ended) = run(drained(bytes))?;
        ended?;
        let members = told.lock().map(|told| told.clone()).unwrap_or_default();
        let decoded: u64 = members.iter().map(|member| u64::from(member.decoded)).sum();
        same("bytes in all members", decoded, plain.len() as u64)?;
        run(async {
            let key = Key::new(format!("{}-data-{}-{threads}", s.codec.about().name, plain.len()))?;
            store.write(&key, data, WriteOptions::new()).await?;
            if let Some(extension) = indexes.beside {
                same("an index that is not there", codec::find_index(store, &key, &*s.codec).await?.1, None)?;
                let beside = Key::new(format!("{key}.{extension}"))?;
                store.write(&beside, s.codec.index_beside(&members), WriteOptions::new()).await?;
            }
            let (metadata, index) = codec::find_index(store, &key, &*s.codec).await?;
            let index = index.ok_or_else(|| Failure::new("expected an index to be found"))?;
            let mut at = Place::default();
            let begins: Vec<Place> = members
                .iter()
                .map(|member| {
                    let begins = at;
                    at.encoded += u64::from(member.encoded);
                    at.decoded += u64::from(member.decoded);
                    begins
                })
                .collect();
            same("where members begin", index.places(), &begins[..])?;
            let mut random = fastrand::Rng::with_seed(5);
            let size = plain.len() as u64;
            let some = (0..40).map(|_| {
                let (a, b) = (random.u64(0..=size), random.u64(0..=size + 5));
                a.min(b)..a.max(b)
            });
            for range in [0..0, 0..size, 0..u64::MAX, size..size, 9_999..10_001, 10_000..20_000]
                .into_iter()
                .chain(some)
            {
                let options = DecodeOptions::new();
                let read = codec::read_range(
                    (store, &key, &metadata),
                    s.codec.clone(),
                    &index,
                    range.clone(),
                    options,
                );
                let (found, ended) = drained(read.await?).await;
                ended?;
                let clip = |at: u64| at.min(size) as usize;
                let meant = &plain[clip(range.start)..clip(range.end).max(clip(range.start))];
                same_bytes(format_args!("bytes {range:?} of {size}"), &found, meant)?;
            }
            Ok::<_, Failure>(())
        })??;
    }
    let garbage = s.codec.read_index_beside(b"no index");
    holds(
        garbage.is_err() || Index::of_places(garbage.unwrap_or_default()).is_err(),
        "expected no index to be read",
    )
}

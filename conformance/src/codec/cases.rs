//! What holds for every codec.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use storage_core::codec::{self, Codec, DecodeOptions, Decoder, EncodeOptions, Encoder};
use storage_core::{ErrorKind, FlawKind};

use super::data::{decoded, decoded_in, encoded, encoded_in, flaw, flawed, noise, text};
use super::threads::{index_finds, threads_decode, threads_encode, threads_tell, tool_reads_indexed};
use super::tool::{missing, through};
use super::{CodecCase, CodecSubject};
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;

pub(super) const CASES: &[CodecCase] = &[
    CodecCase::new("CODEC-1", "any-split-gives-the-same", splits),
    CodecCase::new("CODEC-1", "what-had-no-room-comes-without-more-input", owed),
    CodecCase::new("CODEC-1", "several-members-are-one-text", members).unless(no_members),
    CodecCase::new("CODEC-1", "several-threads-decode-the-same", threads_decode).unless(no_members),
    CodecCase::new("CODEC-1", "an-index-finds-any-place", index_finds).unless(no_index_or_store),
    CodecCase::new("CODEC-1", "what-the-ordinary-program-writes", tool_writes).unless(no_tool),
    CodecCase::new("CODEC-2", "a-cut-is-an-unexpected-end", cuts),
    CodecCase::new("CODEC-2", "nothing-is-an-unexpected-end", nothing),
    CodecCase::new("CODEC-2", "damage-never-passes-for-data", damage).unless(no_checksum),
    CodecCase::new("CODEC-2", "what-follows-is-trailing-data", trailing),
    CodecCase::new("CODEC-2", "another-format-is-foreign", foreign).unless(no_mark),
    CodecCase::new("CODEC-2", "several-threads-tell-the-same-flaw", threads_tell).unless(no_members),
    CodecCase::new("CODEC-2", "after-an-error-nothing-more-comes", failed),
    CodecCase::new("CODEC-3", "a-limit-of-output", output_max),
    CodecCase::new("CODEC-3", "a-limit-of-the-ratio", ratio_max),
    CodecCase::new("CODEC-3", "a-limit-of-members", members_max).unless(no_members),
    CodecCase::new("CODEC-4", "every-level-reads-back", levels),
    CodecCase::new("CODEC-4", "a-level-that-is-none-is-refused", no_level),
    CodecCase::new("CODEC-4", "what-the-format-does-not-have-is-refused", not_had),
    CodecCase::new("CODEC-4", "the-same-input-gives-the-same-output", reproducible),
    CodecCase::new("CODEC-4", "a-checksum-stands-behind-the-content", checksum).unless(no_checksum),
    CodecCase::new("CODEC-4", "the-ordinary-program-reads-it", tool_reads).unless(no_tool),
    CodecCase::new("CODEC-4", "members-of-a-size", member_size).unless(no_members),
    CodecCase::new("CODEC-4", "several-threads-encode-the-same", threads_encode).unless(no_members),
    CodecCase::new("CODEC-4", "the-ordinary-program-reads-an-indexed-one", tool_reads_indexed)
        .unless(no_tool_or_index),
    CodecCase::new("CODEC-4", "a-flush-makes-readable", flush),
    CodecCase::new("CODEC-5", "a-stream-of-damaged-data-ends-with-an-error", proved).unless(no_checksum),
];

/// Of every kind: empty, short, longer than a window of small ones, without any repetition.
pub(super) fn samples() -> Vec<Vec<u8>> {
    vec![Vec::new(), b"a".to_vec(), text(300), text(200_000), noise(1000), noise(100_000), vec![0; 1 << 20]]
}

fn splits(s: &CodecSubject) -> Result<(), Failure> {
    for plain in samples() {
        let data = encoded(&s.codec, &plain)?;
        for (step, room) in [(usize::MAX, 8 << 10), (1, 8 << 10), (7, 1000), (1000, 1), (3, 3), (16, 16)] {
            if (step < 16 && data.len() > 20_000) || (room < 16 && plain.len() > 20_000) {
                continue;
            }
            let (found, count) = decoded_in(&s.codec, &data, DecodeOptions::new(), step, room)?;
            let what = format!("{} bytes, by {step} into {room}", plain.len());
            same_bytes(&what, &found, &plain)?;
            same(format_args!("members of {what}"), count, 1)?;
        }
    }
    Ok(())
}

/// What had no room comes without any more input.
fn owed(s: &CodecSubject) -> Result<(), Failure> {
    let plain = text(50_000);
    let data = encoded(&s.codec, &plain)?;
    let mut decoder = Decoder::new(s.codec.clone(), DecodeOptions::new())?;
    let (mut input, mut found) = (data.as_slice(), Vec::new());
    loop {
        let mut output = Vec::with_capacity(1000);
        decoder.decode(&mut input, &mut output)?;
        if input.is_empty() && output.is_empty() {
            break;
        }
        found.extend(output);
    }
    same_bytes("before the end is told", &found, &plain)?;
    holds(decoder.finish(&mut Vec::with_capacity(16))?, "expected a clean end")
}

fn members(s: &CodecSubject) -> Result<(), Failure> {
    let plain = [text(5000), Vec::new(), noise(10), Vec::new(), Vec::new(), text(1)];
    let mut data = Vec::new();
    for part in &plain {
        data.extend(encoded(&s.codec, part)?);
    }
    for step in [1, 2, 15, 16, 17, usize::MAX] {
        let (found, count) = decoded_in(&s.codec, &data, DecodeOptions::new(), step, 4096)?;
        same_bytes(format_args!("members by {step}"), &found, &plain.concat())?;
        same("members", count, 6)?;
    }
    Ok(())
}

fn tool_writes(s: &CodecSubject) -> Result<(), Failure> {
    for plain in samples() {
        let once = through(&s.encode, &plain)?;
        let twice = [once.clone(), once.clone()].concat();
        same_bytes("what the program wrote", &decoded(&s.codec, &once)?, &plain)?;
        if s.codec.about().has_members {
            same_bytes("twice", &decoded(&s.codec, &twice)?, &[plain.clone(), plain].concat())?;
        }
    }
    Ok(())
}

fn tool_reads(s: &CodecSubject) -> Result<(), Failure> {
    for plain in samples() {
        for level in [None, Some(*s.codec.about().levels.start()), Some(*s.codec.about().levels.end())] {
            let mut options = EncodeOptions::new();
            (options.level, options.member_size) = (level, s.codec.about().has_members.then_some(150_000));
            let data = encoded_in(&s.codec, &plain, &options, usize::MAX)?;
            same_bytes(format_args!("at level {level:?}"), &through(&s.decode, &data)?, &plain)?;
        }
    }
    Ok(())
}

fn cuts(s: &CodecSubject) -> Result<(), Failure> {
    let (one, two) = (encoded(&s.codec, &text(400))?, encoded(&s.codec, &noise(50))?);
    // Where there are no members, the second one is none.
    let behind = if s.codec.about().has_members { &two[..] } else { &[] };
    let data = [&one[..], behind].concat();
    for cut in 1..data.len() {
        let found = decoded(&s.codec, &data[..cut]);
        if cut == one.len() {
            same_bytes("cut between members", &found?, &text(400))?;
            continue;
        }
        let what = format!("cut after {cut} of {} bytes", data.len());
        let error = match found {
            Err(error) => error,
            // What cannot be told is not promised; what came out is no other text.
            Ok(found) if !s.codec.about().has_end => {
                holds(
                    [text(400), noise(50)].concat().starts_with(&found),
                    format_args!("{what}: got another text"),
                )?;
                continue;
            }
            Ok(_) => return Err(Failure::new(format_args!("{what}: expected an error, got success"))),
        };
        let flaw = flaw(&what, &error)?;
        same(&what, flaw.kind(), FlawKind::UnexpectedEnd)?;
        holds(flaw.offset() <= cut as u64, format_args!("{what}: told at byte {}", flaw.offset()))?;
    }
    Ok(())
}

fn nothing(s: &CodecSubject) -> Result<(), Failure> {
    let flaw = flawed("nothing", decoded(&s.codec, b""), FlawKind::UnexpectedEnd)?;
    same("offset", flaw.offset(), 0)
}

/// Each byte is changed, in several ways: the data is refused, or means the same.
fn damage(s: &CodecSubject) -> Result<(), Failure> {
    for plain in [text(600), noise(200), Vec::new()] {
        let data = [encoded(&s.codec, &plain)?, encoded(&s.codec, b"more")?].concat();
        let meant = [&plain[..], b"more"].concat();
        for at in 0..data.len() {
            for change in [1, 0x80, 0xff] {
                let mut bad = data.clone();
                bad[at] ^= change;
                let what = format!("byte {at} of {} changed by {change:#x}", data.len());
                match decoded(&s.codec, &bad) {
                    Ok(found) => same_bytes(&what, &found, &meant)?,
                    Err(error) => {
                        let flaw = flaw(&what, &error)?;
                        holds(flaw.offset() <= data.len() as u64, format_args!("{what}: told behind it"))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn trailing(s: &CodecSubject) -> Result<(), Failure> {
    let data = encoded(&s.codec, &text(1000))?;
    for behind in [&b"x"[..], b"something else", b"something else that is longer than a head"] {
        let flaw = flawed(
            "trailing data",
            decoded(&s.codec, &[&data[..], behind].concat()),
            FlawKind::TrailingData,
        )?;
        same("offset of trailing data", flaw.offset(), data.len() as u64)?;
        same("member of trailing data", flaw.part(), 1)?;
    }
    Ok(())
}

fn foreign(s: &CodecSubject) -> Result<(), Failure> {
    let data = encoded(&s.codec, b"")?;
    holds(s.codec.is_marked(&data[..data.len().min(codec::HEAD)]), "expected data to have a mark")?;
    for other in [&b"x"[..], b"this is no such data", &[0; 100]] {
        let flaw = flawed("another format", decoded(&s.codec, other), FlawKind::Foreign)?;
        same("offset", flaw.offset(), 0)?;
        holds(!s.codec.is_marked(other), "expected another format not to have the mark")?;
    }
    Ok(())
}

fn failed(s: &CodecSubject) -> Result<(), Failure> {
    let data = [encoded(&s.codec, &text(100))?, b"something else that is longer".to_vec()].concat();
    let mut decoder = Decoder::new(s.codec.clone(), DecodeOptions::new())?;
    let (mut input, mut output) = (data.as_slice(), Vec::with_capacity(1000));
    holds(decoder.decode(&mut input, &mut output).is_err(), "expected trailing data to be refused")?;
    let good = encoded(&s.codec, &text(100))?;
    let before = output.len();
    holds(decoder.decode(&mut good.as_slice(), &mut output).is_err(), "expected to be refused again")?;
    holds(decoder.finish(&mut output).is_err(), "expected no clean end")?;
    same("output after an error", output.len(), before)
}

fn output_max(s: &CodecSubject) -> Result<(), Failure> {
    let plain = text(100_000);
    let data = encoded(&s.codec, &plain)?;
    let with =
        |most: u64| decoded_in(&s.codec, &data, DecodeOptions::new().output_max(most), usize::MAX, 1000);
    same_bytes("as much as is allowed", &with(100_000)?.0, &plain)?;
    flawed("a byte too many", with(99_999), FlawKind::TooLarge).map(drop)
}

fn ratio_max(s: &CodecSubject) -> Result<(), Failure> {
    let data = encoded(&s.codec, &vec![0; 8 << 20])?;
    let mut decoder = Decoder::new(s.codec.clone(), DecodeOptions::new().ratio_max(5, 1 << 20))?;
    let (mut input, mut output, mut made) = (data.as_slice(), Vec::with_capacity(64 << 10), 0);
    let mut found = Ok(());
    while found.is_ok() && !input.is_empty() {
        found = decoder.decode(&mut input, &mut output);
        made += output.len();
        output.clear();
    }
    let mut ended = false;
    while found.is_ok() && !ended {
        output.clear();
        match decoder.finish(&mut output) {
            Ok(is_all) => ended = is_all,
            Err(error) => found = Err(error),
        }
        made += output.len();
    }
    flawed("a bomb", found, FlawKind::TooLarge)?;
    holds(made <= 2 << 20, format_args!("expected about 1 MiB before the error, got {made} bytes"))?;
    same("with the defaults", decoded(&s.codec, &data)?.len(), 8 << 20)
}

fn members_max(s: &CodecSubject) -> Result<(), Failure> {
    let one = encoded(&s.codec, b"x")?;
    let with = |count: usize| {
        decoded_in(&s.codec, &one.repeat(count), DecodeOptions::new().members_max(3), usize::MAX, 100)
    };
    same("members", with(3)?.1, 3)?;
    let flaw = flawed("a member too many", with(4), FlawKind::TooLarge)?;
    same("its place", (flaw.offset(), flaw.part()), (3 * one.len() as u64, 3))
}

fn levels(s: &CodecSubject) -> Result<(), Failure> {
    for level in s.codec.about().levels.clone() {
        for plain in [text(20_000), noise(1000), Vec::new()] {
            let data = encoded_in(&s.codec, &plain, &EncodeOptions::new().level(level), usize::MAX)?;
            same_bytes(format_args!("level {level}"), &decoded(&s.codec, &data)?, &plain)?;
        }
    }
    Ok(())
}

fn no_level(s: &CodecSubject) -> Result<(), Failure> {
    for level in [s.codec.about().levels.start() - 1, s.codec.about().levels.end() + 1] {
        match Encoder::new(s.codec.clone(), &EncodeOptions::new().level(level)) {
            Err(error) => same("kind", error.kind(), ErrorKind::InvalidInput)?,
            Ok(_) => return Err(Failure::new(format_args!("level {level}: expected InvalidInput"))),
        }
    }
    Ok(())
}

fn not_had(s: &CodecSubject) -> Result<(), Failure> {
    let (about, dictionary) = (s.codec.about(), &b"some words"[..]);
    let refused =
        |made: storage_core::Result<()>| made.is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
    if !about.has_dictionaries {
        let with = EncodeOptions::new().dictionary(dictionary);
        holds(
            refused(Encoder::new(s.codec.clone(), &with).map(drop)),
            "expected a dictionary to be refused",
        )?;
        let with = DecodeOptions::new().dictionary(dictionary);
        holds(refused(Decoder::new(s.codec.clone(), with).map(drop)), "expected a dictionary to be refused")?;
    }
    if !about.has_windows {
        let with = EncodeOptions::new().window_log(20);
        holds(refused(Encoder::new(s.codec.clone(), &with).map(drop)), "expected a window to be refused")?;
    }
    if !about.has_members {
        let with = EncodeOptions::new().member_size(1000);
        holds(refused(Encoder::new(s.codec.clone(), &with).map(drop)), "expected members to be refused")?;
    }
    let too_large = about.indexes.as_ref().map_or(1000, |indexes| indexes.member_max + 1);
    let with = EncodeOptions::new().indexed().member_size(too_large);
    holds(refused(Encoder::new(s.codec.clone(), &with).map(drop)), "expected such an index to be refused")?;
    Ok(())
}

fn reproducible(s: &CodecSubject) -> Result<(), Failure> {
    let plain = text(1_500_000);
    for level in [
        *s.codec.about().levels.start(),
        3.max(*s.codec.about().levels.start()).min(*s.codec.about().levels.end()),
    ] {
        let options = EncodeOptions::new().level(level);
        let whole = encoded_in(&s.codec, &plain, &options, usize::MAX)?;
        for step in [65_537, 7001] {
            let again = encoded_in(&s.codec, &plain, &options, step)?;
            same_bytes(format_args!("level {level} by {step}"), &again, &whole)?;
        }
    }
    for plain in samples() {
        let mut options = EncodeOptions::new();
        options.member_size = s.codec.about().has_members.then_some(70_000);
        let whole = encoded_in(&s.codec, &plain, &options, usize::MAX)?;
        for step in [1, 3, 1000, 4096, 65_537] {
            if step < 1000 && plain.len() > 2000 {
                continue;
            }
            let again = encoded_in(&s.codec, &plain, &options, step)?;
            same_bytes(format_args!("{} bytes by {step}", plain.len()), &again, &whole)?;
        }
    }
    Ok(())
}

/// Where nothing can be compressed the content stands there as it is, and only a checksum tells that it was changed.
fn checksum(s: &CodecSubject) -> Result<(), Failure> {
    let plain = noise(3000);
    let data = encoded(&s.codec, &plain)?;
    let begin = data.len() / 4;
    for at in begin..data.len() - begin {
        let mut bad = data.clone();
        bad[at] ^= 1;
        let found = decoded(&s.codec, &bad);
        holds(found.is_err(), format_args!("byte {at} of {} changed: expected an error", data.len()))?;
    }
    Ok(())
}

fn member_size(s: &CodecSubject) -> Result<(), Failure> {
    for (len, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10)] {
        let plain = text(len);
        for step in [1, 999, usize::MAX] {
            let data = encoded_in(&s.codec, &plain, &EncodeOptions::new().member_size(1000), step)?;
            let (found, count) = decoded_in(&s.codec, &data, DecodeOptions::new(), usize::MAX, 4096)?;
            same_bytes(format_args!("{len} bytes in members"), &found, &plain)?;
            same(format_args!("members of {len} bytes by {step}"), count, expected)?;
        }
    }
    Ok(())
}

fn flush(s: &CodecSubject) -> Result<(), Failure> {
    let mut encoder = Encoder::new(s.codec.clone(), &EncodeOptions::new())?;
    let mut decoder = Decoder::new(s.codec.clone(), DecodeOptions::new())?;
    let mut found = Vec::with_capacity(1 << 20);
    let mut meant = Vec::new();
    for part in [text(10), noise(5000), text(70_000)] {
        let mut output = Vec::with_capacity(1 << 20);
        encoder.encode(&mut part.as_slice(), &mut output)?;
        holds(encoder.flush(&mut output)?, "expected a flush to end with room left")?;
        decoder.decode(&mut output.as_slice(), &mut found)?;
        meant.extend(part);
        same_bytes("after a flush", &found, &meant)?;
    }
    let mut output = Vec::with_capacity(1 << 20);
    holds(encoder.finish(&mut output)?, "expected an end with room left")?;
    decoder.decode(&mut output.as_slice(), &mut found)?;
    holds(decoder.finish(&mut found)?, "expected a clean end")?;
    same_bytes("at the end", &found, &meant)
}

fn no_mark(s: &CodecSubject) -> Option<String> {
    (!s.codec.about().has_mark).then(|| "the format has no mark".to_owned())
}

fn no_members(s: &CodecSubject) -> Option<String> {
    (!s.codec.about().has_members).then(|| "the format has no members".to_owned())
}

fn no_index(s: &CodecSubject) -> Option<String> {
    s.codec.about().indexes.is_none().then(|| "the format has no index".to_owned())
}

fn no_index_or_store(s: &CodecSubject) -> Option<String> {
    no_index(s).or_else(|| s.store.is_none().then(|| "there is no store to read from".to_owned()))
}

fn no_tool_or_index(s: &CodecSubject) -> Option<String> {
    no_index(s).or_else(|| no_tool(s))
}

fn no_checksum(s: &CodecSubject) -> Option<String> {
    (!s.codec.about().has_checksum).then(|| "no checksum covers all of the content".to_owned())
}

fn no_tool(s: &CodecSubject) -> Option<String> {
    missing(&s.encode).or_else(|| missing(&s.decode))
}

/// All bytes may have come out by then.
fn proved(s: &CodecSubject) -> Result<(), Failure> {
    let plain = text(300_000);
    let data = encoded(&s.codec, &plain)?;
    let mut wrong = data.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 0xff;
    let whole = stream_of(&s.codec, data.clone())?;
    same_bytes("a stream", &whole.1, &plain)?;
    holds(whole.0, "expected a stream of good data to end well")?;
    for bad in [wrong, data[..last].to_vec(), [data, b"trailing".to_vec()].concat()] {
        let (ended_well, found) = stream_of(&s.codec, bad)?;
        holds(!ended_well, "expected a stream of damaged data to end with an error")?;
        holds(plain.starts_with(&found), "expected nothing but what the data said up to there")?;
    }
    Ok(())
}

/// Whether a stream of the data ends well, and what it gave.
fn stream_of(codec: &Arc<dyn Codec>, data: Vec<u8>) -> Result<(bool, Vec<u8>), Failure> {
    let pieces: Vec<_> = data.chunks(10_000).map(|piece| Ok(piece.to_vec().into())).collect();
    let mut decoded = codec::decode(Box::pin(stream::iter(pieces)), codec.clone(), DecodeOptions::new())?;
    let mut found = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ended_well = runtime.block_on(async {
        while let Some(piece) = decoded.next().await {
            match piece {
                Ok(piece) => found.extend_from_slice(&piece),
                Err(_) => return false,
            }
        }
        true
    });
    Ok((ended_well, found))
}

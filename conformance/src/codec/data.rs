//! What is encoded, and the ways through a codec that cases share.

use std::sync::Arc;

use storage_core::codec::{Codec, DecodeOptions, Decoder, EncodeOptions, Encoder};
use storage_core::{Error, Flaw, FlawKind, Result};

use crate::failure::Failure;

/// How much room a step has for output.
const ROOM: usize = 8 << 10;

/// Text with repetitions: what a codec is for.
pub(super) fn text(len: usize) -> Vec<u8> {
    let line = |n: usize| format!("{n}: the quick brown fox jumps over the lazy dog, {} times\n", n * n % 97);
    (0..).flat_map(|n| line(n).into_bytes()).take(len).collect()
}

/// Nothing to compress.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(len as u64);
    (0..len).map(|_| random.u8(..)).collect()
}

pub(super) fn encoded(codec: &Arc<dyn Codec>, plain: &[u8]) -> Result<Vec<u8>> {
    encoded_in(codec, plain, &EncodeOptions::new(), usize::MAX)
}

/// Encodes in pieces of so many bytes, with as much room for output at a time.
pub(super) fn encoded_in(
    codec: &Arc<dyn Codec>,
    plain: &[u8],
    options: &EncodeOptions,
    step: usize,
) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(codec.clone(), options)?;
    let room = step.min(ROOM);
    let (mut all, mut output) = (Vec::new(), Vec::with_capacity(room));
    for mut piece in plain.chunks(step.min(plain.len()).max(1)) {
        while !piece.is_empty() {
            encoder.encode(&mut piece, &mut output)?;
            all.append(&mut output);
            output.reserve_exact(room);
        }
    }
    loop {
        let ended = encoder.finish(&mut output)?;
        all.append(&mut output);
        output.reserve_exact(room);
        if ended {
            return Ok(all);
        }
    }
}

pub(super) fn decoded(codec: &Arc<dyn Codec>, data: &[u8]) -> Result<Vec<u8>> {
    Ok(decoded_in(codec, data, DecodeOptions::new(), usize::MAX, ROOM)?.0)
}

/// Decodes in pieces of so many bytes, with so much room for output at a time. Tells the number of members, too.
pub(super) fn decoded_in(
    codec: &Arc<dyn Codec>,
    data: &[u8],
    options: DecodeOptions,
    step: usize,
    room: usize,
) -> Result<(Vec<u8>, u64)> {
    let mut decoder = Decoder::new(codec.clone(), options)?;
    let (mut all, mut output) = (Vec::new(), Vec::with_capacity(room));
    for mut piece in data.chunks(step.min(data.len()).max(1)) {
        while !piece.is_empty() {
            decoder.decode(&mut piece, &mut output)?;
            all.append(&mut output);
            output.reserve_exact(room);
        }
    }
    loop {
        let ended = decoder.finish(&mut output)?;
        all.append(&mut output);
        output.reserve_exact(room);
        if ended {
            return Ok((all, decoder.members()));
        }
    }
}

/// The flaw that decoding finds, of this kind.
#[track_caller]
pub(super) fn flawed<T>(what: &str, decoded: Result<T>, kind: FlawKind) -> Result<Flaw, Failure> {
    let Err(error) = decoded else {
        return Err(Failure::new(format_args!("{what}: expected {kind:?}, got success")));
    };
    let flaw = flaw(what, &error)?;
    if flaw.kind() == kind {
        return Ok(flaw);
    }
    Err(Failure::new(format_args!("{what}: expected {kind:?}, got {:?}: {error}", flaw.kind())))
}

#[track_caller]
pub(super) fn flaw(what: &str, error: &Error) -> Result<Flaw, Failure> {
    let none = || Failure::new(format_args!("{what}: expected an error that tells a flaw, got {error}"));
    Flaw::of(error).cloned().ok_or_else(none)
}

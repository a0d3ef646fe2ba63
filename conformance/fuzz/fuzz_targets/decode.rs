//! Anything as compressed data: no panic, no hang, no more memory than is allowed, and the same whatever pieces it comes in.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use storage_core::codec::{Codec, DecodeOptions, Decoder};
use storage_core::{Flaw, FlawKind};

fuzz_target!(|data: &[u8]| {
    let [which, step, data @ ..] = data else { return };
    let codecs: [Arc<dyn Codec>; 7] = [
        Arc::new(storage_codec_brotli::Brotli),
        Arc::new(storage_codec_bzip2::Bzip2),
        Arc::new(storage_codec_gzip::Gzip),
        Arc::new(storage_codec_lz4::Lz4),
        Arc::new(storage_codec_snappy::Snappy),
        Arc::new(storage_codec_xz::Xz),
        Arc::new(storage_codec_zstd::Zstd),
    ];
    let codec = &codecs[usize::from(*which) % codecs.len()];
    let (whole, ended) = decoded(codec, data, usize::MAX, 64 << 10);
    let (pieces, pieces_ended) = decoded(codec, data, usize::from(*step).max(1), 97);
    if ended.is_none() || pieces_ended.is_none() {
        assert_eq!((&whole, ended), (&pieces, pieces_ended), "{codec:?}: other pieces, another end");
    }
    assert!(whole.starts_with(&pieces) || pieces.starts_with(&whole), "{codec:?}: other pieces, another text");
});

fn decoded(codec: &Arc<dyn Codec>, data: &[u8], step: usize, room: usize) -> (Vec<u8>, Option<FlawKind>) {
    let options = DecodeOptions::new().output_max(1 << 20).window_max(8 << 20);
    let mut decoder = Decoder::new(codec.clone(), options).expect("options that every codec takes");
    let (mut all, mut output) = (Vec::new(), Vec::with_capacity(room));
    let mut failed = None;
    'all: for mut piece in data.chunks(step.min(data.len()).max(1)) {
        while !piece.is_empty() {
            let done = decoder.decode(&mut piece, &mut output);
            all.append(&mut output);
            output.reserve_exact(room);
            if let Err(error) = done {
                failed = Some(error);
                break 'all;
            }
        }
    }
    while failed.is_none() {
        let done = decoder.finish(&mut output);
        all.append(&mut output);
        output.reserve_exact(room);
        match done {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
    }
    (all, failed.map(|error| Flaw::of(&error).expect("an error tells a flaw").kind()))
}

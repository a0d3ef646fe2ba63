//! Windows, skippable frames and dictionaries.

use std::sync::Arc;

use storage_codec_zstd::Zstd;
use storage_core::codec::{DecodeOptions, Decoder, EncodeOptions, Encoder};
use storage_core::{Flaw, FlawKind, Result};

fn encoded(plain: &[u8], options: &EncodeOptions) -> Vec<u8> {
    let mut output = Vec::with_capacity(plain.len() + (1 << 16));
    let mut encoder = Encoder::new(Arc::new(Zstd), options).expect("an encoder");
    encoder.encode(&mut &*plain, &mut output).expect("encoded");
    assert!(encoder.finish(&mut output).expect("ended"));
    output
}

fn decoded(data: &[u8], options: DecodeOptions) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(64 << 20);
    let mut decoder = Decoder::new(Arc::new(Zstd), options)?;
    decoder.decode(&mut &*data, &mut output)?;
    assert!(decoder.finish(&mut output)?);
    Ok(output)
}

#[test]
fn a_window_that_is_too_large_is_refused_before_it_is_held() {
    let plain: Vec<u8> =
        (0..3_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let data = encoded(&plain, &EncodeOptions::new().window_log(23));
    assert!(decoded(&data, DecodeOptions::new()).expect("whole") == plain);
    let error = decoded(&data, DecodeOptions::new().window_max(1 << 20)).expect_err("too large");
    let flaw = Flaw::of(&error).expect("a flaw");
    assert_eq!(flaw.kind(), FlawKind::TooLarge, "{flaw}");
    assert!(flaw.offset() < 20, "told at byte {}", flaw.offset());
}

#[test]
fn skippable_frames_stand_anywhere() {
    let skipped = |n: u32, len: usize| {
        [&(0x184d_2a50 | n).to_le_bytes()[..], &(len as u32).to_le_bytes(), &vec![0xaa; len]].concat()
    };
    let one = encoded(b"one", &EncodeOptions::new());
    let two = encoded(b"two", &EncodeOptions::new());
    let data = [skipped(0, 0), skipped(15, 70_000), one, skipped(3, 5), two, skipped(7, 1)].concat();
    assert_eq!(decoded(&data, DecodeOptions::new()).expect("whole"), b"onetwo");
    let error = decoded(&data[..data.len() - 1], DecodeOptions::new()).expect_err("cut");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::UnexpectedEnd));
    assert!(decoded(&skipped(1, 9), DecodeOptions::new()).expect("nothing is in it").is_empty());
}

#[test]
fn a_dictionary_is_needed_again() {
    let dictionary = b"the quick brown fox jumps over the lazy dog, again and again and again".to_vec();
    let plain = b"the quick brown fox jumps over the lazy dog, again";
    let data = encoded(plain, &EncodeOptions::new().dictionary(dictionary.clone()));
    assert!(data.len() < encoded(plain, &EncodeOptions::new()).len());
    assert_eq!(decoded(&data, DecodeOptions::new().dictionary(dictionary)).expect("whole"), plain);
    assert!(decoded(&data, DecodeOptions::new()).is_err());
}

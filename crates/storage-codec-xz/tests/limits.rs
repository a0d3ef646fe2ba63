//! Windows, and checksums that cannot be checked.

use std::sync::Arc;

use storage_codec_xz::Xz;
use storage_core::codec::{DecodeOptions, Decoder, EncodeOptions, Encoder};
use storage_core::{Flaw, FlawKind, Result};

fn encoded(plain: &[u8], level: i32) -> Vec<u8> {
    let mut output = Vec::with_capacity(1 << 16);
    let mut encoder = Encoder::new(Arc::new(Xz), &EncodeOptions::new().level(level)).expect("an encoder");
    encoder.encode(&mut &*plain, &mut output).expect("encoded");
    assert!(encoder.finish(&mut output).expect("ended"));
    output
}

fn decoded(data: &[u8], options: DecodeOptions) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(1 << 16);
    let mut decoder = Decoder::new(Arc::new(Xz), options)?;
    decoder.decode(&mut &*data, &mut output)?;
    assert!(decoder.finish(&mut output)?);
    Ok(output)
}

#[test]
fn a_window_that_is_too_large_is_refused() {
    let data = encoded(b"content", 9);
    assert_eq!(decoded(&data, DecodeOptions::new()).expect("whole"), b"content");
    let error = decoded(&data, DecodeOptions::new().window_max(1 << 20)).expect_err("64 MiB");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::TooLarge));
}

#[test]
fn padding_stands_between_streams_in_fours() {
    let (one, two) = (encoded(b"one", 6), encoded(b"two", 6));
    for count in [0, 4, 16, 20, 4096] {
        let data = [&one[..], &vec![0; count], &two, &vec![0; count]].concat();
        assert_eq!(decoded(&data, DecodeOptions::new()).expect("whole"), b"onetwo", "{count}");
    }
    for count in [1, 3, 17] {
        let error =
            decoded(&[&one[..], &vec![0; count]].concat(), DecodeOptions::new()).expect_err("no four");
        assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::TrailingData), "{count}");
    }
}

/// Nobody has defined it: what it says cannot be held against the content.
#[test]
fn an_unknown_checksum_is_unsupported() {
    let mut data = encoded(b"content", 6);
    let flags = [0, 2];
    let crc = crc32(&flags).to_le_bytes();
    data[6..8].copy_from_slice(&flags);
    data[8..12].copy_from_slice(&crc);
    let error = decoded(&data, DecodeOptions::new()).expect_err("unsupported");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::Unsupported), "{error}");
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !data.iter().fold(!0, step)
}

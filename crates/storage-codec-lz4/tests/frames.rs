//! Frames as others write them.

use std::sync::Arc;

use lz4_flex::block::{compress, compress_with_dict};
use storage_codec_lz4::Lz4;
use storage_core::codec::{DecodeOptions, Decoder};
use storage_core::{Flaw, FlawKind, Result};
use xxhash_rust::xxh32::xxh32;

fn decoded(data: &[u8], options: DecodeOptions) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(64 << 20);
    let mut decoder = Decoder::new(Arc::new(Lz4), options)?;
    decoder.decode(&mut &*data, &mut output)?;
    assert!(decoder.finish(&mut output)?);
    Ok(output)
}

/// A frame's beginning; `fields` are flags, sizes and what they announce.
fn header(fields: &[u8]) -> Vec<u8> {
    [&0x184d_2204u32.to_le_bytes()[..], fields, &[(xxh32(fields, 0) >> 8) as u8]].concat()
}

fn block(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_le_bytes()[..], data].concat()
}

const END: [u8; 4] = [0; 4];

fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{n} and {}; ", n % 17).into_bytes()).take(len).collect()
}

#[test]
fn blocks_that_look_back() {
    let plain = text(150_000);
    let mut data = header(&[0b0100_0000, 4 << 4]);
    for (at, piece) in plain.chunks(50_000).enumerate() {
        let before = &plain[..at * 50_000];
        data.extend(block(&compress_with_dict(piece, &before[before.len().saturating_sub(65_536)..])));
    }
    data.extend(END);
    assert!(decoded(&data, DecodeOptions::new()).expect("whole") == plain);
}

#[test]
fn every_checksum_and_length_is_held_against_the_content() {
    let plain = text(1000);
    let packed = compress(&plain);
    // Blocks alone, checksums of blocks and content, the length of the content.
    let fields = [&[0b0111_1100, 4 << 4][..], &1000u64.to_le_bytes()].concat();
    let whole = [
        header(&fields),
        block(&packed),
        xxh32(&packed, 0).to_le_bytes().to_vec(),
        END.to_vec(),
        xxh32(&plain, 0).to_le_bytes().to_vec(),
    ]
    .concat();
    assert_eq!(decoded(&whole, DecodeOptions::new()).expect("whole"), plain);
    for at in 4..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        assert!(decoded(&bad, DecodeOptions::new()).is_err(), "byte {at} of {}", whole.len());
    }
    for length in [999u64, 1001] {
        let fields = [&[0b0110_1000, 4 << 4][..], &length.to_le_bytes()].concat();
        let other = [header(&fields), block(&packed), END.to_vec()].concat();
        let error = decoded(&other, DecodeOptions::new()).expect_err("another length");
        assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::Damaged));
    }
}

#[test]
fn frames_of_the_older_format() {
    let legacy = |blocks: &[&[u8]]| {
        let blocks: Vec<u8> = blocks.iter().flat_map(|plain| block(&compress(plain))).collect();
        [&0x184c_2102u32.to_le_bytes()[..], &blocks].concat()
    };
    let (one, two) = (text(3000), text(70));
    let frame = header(&[0b0110_0000, 4 << 4]);
    let modern = [frame, block(&compress(b"modern")), END.to_vec()].concat();
    for (data, meant) in [
        (legacy(&[&one, &two]), [&one[..], &two].concat()),
        (legacy(&[]), vec![]),
        ([legacy(&[&one]), modern.clone()].concat(), [&one[..], b"modern"].concat()),
        ([legacy(&[&one]), legacy(&[&two])].concat(), [&one[..], &two].concat()),
        ([modern, legacy(&[&two])].concat(), [b"modern", &two[..]].concat()),
    ] {
        assert_eq!(decoded(&data, DecodeOptions::new()).expect("whole"), meant);
    }
    let error = decoded(&[legacy(&[&one]), b"something else".to_vec()].concat(), DecodeOptions::new());
    assert_eq!(Flaw::of(&error.expect_err("trailing data")).map(Flaw::kind), Some(FlawKind::TrailingData));
    let data = legacy(&[&one]);
    let error = decoded(&data[..data.len() - 1], DecodeOptions::new()).expect_err("cut");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::UnexpectedEnd));
}

#[test]
fn blocks_beyond_the_window_are_refused() {
    let data = [header(&[0b0110_0000, 7 << 4]), END.to_vec()].concat();
    assert!(decoded(&data, DecodeOptions::new()).expect("empty").is_empty());
    let error = decoded(&data, DecodeOptions::new().window_max(1 << 20)).expect_err("4 MiB");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::TooLarge));
}

#[test]
fn a_dictionary_is_looked_back_into() {
    let (dictionary, plain) = (text(5000), text(4000));
    let data =
        [header(&[0b0110_0000, 4 << 4]), block(&compress_with_dict(&plain, &dictionary)), END.to_vec()]
            .concat();
    assert_eq!(decoded(&data, DecodeOptions::new().dictionary(dictionary)).expect("whole"), plain);
    assert!(decoded(&data, DecodeOptions::new()).is_err());
}

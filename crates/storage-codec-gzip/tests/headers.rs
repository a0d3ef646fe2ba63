//! What stands in a header besides its ten bytes.

use std::sync::Arc;

use storage_codec_gzip::Gzip;
use storage_core::codec::{Codecs, DecodeOptions, Decoder, EncodeOptions, Encoder};
use storage_core::{Flaw, FlawKind, Result};

fn encoded(plain: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(1 << 16);
    let mut encoder = Encoder::new(Arc::new(Gzip), &EncodeOptions::new()).expect("an encoder");
    encoder.encode(&mut &*plain, &mut output).expect("encoded");
    assert!(encoder.finish(&mut output).expect("ended"));
    output
}

fn decoded(data: &[u8], options: DecodeOptions) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(1 << 16);
    let mut decoder = Decoder::new(Arc::new(Gzip), options)?;
    decoder.decode(&mut &*data, &mut output)?;
    assert!(decoder.finish(&mut output)?);
    Ok(output)
}

/// A member with these flags, and these bytes behind its fixed header.
fn with(flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut member = encoded(b"content");
    member[3] = flags;
    member.splice(10..10, fields.iter().copied());
    member
}

#[test]
fn fields_are_passed_over() {
    let extra = [3, 0, b'x', b'y', b'z'];
    for (flags, fields) in [
        (0x01, vec![]), // "probably text" has no field
        (0x04, extra.to_vec()),
        (0x04, vec![0, 0]),
        (0x08, b"a name\0".to_vec()),
        (0x10, b"a comment\0".to_vec()),
        (0x1c, [&extra[..], b"a name\0a comment\0"].concat()),
    ] {
        assert_eq!(
            decoded(&with(flags, &fields), DecodeOptions::new()).expect("whole"),
            b"content",
            "{flags:#x}"
        );
    }
}

#[test]
fn a_header_has_a_checksum_if_it_says_so() {
    let mut member = with(0x02, &[0, 0]);
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(&member[..10]);
        (crc.sum() as u16).to_le_bytes()
    };
    let error = decoded(&member, DecodeOptions::new()).expect_err("another checksum");
    assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::Damaged));
    member[10..12].copy_from_slice(&crc);
    assert_eq!(decoded(&member, DecodeOptions::new()).expect("whole"), b"content");
}

#[test]
fn a_long_name_is_refused() {
    let member = with(0x08, &[&[b'n'; 5000][..], b"\0"].concat());
    assert_eq!(decoded(&member, DecodeOptions::new()).expect("whole"), b"content");
    let error = decoded(&member, DecodeOptions::new().header_max(4000)).expect_err("too long");
    let flaw = Flaw::of(&error).expect("a flaw");
    assert_eq!((flaw.kind(), flaw.offset()), (FlawKind::TooLarge, 4001));
}

#[test]
fn other_methods_and_flags_are_unsupported() {
    for (at, value) in [(2, 7), (3, 0x20), (3, 0x80)] {
        let mut member = encoded(b"content");
        member[at] = value;
        let error = decoded(&member, DecodeOptions::new()).expect_err("unsupported");
        assert_eq!(Flaw::of(&error).map(Flaw::kind), Some(FlawKind::Unsupported));
    }
}

#[test]
fn zeros_behind_the_last_member_mean_nothing() {
    let member = encoded(b"content");
    for count in [1, 15, 16, 17, 512, 10_240] {
        let padded = [&member[..], &vec![0; count]].concat();
        assert_eq!(decoded(&padded, DecodeOptions::new()).expect("whole"), b"content", "{count}");
        let error = decoded(&[&padded[..], b"x"].concat(), DecodeOptions::new()).expect_err("trailing data");
        let flaw = Flaw::of(&error).expect("a flaw");
        assert_eq!((flaw.kind(), flaw.offset()), (FlawKind::TrailingData, padded.len() as u64), "{count}");
    }
}

#[test]
fn it_is_told_by_its_mark_whatever_its_name() {
    let codecs = Codecs::new([Arc::new(Gzip) as Arc<dyn storage_core::codec::Codec>]);
    let name = |head: &[u8], name: &str| codecs.detect(head, name).map(|codec| codec.about().name);
    assert_eq!(name(&encoded(b""), "x.txt"), Some("gzip"));
    assert_eq!(name(b"some text", "x.gz"), Some("gzip"), "which is found to be damaged");
    assert_eq!(name(b"", "x.gz"), Some("gzip"));
    assert_eq!(name(b"some text", "x.txt"), None);
}

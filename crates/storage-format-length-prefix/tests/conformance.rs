//! The suite on every way to write a length.

use std::process::ExitCode;

use storage_conformance::FormatSubject;
use storage_format_length_prefix::{LengthPrefix, TfRecord, Varint, Width};

fn main() -> ExitCode {
    let records = || {
        let of =
            |(n, length): (u8, usize)| (0..length).map(|at| (at as u8).wrapping_mul(n)).collect::<Vec<u8>>();
        (1..).zip([2, 3, 127, 128, 129, 255, 256, 300, 1000, 2]).map(of)
    };
    let fixed = |framing: LengthPrefix, head: &[u8]| FormatSubject::new(framing, records()).boundless(head);
    let long = vec![0; 1 << 16];
    storage_conformance::run_format([
        FormatSubject::new(LengthPrefix::big_endian(Width::U16), records()).refuses([long.clone()]),
        FormatSubject::new(LengthPrefix::little_endian(Width::U16), records()).refuses([long]),
        fixed(LengthPrefix::big_endian(Width::U32), &[0xff; 4]),
        fixed(LengthPrefix::little_endian(Width::U32), &[0xff; 4]),
        fixed(LengthPrefix::big_endian(Width::U64), &[0xff; 8]),
        fixed(LengthPrefix::little_endian(Width::U64), &[0xff, 0, 0, 0, 0, 0, 0, 0x80]),
        FormatSubject::new(Varint, records())
            .boundless([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        // Eight bytes of ones, with the checksum that they have.
        FormatSubject::new(TfRecord, records()).boundless(tfrecord_head(u64::MAX)),
    ])
}

/// A length as TFRecord announces it.
fn tfrecord_head(length: u64) -> Vec<u8> {
    let bytes = length.to_le_bytes();
    let crc = storage_core::Algorithm::Crc32c.digest(&bytes);
    let crc = u32::from_be_bytes(*crc.as_bytes().first_chunk().expect("because it has four bytes"));
    let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
    [&bytes[..], &masked.to_le_bytes()].concat()
}

#![doc = include_str!("../README.md")]

mod decode;
mod encode;
mod header;

use storage_core::Result;
use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};

const ABOUT: About = About {
    name: NAME,
    extensions: &["gz", "gzip"],
    levels: 0..=9,
    has_end: true,
    has_checksum: true,
    has_dictionaries: false,
    has_windows: false,
};
/// The name of the format in errors.
const NAME: &str = "gzip";
/// How every member begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// gzip, RFC 1952.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Gzip;

impl Codec for Gzip {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], first: bool) -> Next {
        if head.starts_with(&MAGIC) || MAGIC.starts_with(head) {
            return Next::Member;
        }
        // Tapes and block devices fill up with zeros.
        let zeros = head.iter().take_while(|byte| **byte == 0).count();
        if first || zeros == 0 { Next::Other } else { Next::Padding(zeros) }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        head.starts_with(&MAGIC)
    }

    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::GzipDecoder::new(options.header_max)))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::GzipEncoder::new(options.level.unwrap_or(6).unsigned_abs())))
    }
}

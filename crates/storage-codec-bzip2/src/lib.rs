#![doc = include_str!("../README.md")]

mod decode;
mod encode;

use storage_core::Result;
use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};

const ABOUT: About = About {
    name: NAME,
    extensions: &["bz2", "bzip2"],
    levels: 1..=9,
    has_mark: true,
    has_members: true,
    has_end: true,
    has_checksum: true,
    has_dictionaries: false,
    has_windows: false,
    has_threads: false,
    indexes: None,
};
/// The name of the format in errors.
const NAME: &str = "bzip2";
/// How every stream begins; the size of its blocks follows as a digit.
const MAGIC: &[u8] = b"BZh";
/// How blocks begin, and how streams end: digits of π and of its square root.
const BLOCKS: [[u8; 6]; 2] = [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];

/// bzip2.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Bzip2;

impl Codec for Bzip2 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], _: bool) -> Next {
        if begins(head) { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        head.len() >= 10 && begins(head)
    }

    fn decoder(&self, _: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::Bzip2Decoder::new()))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::Bzip2Encoder::new(options.level.unwrap_or(9).unsigned_abs())))
    }
}

/// Whether a stream begins so, as far as it goes.
fn begins(head: &[u8]) -> bool {
    let (magic, rest) = head.split_at(head.len().min(MAGIC.len()));
    let (digit, rest) = rest.split_at(rest.len().min(1));
    let block = &rest[..rest.len().min(6)];
    MAGIC.starts_with(magic)
        && digit.iter().all(|digit| (b'1'..=b'9').contains(digit))
        && BLOCKS.iter().any(|begin| begin.starts_with(block))
}

#![doc = include_str!("../README.md")]

mod bgzf;
mod decode;
mod encode;
mod header;

use storage_core::codec::{
    About, Codec, DecodeOptions, EncodeOptions, Extent, MemberDecoder, MemberEncoder, Next, Place, Walk,
};
use storage_core::{Flaw, Result};

const ABOUT: About = About {
    name: NAME,
    extensions: &["gz", "gzip"],
    levels: 0..=9,
    has_mark: true,
    has_members: true,
    has_end: true,
    has_checksum: true,
    has_dictionaries: false,
    has_windows: false,
    has_threads: false,
    indexes: Some(bgzf::INDEXES),
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
        let level = options.level.unwrap_or(6).unsigned_abs();
        Ok(match options.indexed {
            true => Box::new(bgzf::BgzfEncoder::new(level)),
            false => Box::new(encode::GzipEncoder::new(level)),
        })
    }

    fn walk(&self, data: &[u8], _: usize) -> Walk {
        bgzf::walk(data)
    }

    fn index(&self, _: &[Extent]) -> Result<Vec<u8>> {
        Ok(bgzf::END.to_vec())
    }

    fn index_beside(&self, members: &[Extent]) -> Vec<u8> {
        bgzf::beside(members)
    }

    fn read_index_beside(&self, file: &[u8]) -> Result<Vec<Place>, Flaw> {
        bgzf::read_beside(file)
    }
}

#![doc = include_str!("../README.md")]

mod chunk;
mod decode;
mod encode;

use storage_core::Result;
use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};

use chunk::BEGIN;

const ABOUT: About = About {
    name: NAME,
    extensions: &["sz", "snappy"],
    levels: 1..=1,
    // It ends where the data ends.
    has_mark: true,
    has_members: true,
    has_end: false,
    // Each chunk has one, and nothing covers their sequence: one bit makes a chunk of data one that is skipped.
    has_checksum: false,
    has_dictionaries: false,
    has_windows: false,
    has_threads: false,
    indexes: None,
};
/// The name of the format in errors.
const NAME: &str = "snappy";

/// The Snappy framing format.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Snappy;

impl Codec for Snappy {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], _: bool) -> Next {
        if head.starts_with(&BEGIN) || BEGIN.starts_with(head) { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        head.starts_with(&BEGIN)
    }

    fn decoder(&self, _: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::SnappyDecoder::new()))
    }

    fn encoder(&self, _: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::SnappyEncoder::new()))
    }
}

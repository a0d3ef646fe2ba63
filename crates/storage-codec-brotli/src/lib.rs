#![doc = include_str!("../README.md")]

mod decode;
mod encode;

use storage_core::Result;
use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};

const ABOUT: About = About {
    name: NAME,
    extensions: &["br"],
    levels: 0..=11,
    has_mark: false,
    has_members: false,
    has_end: true,
    has_checksum: false,
    has_dictionaries: false,
    has_windows: true,
    has_threads: false,
    indexes: None,
};
/// The name of the format in errors.
const NAME: &str = "brotli";

/// Brotli, RFC 7932.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Brotli;

impl Codec for Brotli {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, _: &[u8], first: bool) -> Next {
        // Anything may begin a stream, and nothing follows one.
        if first { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, _: &[u8]) -> bool {
        false
    }

    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::BrotliDecoder::new(options)))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::BrotliEncoder::new(options)?))
    }
}

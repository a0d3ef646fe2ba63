#![doc = include_str!("../README.md")]

mod decode;
mod encode;
mod frame;

use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};
use storage_core::{Error, ErrorKind, Result};

use frame::Magic;

const ABOUT: About = About {
    name: NAME,
    extensions: &["lz4"],
    // The library has one way to compress, the fast one.
    levels: 1..=1,
    has_mark: true,
    has_members: true,
    has_end: true,
    has_checksum: true,
    has_dictionaries: true,
    has_windows: false,
    has_threads: false,
    indexes: None,
};
/// The name of the format in errors.
const NAME: &str = "lz4";

/// The LZ4 frame format.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Lz4;

impl Codec for Lz4 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], _: bool) -> Next {
        // Cut within its first four bytes, it is still one that was cut.
        let is_cut = head.len() < 4 && Magic::begins(head);
        if is_cut || Magic::of(head).is_some() { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        Magic::of(head).is_some_and(|magic| magic != Magic::Skippable)
    }

    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::Lz4Decoder::new(options)))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        if options.dictionary.is_some() {
            return Err(Error::new(ErrorKind::InvalidInput, "lz4 is written without dictionaries here"));
        }
        Ok(Box::new(encode::Lz4Encoder::new()))
    }
}

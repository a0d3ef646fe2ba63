#![doc = include_str!("../README.md")]

mod decode;
mod encode;
mod seekable;
mod walk;

use storage_core::codec::{
    About, Codec, DecodeOptions, EncodeOptions, Extent, MemberDecoder, MemberEncoder, Next, Tail, Walk,
};
use storage_core::{Flaw, Result};

const ABOUT: About = About {
    name: NAME,
    extensions: &["zst", "zstd"],
    // The fast ones below zero go further, and nobody uses those.
    levels: -7..=22,
    has_mark: true,
    has_members: true,
    has_end: true,
    has_checksum: true,
    has_dictionaries: true,
    has_windows: true,
    has_threads: true,
    indexes: Some(seekable::INDEXES),
};
/// The name of the format in errors.
const NAME: &str = "zstd";
/// How a frame begins (RFC 8878, 3.1.1).
const FRAME: u32 = 0xfd2f_b528;
/// How a skippable frame begins, but for its last four bits (RFC 8878, 3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;
/// How frames of versions before 0.8 begin, but for their last four bits: of 0.5 to 0.7, which the library still reads.
const OLD: [u32; 3] = [0xfd2f_b525, 0xfd2f_b526, 0xfd2f_b527];

/// Zstandard, RFC 8878.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Zstd;

impl Codec for Zstd {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], _: bool) -> Next {
        let begins = |magic: u32| magic.to_le_bytes().starts_with(head);
        // Cut within its first four bytes, it is still one that was cut.
        let is_cut = head.len() < 4 && (begins(FRAME) || (0..16).any(|n| begins(SKIPPABLE | n)));
        if is_cut || is_frame(head) { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        is_frame(head)
    }

    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::ZstdDecoder::new(options)?))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::ZstdEncoder::new(options)?))
    }

    fn walk(&self, data: &[u8], from: usize) -> Walk {
        walk::walk(data, from)
    }

    fn index(&self, members: &[Extent]) -> Result<Vec<u8>> {
        seekable::table(members)
    }

    fn find_index(&self, tail: &[u8]) -> Result<Tail, Flaw> {
        seekable::find(tail)
    }
}

fn is_frame(head: &[u8]) -> bool {
    let Some(magic) = head.first_chunk::<4>() else { return false };
    let magic = u32::from_le_bytes(*magic);
    magic == FRAME || magic & !15 == SKIPPABLE || OLD.contains(&magic)
}

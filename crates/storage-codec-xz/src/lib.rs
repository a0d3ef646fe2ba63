#![doc = include_str!("../README.md")]

mod decode;
mod encode;

use storage_core::Result;
use storage_core::codec::{About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next};

const ABOUT: About = About {
    name: NAME,
    extensions: &["xz"],
    levels: 0..=9,
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
const NAME: &str = "xz";
/// How every stream begins (the .xz file format, 2.1.1.1).
const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Streams are padded to a multiple of this.
const ALIGNMENT: usize = 4;

/// The .xz file format.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default)]
pub struct Xz;

impl Codec for Xz {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn next(&self, head: &[u8], first: bool) -> Next {
        if head.starts_with(&MAGIC) || MAGIC.starts_with(head) {
            return Next::Member;
        }
        let zeros = head.iter().take_while(|byte| **byte == 0).count();
        match zeros - zeros % ALIGNMENT {
            0 => Next::Other,
            _ if first => Next::Other,
            padding => Next::Padding(padding),
        }
    }

    fn is_marked(&self, head: &[u8]) -> bool {
        head.starts_with(&MAGIC)
    }

    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::new(decode::XzDecoder::new(options.window_max)))
    }

    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::new(encode::XzEncoder::new(options.level.unwrap_or(6).unsigned_abs())?))
    }
}

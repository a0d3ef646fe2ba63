//! What stands around blocks. Source: "LZ4 Frame Format Description", version 1.6.4, of the LZ4 project.

use storage_core::{Flaw, FlawKind};
use xxhash_rust::xxh32::xxh32;

use crate::NAME;

/// How far back a block may look into those before it.
pub(crate) const WINDOW: usize = 64 << 10;
/// A block of the old format has no more.
pub(crate) const LEGACY_BLOCK: usize = 8 << 20;
/// Set in the size of a block that stands there as it is.
pub(crate) const STORED: u32 = 1 << 31;

const FRAME: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;
/// But for the last four bits.
const SKIPPABLE: u32 = 0x184d_2a50;

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Frame,
    /// Of 2012, still written by kernels' build scripts.
    Legacy,
    Skippable,
}

impl Magic {
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match u32::from_le_bytes(*head.first_chunk()?) {
            FRAME => Some(Self::Frame),
            LEGACY => Some(Self::Legacy),
            number if number & !15 == SKIPPABLE => Some(Self::Skippable),
            _ => None,
        }
    }

    /// Whether one may begin so.
    pub(crate) fn begins(head: &[u8]) -> bool {
        let all = [FRAME, LEGACY].into_iter().chain((0..16).map(|n| SKIPPABLE | n));
        all.into_iter().any(|magic| magic.to_le_bytes().starts_with(head))
    }
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Blocks look back into those before them.
    pub(crate) is_linked: bool,
    pub(crate) has_block_checksums: bool,
    pub(crate) has_checksum: bool,
    pub(crate) content: Option<u64>,
    pub(crate) dictionary: Option<u32>,
    /// The most bytes of a block.
    pub(crate) block_max: usize,
}

impl Header {
    /// How many bytes a header has that begins with these two, the checksum at its end included.
    pub(crate) fn len(flags: u8) -> usize {
        let (content, dictionary) = (flags >> 3 & 1 == 1, flags & 1 == 1);
        3 + 8 * usize::from(content) + 4 * usize::from(dictionary)
    }

    /// Reads a whole one, which stands behind the magic number.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let (fields, checksum) = bytes.split_at(bytes.len() - 1);
        if checksum[0] != check(fields) {
            return Err(Flaw::new(FlawKind::Damaged, NAME, "the header has another checksum"));
        }
        let (flags, sizes) = (fields[0], fields[1]);
        let unsupported = |what: String| Err(Flaw::new(FlawKind::Unsupported, NAME, what));
        if flags >> 6 != 1 {
            return unsupported(format!("version {} of the format; there is only 1", flags >> 6));
        }
        let block_max = match sizes >> 4 & 7 {
            size @ 4..=7 => 1 << (8 + 2 * size),
            size => return unsupported(format!("the size {size} of blocks, which means nothing yet")),
        };
        if flags & 2 != 0 || sizes & 0x8f != 0 {
            return unsupported("bits of the header that mean nothing yet".into());
        }
        let mut rest = &fields[2..];
        let mut number = |size: usize| {
            let (bytes, left) = rest.split_at(size);
            rest = left;
            bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let content = (flags >> 3 & 1 == 1).then(|| number(8));
        let dictionary = (flags & 1 == 1).then(|| number(4) as u32);
        Ok(Self {
            is_linked: flags >> 5 & 1 == 0,
            has_block_checksums: flags >> 4 & 1 == 1,
            has_checksum: flags >> 2 & 1 == 1,
            content,
            dictionary,
            block_max,
        })
    }
}

/// A frame's beginning as it is written here: blocks of 256 KiB that stand alone, and a checksum of the content.
pub(crate) fn begin() -> Vec<u8> {
    let fields = [0b0110_0100, 5 << 4];
    [&FRAME.to_le_bytes()[..], &fields, &[check(&fields)]].concat()
}

/// How many bytes a block has that is written here.
pub(crate) const BLOCK: usize = 256 << 10;

fn check(fields: &[u8]) -> u8 {
    (xxh32(fields, 0) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Header, begin};

    #[test]
    fn what_is_begun_reads_back() {
        let header = Header::read(&begin()[4..]).expect("a header");
        assert_eq!((header.block_max, header.has_checksum, header.is_linked), (BLOCK, true, false));
        assert_eq!((header.content, header.dictionary, header.has_block_checksums), (None, None, false));
    }
}

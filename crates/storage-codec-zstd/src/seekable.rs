//! The seekable format: frames that stand alone, and behind them a table of their lengths in a frame that others skip.
//!
//! Source: "Zstandard Seekable Format", version 0.1.0, of the Zstandard project. Numbers have their lowest byte first.

use storage_core::codec::{Extent, Indexes, Tail};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::NAME;

pub(crate) const INDEXES: Indexes = Indexes {
    member_size: 2 << 20,
    // As the format says.
    member_max: 1 << 30,
    beside: None,
};

/// How the frame begins that holds the table.
const FRAME: u32 = 0x184d_2a5e;
/// How the table ends.
const MAGIC: u32 = 0x8f92_eab1;
/// The magic number and the length of the frame.
const HEAD: usize = 8;
/// The number of entries, the flags, the magic number.
const FOOTER: usize = 9;
/// The most frames that a table holds.
const MEMBERS_MAX: usize = 0x800_0000;
/// Set if each entry has a checksum of the content.
const HAS_CHECKSUMS: u8 = 1 << 7;
/// What means nothing yet, and has to be unset.
const RESERVED: u8 = 0b0111_1100;

pub(crate) fn table(members: &[Extent]) -> Result<Vec<u8>> {
    if members.len() > MEMBERS_MAX {
        let message =
            format!("{} frames are more than an index of zstd holds; make them larger", members.len());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let length = (8 * members.len() + FOOTER) as u32;
    let mut table = Vec::with_capacity(HEAD + length as usize);
    table.extend_from_slice(&FRAME.to_le_bytes());
    table.extend_from_slice(&length.to_le_bytes());
    for member in members {
        table.extend_from_slice(&member.encoded.to_le_bytes());
        table.extend_from_slice(&member.decoded.to_le_bytes());
    }
    table.extend_from_slice(&(members.len() as u32).to_le_bytes());
    // Each frame has its own checksum.
    table.push(0);
    table.extend_from_slice(&MAGIC.to_le_bytes());
    Ok(table)
}

pub(crate) fn find(tail: &[u8]) -> Result<Tail, Flaw> {
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| tail[at + i]));
    let Some(footer) = tail.len().checked_sub(FOOTER).filter(|footer| number(footer + 5) == MAGIC) else {
        return Ok(Tail::None);
    };
    let damaged = |at: usize, what: &str| Flaw::new(FlawKind::Damaged, NAME, what).at(at as u64, 0);
    let flags = tail[footer + 4];
    if flags & RESERVED != 0 {
        let what = format!("an index with flags {flags:#04x}, of which some mean nothing yet");
        return Err(Flaw::new(FlawKind::Unsupported, NAME, what).at(footer as u64 + 4, 0));
    }
    let entry = if flags & HAS_CHECKSUMS == 0 { 8 } else { 12 };
    let count = number(footer) as usize;
    let length = HEAD + entry * count + FOOTER;
    if count > MEMBERS_MAX {
        return Err(damaged(footer, "an index of more frames than the format has"));
    }
    let Some(begin) = tail.len().checked_sub(length) else { return Ok(Tail::Longer(length as u64)) };
    if number(begin) != FRAME || number(begin + 4) as usize != length - HEAD {
        return Err(damaged(begin, "the index is not as long as it says"));
    }
    let extent = |at: usize| Extent { encoded: number(at), decoded: number(at + 4) };
    let members = (0..count).map(|at| extent(begin + HEAD + entry * at)).collect();
    Ok(Tail::Index(members, length as u64))
}

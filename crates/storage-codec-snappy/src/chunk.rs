//! What a stream consists of. Source: "Snappy framing format description" of the Snappy project, revision of 2013-10-25.

use crc_fast::{CrcAlgorithm, checksum};

/// How every stream begins.
pub(crate) const BEGIN: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";
/// A chunk's type and length.
pub(crate) const HEAD: usize = 4;
/// The checksum of a chunk's content.
pub(crate) const CHECKSUM: usize = 4;
/// A chunk means no more bytes than this.
pub(crate) const CONTENT_MAX: usize = 64 << 10;

pub(crate) const COMPRESSED: u8 = 0x00;
pub(crate) const STORED: u8 = 0x01;
pub(crate) const IDENTIFIER: u8 = 0xff;
/// From here on chunks are skipped, up to the padding.
const SKIPPABLE: u8 = 0x80;

/// Whether a chunk of this type may be skipped.
pub(crate) fn is_skippable(kind: u8) -> bool {
    (SKIPPABLE..IDENTIFIER).contains(&kind)
}

/// The checksum of content, as chunks carry it: so that one of data with a checksum in it is not weaker.
pub(crate) fn masked(content: &[u8]) -> [u8; CHECKSUM] {
    // Nothing is cut: the checksum has 32 bits.
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, content) as u32;
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

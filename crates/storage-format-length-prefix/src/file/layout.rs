//! What stands where. All of it is described in `docs/record-file.md`; numbers have their lowest byte first.

use crc_fast::{CrcAlgorithm, Digest, checksum};
use storage_core::{Flaw, FlawKind};

use super::NAME;

/// How a file begins. No text does, and what takes it for text breaks it at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89HREC\r\n\x1a";
/// How a block begins.
pub(super) const MARKER: [u8; 8] = *b"\x1eHRECBLK";
/// How a file ends.
pub(super) const END: [u8; 8] = *b"HRECEND\n";
/// The version that is described there.
pub(super) const VERSION: u16 = 1;
/// Bytes of a file's head.
pub(super) const HEAD: usize = 64;
/// Bytes of a block's head.
pub(super) const BLOCK: usize = 64;
/// Bytes of a file's foot.
pub(super) const FOOT: usize = 32;
/// A block of several records holds no more than this before it is compressed.
pub(super) const BLOCK_MAX: usize = 16 << 20;
/// The longest length of a record.
pub(super) const LENGTH_MAX: usize = 10;

/// The numbers of codecs. 0 is none.
const CODECS: [&str; 7] = ["gzip", "zstd", "lz4", "snappy", "xz", "bzip2", "brotli"];

/// A number that tells blocks of one file from those of others.
pub(super) type Id = [u8; 16];

pub(super) fn codec_number(name: &str) -> Option<u8> {
    CODECS.iter().position(|known| *known == name).map(|at| at as u8 + 1)
}

pub(super) fn codec_name(number: u8) -> Option<&'static str> {
    CODECS.get(usize::from(number).checked_sub(1)?).copied()
}

pub(super) fn crc(data: &[u8]) -> u32 {
    // Cannot be cut: the checksum has 32 bits.
    checksum(CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// The checksum of what comes piece by piece.
#[derive(Debug)]
pub(super) struct Crc(Digest);

impl Crc {
    pub(super) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub(super) fn finish(&self) -> u32 {
        self.0.finalize() as u32
    }
}

fn flaw<T>(kind: FlawKind, message: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::new(kind, NAME, message))
}

fn array<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| data[at + i])
}

fn number32(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(data, at))
}

fn number64(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(data, at))
}

pub(super) fn file_head(id: Id) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_le_bytes());
    head[10..12].copy_from_slice(&(HEAD as u16).to_le_bytes());
    head[16..32].copy_from_slice(&id);
    let crc = crc(&head[..60]);
    head[60..].copy_from_slice(&crc.to_le_bytes());
    head
}

pub(super) fn read_file_head(head: &[u8; HEAD]) -> Result<Id, Flaw> {
    if head[..8] != MAGIC {
        return flaw(FlawKind::Foreign, "");
    }
    if number32(head, 60) != crc(&head[..60]) {
        return flaw(FlawKind::Damaged, "the head of the file has another checksum");
    }
    let version = u16::from_le_bytes(array(head, 8));
    if version != VERSION || number32(head, 12) != 0 {
        return flaw(
            FlawKind::Unsupported,
            format!("a file of version {version}; this reads version {VERSION}"),
        );
    }
    Ok(array(head, 16))
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records.
    Data,
    /// The last one, with where all others are.
    End,
}

/// A block's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) id: Id,
    /// Where it is in the file.
    pub(super) offset: u64,
    /// The number of its first record; of the last block the number of all records.
    pub(super) number: u64,
    /// How many records it has; the last one how many other blocks there are.
    pub(super) records: u32,
    pub(super) encoded: u32,
    pub(super) decoded: u32,
    pub(super) kind: Kind,
    pub(super) codec: u8,
    /// The checksum of its content as it stands there.
    pub(super) crc: u32,
}

impl BlockHead {
    pub(super) fn to_bytes(&self) -> [u8; BLOCK] {
        let mut head = [0; BLOCK];
        head[..8].copy_from_slice(&MARKER);
        head[8..24].copy_from_slice(&self.id);
        head[24..32].copy_from_slice(&self.offset.to_le_bytes());
        head[32..40].copy_from_slice(&self.number.to_le_bytes());
        head[40..44].copy_from_slice(&self.records.to_le_bytes());
        head[44..48].copy_from_slice(&self.encoded.to_le_bytes());
        head[48..52].copy_from_slice(&self.decoded.to_le_bytes());
        head[52] = u8::from(self.kind == Kind::End);
        head[53] = self.codec;
        head[56..60].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc(&head[..60]);
        head[60..].copy_from_slice(&crc.to_le_bytes());
        head
    }

    pub(super) fn read(head: &[u8; BLOCK]) -> Result<Self, Flaw> {
        if head[..8] != MARKER {
            return flaw(FlawKind::Damaged, "no block begins here");
        }
        if number32(head, 60) != crc(&head[..60]) {
            return flaw(FlawKind::Damaged, "the head of a block has another checksum");
        }
        let kind = match head[52] {
            0 => Kind::Data,
            1 => Kind::End,
            other => return flaw(FlawKind::Unsupported, format!("a block of the unknown kind {other}")),
        };
        Ok(Self {
            id: array(head, 8),
            offset: number64(head, 24),
            number: number64(head, 32),
            records: number32(head, 40),
            encoded: number32(head, 44),
            decoded: number32(head, 48),
            kind,
            codec: head[53],
            crc: number32(head, 56),
        })
    }
}

/// The end of a file: where its last block begins, and how many records there are.
pub(super) fn foot(id: Id, end: u64, records: u64) -> [u8; FOOT] {
    let mut foot = [0; FOOT];
    foot[..8].copy_from_slice(&end.to_le_bytes());
    foot[8..16].copy_from_slice(&records.to_le_bytes());
    let crc = crc(&[&id[..], &foot[..16]].concat());
    foot[16..20].copy_from_slice(&crc.to_le_bytes());
    foot[24..].copy_from_slice(&END);
    foot
}

/// Appends a length, or another number: seven bits a byte, the lowest first, the eighth set but in the last.
pub(super) fn put_varint(mut value: u64, output: &mut Vec<u8>) {
    while value >= 0x80 {
        output.push(value as u8 | 0x80);
        value >>= 7;
    }
    output.push(value as u8);
}

/// A number at the front, and how many bytes it has.
pub(super) fn varint(data: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in data.iter().take(LENGTH_MAX).enumerate() {
        if at == LENGTH_MAX - 1 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

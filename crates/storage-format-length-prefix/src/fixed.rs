//! A length of two, four or eight bytes.

use bytes::{BufMut, BytesMut};
use storage_core::format::{About, Framing, Look, Resync};
use storage_core::{Flaw, FlawKind};

/// The names of the six, by width: lengths with their highest byte first, and with their lowest.
const BIG: [About; 3] = [about("u16be", &[]), about("u32be", &["lp"]), about("u64be", &[])];
const LITTLE: [About; 3] = [about("u16le", &[]), about("u32le", &[]), about("u64le", &[])];

const fn about(name: &'static str, extensions: &'static [&'static str]) -> About {
    About { name, extensions, has_checksum: false, tells_length: true, recovers: false, shares: None }
}

/// How a length is written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Two bytes: records of up to 65,535 bytes.
    U16,
    /// Four bytes: records of up to 4 GiB.
    U32,
    /// Eight bytes.
    U64,
}

/// Records behind their length in bytes, which does not count itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthPrefix {
    width: Width,
    little_endian: bool,
}

impl LengthPrefix {
    /// Lengths with their highest byte first, as networks have them.
    pub const fn big_endian(width: Width) -> Self {
        Self { width, little_endian: false }
    }

    /// Lengths with their lowest byte first.
    pub const fn little_endian(width: Width) -> Self {
        Self { width, little_endian: true }
    }

    const fn size(self) -> usize {
        match self.width {
            Width::U16 => 2,
            Width::U32 => 4,
            Width::U64 => 8,
        }
    }

    fn read(self, bytes: &[u8]) -> u64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }
}

impl Framing for LengthPrefix {
    fn about(&self) -> &'static About {
        static ABOUTS: [[About; 3]; 2] = [BIG, LITTLE];
        &ABOUTS[usize::from(self.little_endian)][self.width as usize]
    }

    fn look(&self, data: &[u8], _: usize, _: bool) -> Result<Look, Flaw> {
        let start = self.size();
        let Some(length) = data.get(..start) else { return Ok(Look::More(start)) };
        Ok(record(start, self.read(length), 0))
    }

    fn resync(&self, data: &[u8], _: bool) -> Resync {
        // Where one length is wrong all that follow are.
        Resync::Beyond(data.len())
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        let length = record.len() as u64;
        let bits = 8 * self.size();
        if bits < 64 && length >> bits != 0 {
            let message = format!("a record of {length} bytes is longer than {bits} bits tell");
            return Err(Flaw::new(FlawKind::TooLarge, self.about().name, message));
        }
        output.reserve(self.size() + record.len());
        if self.little_endian {
            output.put_uint_le(length, self.size());
        } else {
            output.put_uint(length, self.size());
        }
        output.put_slice(record);
        Ok(())
    }
}

/// A record of `length` bytes from `start` on, with `behind` bytes of its own behind it.
pub(crate) fn record(start: usize, length: u64, behind: u64) -> Look {
    let end = length.saturating_add(start as u64);
    Look::Record { start, end, next: end.saturating_add(behind) }
}

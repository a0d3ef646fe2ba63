//! A member's header, byte by byte (RFC 1952, 2.3).

use flate2::Crc;
use storage_core::{Flaw, FlawKind};

use crate::{MAGIC, NAME};

const DEFLATE: u8 = 8;
const HAS_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// What of a header came so far. Nothing of it is kept: it says nothing about the content.
#[derive(Debug)]
pub(crate) struct Header {
    stage: Stage,
    flags: u8,
    len: u64,
    most: u64,
    crc: Crc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The byte of this number, of the ten that every header has.
    Fixed(u8),
    /// The length of the extra field, of which so many bytes and this value came.
    ExtraLength(u8, u16),
    Extra(u16),
    Name,
    Comment,
    /// The header's own checksum, of which so many bytes and this value came.
    Crc(u8, u16),
    Done,
}

impl Header {
    pub(crate) fn new(most: u64) -> Self {
        Self { stage: Stage::Fixed(0), flags: 0, len: 0, most, crc: Crc::new() }
    }

    /// Takes a byte. Says whether it was the last one.
    pub(crate) fn push(&mut self, byte: u8) -> Result<bool, Flaw> {
        self.len += 1;
        if self.len > self.most {
            let message = format!("the header is longer than {} bytes", self.most);
            return Err(Flaw::new(FlawKind::TooLarge, NAME, message));
        }
        if !matches!(self.stage, Stage::Crc(..)) {
            self.crc.update(&[byte]);
        }
        self.stage = match self.stage {
            Stage::Fixed(at) => {
                self.fixed(at, byte)?;
                if at < 9 { Stage::Fixed(at + 1) } else { self.after(0) }
            }
            Stage::ExtraLength(0, _) => Stage::ExtraLength(1, u16::from(byte)),
            Stage::ExtraLength(_, low) => match low | u16::from(byte) << 8 {
                0 => self.after(HAS_EXTRA),
                length => Stage::Extra(length),
            },
            Stage::Extra(1) => self.after(HAS_EXTRA),
            Stage::Extra(left) => Stage::Extra(left - 1),
            Stage::Name if byte == 0 => self.after(HAS_NAME),
            Stage::Comment if byte == 0 => self.after(HAS_COMMENT),
            Stage::Crc(0, _) => Stage::Crc(1, u16::from(byte)),
            Stage::Crc(_, low) => {
                if low | u16::from(byte) << 8 != (self.crc.sum() & 0xffff) as u16 {
                    return Err(Flaw::new(FlawKind::Damaged, NAME, "the header has another checksum"));
                }
                Stage::Done
            }
            same => same,
        };
        Ok(self.stage == Stage::Done)
    }

    fn fixed(&mut self, at: u8, byte: u8) -> Result<(), Flaw> {
        let flaw = |kind, message: String| Err(Flaw::new(kind, NAME, message));
        match at {
            0 | 1 if byte != MAGIC[usize::from(at)] => flaw(FlawKind::Foreign, String::new()),
            2 if byte != DEFLATE => {
                flaw(FlawKind::Unsupported, format!("compression method {byte}; there is only 8"))
            }
            3 if byte & RESERVED != 0 => {
                flaw(FlawKind::Unsupported, format!("flags {byte:#04x}, of which some mean nothing yet"))
            }
            3 => {
                self.flags = byte;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What follows the field of this flag.
    fn after(&self, done: u8) -> Stage {
        let fields = [
            (HAS_EXTRA, Stage::ExtraLength(0, 0)),
            (HAS_NAME, Stage::Name),
            (HAS_COMMENT, Stage::Comment),
            // It stands last, whatever its flag.
            (HAS_CRC, Stage::Crc(0, 0)),
        ];
        let begin = fields.iter().position(|(flag, _)| *flag == done).map_or(0, |at| at + 1);
        let next = fields[begin..].iter().find(|(flag, _)| self.flags & flag != 0);
        next.map_or(Stage::Done, |(_, stage)| *stage)
    }
}

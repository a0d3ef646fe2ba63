//! A length of as many bytes as it takes.

use bytes::{BufMut, BytesMut};
use storage_core::format::{About, Framing, Look, Resync};
use storage_core::{Flaw, FlawKind};

use crate::fixed::record;

const ABOUT: About = About {
    name: NAME,
    extensions: &["varint"],
    has_checksum: false,
    tells_length: true,
    recovers: false,
    shares: None,
};
/// The name of the format in errors.
const NAME: &str = "varint";
/// The most bytes of a length: 64 bits in groups of seven.
const LONGEST: usize = 10;

/// Records behind their length as a varint of Protocol Buffers: seven bits a byte, the lowest first, the eighth set but in the
/// last. What `writeDelimitedTo` writes.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Varint;

impl Framing for Varint {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn look(&self, data: &[u8], _: usize, _: bool) -> Result<Look, Flaw> {
        let mut length = 0u64;
        for (at, byte) in data.iter().take(LONGEST).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if at == LONGEST - 1 && *byte > 1 {
                break;
            }
            length |= bits << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(record(at + 1, length, 0));
            }
        }
        if data.len() < LONGEST {
            return Ok(Look::More(data.len() + 1));
        }
        Err(Flaw::new(FlawKind::Damaged, NAME, "a length of more than 64 bits"))
    }

    fn resync(&self, data: &[u8], _: bool) -> Resync {
        // Where one length is wrong all that follow are.
        Resync::Beyond(data.len())
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        output.reserve(LONGEST + record.len());
        let mut length = record.len() as u64;
        while length >= 0x80 {
            output.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        output.put_u8(length as u8);
        output.put_slice(record);
        Ok(())
    }
}

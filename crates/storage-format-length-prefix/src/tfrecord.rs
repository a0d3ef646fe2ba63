//! TFRecord: lengths and contents, each with a checksum.
//!
//! Source: "TFRecord and tf.train.Example" of the TensorFlow documentation. A length of eight bytes, lowest first; its masked
//! CRC-32C; the content; its masked CRC-32C.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use storage_core::format::{About, Framing, Look, Resync};
use storage_core::{Flaw, FlawKind};

use crate::fixed::record;

const ABOUT: About = About {
    name: NAME,
    extensions: &["tfrecord", "tfrecords"],
    has_checksum: true,
    tells_length: true,
    recovers: true,
    // A record may hold such records itself.
    shares: None,
};
/// The name of the format in errors.
const NAME: &str = "tfrecord";
/// Length and its checksum.
const HEAD: usize = 12;
/// The content's checksum.
const TAIL: usize = 4;
/// What is added to a checksum, so that one of data with a checksum in it is not weaker.
const MASK: u32 = 0xa282_ead8;

/// Records as TensorFlow stores them.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TfRecord;

fn masked(data: &[u8]) -> u32 {
    // Cannot be cut: the checksum has 32 bits.
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, data) as u32;
    crc.rotate_right(15).wrapping_add(MASK)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Framing for TfRecord {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn look(&self, data: &[u8], seen: usize, _: bool) -> Result<Look, Flaw> {
        let Some(head) = data.get(..HEAD) else { return Ok(Look::More(HEAD)) };
        // A length that is damaged would announce anything: it is checked before it is believed, and once.
        if seen < HEAD && number(&head[8..]) != u64::from(masked(&head[..8])) {
            return Err(Flaw::new(FlawKind::Damaged, NAME, "the length has another checksum"));
        }
        Ok(record(HEAD, number(&head[..8]), TAIL as u64))
    }

    fn check(&self, whole: &[u8], content: Range<usize>) -> Result<(), Flaw> {
        if number(&whole[content.end..]) == u64::from(masked(&whole[content.clone()])) {
            return Ok(());
        }
        let flaw = Flaw::new(FlawKind::Damaged, NAME, "the content has another checksum");
        Err(flaw.at(content.start as u64, 0))
    }

    fn resync(&self, data: &[u8], _: bool) -> Resync {
        // A whole head that checks out: by chance one in four thousand million.
        let is_head = |head: &[u8]| number(&head[8..]) == u64::from(masked(&head[..8]));
        match data.windows(HEAD).position(is_head) {
            Some(at) => Resync::Found(at),
            // What may be the beginning of one stays.
            None => Resync::Beyond(data.len().saturating_sub(HEAD - 1)),
        }
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        let length = (record.len() as u64).to_le_bytes();
        output.reserve(HEAD + record.len() + TAIL);
        output.put_slice(&length);
        output.put_u32_le(masked(&length));
        output.put_slice(record);
        output.put_u32_le(masked(record));
        Ok(())
    }
}

//! BGZF: short members, each of which tells its length in its header, and an empty one at the end.
//!
//! Source: "Sequence Alignment/Map Format Specification", 4.1, of the samtools project; the index beside is that of its `bgzip`.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use storage_core::codec::{Extent, Index, Indexes, MemberEncoder, Place, Walk, gather, give};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::{MAGIC, NAME};

pub(crate) const INDEXES: Indexes =
    Indexes { member_size: CONTENT_MAX as u64, member_max: CONTENT_MAX as u64, beside: Some("gzi") };

/// What ends data: whoever finds it missing knows that data was cut.
pub(crate) const END: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// What fits into a member even as it is, as other writers have it.
const CONTENT_MAX: usize = 0xff00;
/// A member's length is told in two bytes.
const MEMBER_MAX: usize = 1 << 16;
/// With the length of the member as its last two bytes.
const HEADER: usize = 18;
/// Checksum and length.
const TRAILER: usize = 8;
/// Only an extra field, as the format has it.
const HAS_EXTRA: u8 = 4;
/// The name of the field that tells the length, and its own length.
const FIELD: [u8; 4] = [b'B', b'C', 2, 0];

pub(crate) struct BgzfEncoder {
    deflate: Compress,
    content: Vec<u8>,
    /// What has to go out, and how much of it did.
    pending: Vec<u8>,
    given: usize,
    /// A member was made since the beginning.
    is_begun: bool,
    is_ended: bool,
}

impl BgzfEncoder {
    pub(crate) fn new(level: u32) -> Self {
        Self {
            deflate: Compress::new(Compression::new(level), false),
            content: Vec::new(),
            pending: Vec::new(),
            given: 0,
            is_begun: false,
            is_ended: false,
        }
    }

    fn drain(&mut self, output: &mut Vec<u8>) -> bool {
        give(&self.pending, &mut self.given, output)
    }

    /// Makes a member of what was gathered.
    fn member(&mut self) -> Result<()> {
        let pending = &mut self.pending;
        pending.clear();
        pending.reserve(MEMBER_MAX);
        pending.extend_from_slice(&END[..HEADER]);
        self.deflate.reset();
        let room = MEMBER_MAX - TRAILER;
        let status = compress(&mut self.deflate, &self.content, pending, room)?;
        if status != Status::StreamEnd {
            // Longer than it was: it goes as it is, in one block of its own.
            pending.truncate(HEADER);
            let length = self.content.len() as u16;
            pending.push(1);
            pending.extend_from_slice(&length.to_le_bytes());
            pending.extend_from_slice(&(!length).to_le_bytes());
            pending.extend_from_slice(&self.content);
        }
        let mut crc = Crc::new();
        crc.update(&self.content);
        pending.extend_from_slice(&crc.sum().to_le_bytes());
        pending.extend_from_slice(&(self.content.len() as u32).to_le_bytes());
        let length = (pending.len() - 1) as u16;
        pending[HEADER - 2..HEADER].copy_from_slice(&length.to_le_bytes());
        self.content.clear();
        (self.given, self.is_begun) = (0, true);
        Ok(())
    }
}

/// Deflates everything into `output`, if that stays shorter than `room`.
fn compress(deflate: &mut Compress, content: &[u8], output: &mut Vec<u8>, room: usize) -> Result<Status> {
    let mut space = vec![0; room - output.len()];
    let status = deflate
        .compress(content, &mut space, FlushCompress::Finish)
        .map_err(|failed| Error::new(ErrorKind::Other, "gzip cannot compress this").with_source(failed))?;
    output.extend_from_slice(&space[..deflate.total_out() as usize]);
    Ok(status)
}

impl MemberEncoder for BgzfEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while self.drain(output) && !input.is_empty() {
            if gather(&mut self.content, CONTENT_MAX, input) && !input.is_empty() {
                self.member()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.content.is_empty() {
                return Ok(true);
            }
            self.member()?;
        }
        Ok(false)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.is_ended {
                return Ok(true);
            }
            if !(self.content.is_empty() && self.is_begun) {
                self.member()?;
            }
            self.is_ended = true;
        }
        Ok(false)
    }

    fn reset(&mut self) -> Result<()> {
        self.content.clear();
        self.pending.clear();
        (self.given, self.is_begun, self.is_ended) = (0, false, false);
        Ok(())
    }
}

/// A member's length, if its header tells it.
pub(crate) fn walk(data: &[u8]) -> Walk {
    let Some(head) = data.first_chunk::<HEADER>() else { return Walk::On(0) };
    if head[..2] != MAGIC || head[2] != 8 || head[3] != HAS_EXTRA {
        return Walk::Unknown;
    }
    let number = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    let extra = 12..12 + number(10);
    if data.len() < extra.end {
        return Walk::On(0);
    }
    let mut at = extra.start;
    while at + 4 <= extra.end {
        if data[at..at + 4] == FIELD && at + 6 <= extra.end {
            return Walk::End(number(at + 4) + 1);
        }
        at += 4 + number(at + 2);
    }
    Walk::Unknown
}

/// Where members but the first begin, as `bgzip` writes it: their number, and of each where it and its content begin.
pub(crate) fn beside(members: &[Extent]) -> Vec<u8> {
    let index = Index::of_members(members);
    let places = index.places().get(1..).unwrap_or_default();
    let mut file = (places.len() as u64).to_le_bytes().to_vec();
    for place in places {
        file.extend_from_slice(&place.encoded.to_le_bytes());
        file.extend_from_slice(&place.decoded.to_le_bytes());
    }
    file
}

pub(crate) fn read_beside(file: &[u8]) -> Result<Vec<Place>, Flaw> {
    let number = |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| file[at + i]));
    let count = (file.len() / 8).saturating_sub(1) / 2;
    if file.len() != 8 + 16 * count || number(0) != count as u64 {
        let what = "an index beside the data that is not as long as it says";
        return Err(Flaw::new(FlawKind::Damaged, NAME, what));
    }
    let place = |at: usize| Place { encoded: number(8 + 16 * at), decoded: number(16 + 16 * at) };
    Ok(std::iter::once(Place::default()).chain((0..count).map(place)).collect())
}

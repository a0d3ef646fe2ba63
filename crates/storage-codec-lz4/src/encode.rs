//! One frame of blocks that stand alone, with a checksum of the content.

use lz4_flex::block::{compress_into, get_maximum_output_size};
use storage_core::codec::{MemberEncoder, gather, give};
use storage_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh32::Xxh32;

use crate::frame::{BLOCK, STORED, begin};

pub(crate) struct Lz4Encoder {
    /// Of the block that is not full yet.
    gathered: Vec<u8>,
    /// What has to go out, and how much of it did.
    pending: Vec<u8>,
    given: usize,
    content: Xxh32,
    is_ended: bool,
}

impl Lz4Encoder {
    pub(crate) fn new() -> Self {
        Self { gathered: Vec::new(), pending: begin(), given: 0, content: Xxh32::new(0), is_ended: false }
    }

    /// Writes what was gathered as a block.
    fn block(&mut self) -> Result<()> {
        self.content.update(&self.gathered);
        self.pending.resize(4 + get_maximum_output_size(self.gathered.len()), 0);
        let (size, data) = self.pending.split_at_mut(4);
        let made = compress_into(&self.gathered, data)
            .map_err(|failed| Error::new(ErrorKind::Other, "lz4 cannot compress this").with_source(failed))?;
        if made < self.gathered.len() {
            size.copy_from_slice(&(made as u32).to_le_bytes());
            self.pending.truncate(4 + made);
        } else {
            size.copy_from_slice(&(self.gathered.len() as u32 | STORED).to_le_bytes());
            self.pending.truncate(4);
            self.pending.extend_from_slice(&self.gathered);
        }
        self.gathered.clear();
        self.given = 0;
        Ok(())
    }

    fn drain(&mut self, output: &mut Vec<u8>) -> bool {
        give(&self.pending, &mut self.given, output)
    }
}

impl MemberEncoder for Lz4Encoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while self.drain(output) && !input.is_empty() {
            if gather(&mut self.gathered, BLOCK, input) {
                self.block()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.gathered.is_empty() {
                return Ok(true);
            }
            self.block()?;
        }
        Ok(false)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.flush(output)? {
            if self.is_ended {
                return Ok(true);
            }
            let end = [0u32, self.content.digest()].map(u32::to_le_bytes).concat();
            (self.pending, self.given, self.is_ended) = (end, 0, true);
        }
        Ok(false)
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::new();
        Ok(())
    }
}

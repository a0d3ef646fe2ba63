//! One member, the same for the same content and level: no time, no name, no system.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use storage_core::codec::{MemberEncoder, gather, give};
use storage_core::{Error, ErrorKind, Result};

use crate::MAGIC;

/// "Unknown", so that every system writes the same.
const NO_SYSTEM: u8 = 255;
/// Bytes that the library sees at a time: what it makes of them depends on how they come, and must not.
const BLOCK: usize = 64 << 10;

pub(crate) struct GzipEncoder {
    level: u32,
    deflate: Compress,
    crc: Crc,
    /// Of the block that is not full yet.
    gathered: Vec<u8>,
    /// What has to go out, and how much of it did.
    pending: Vec<u8>,
    given: usize,
    /// Everything so far can be read.
    is_flushed: bool,
    is_ended: bool,
}

impl GzipEncoder {
    pub(crate) fn new(level: u32) -> Self {
        Self {
            level,
            deflate: Compress::new(Compression::new(level), false),
            crc: Crc::new(),
            gathered: Vec::new(),
            pending: header(level),
            given: 0,
            is_flushed: true,
            is_ended: false,
        }
    }

    /// Says whether nothing is pending any more.
    fn drain(&mut self, output: &mut Vec<u8>) -> bool {
        give(&self.pending, &mut self.given, output)
    }

    /// Deflates a block into what is pending, which always has room.
    fn deflate(&mut self, block: &[u8], flush: FlushCompress) -> Result<()> {
        self.crc.update(block);
        self.pending.clear();
        self.given = 0;
        let before = self.deflate.total_in();
        loop {
            self.pending.reserve(BLOCK + BLOCK / 8);
            let taken = (self.deflate.total_in() - before) as usize;
            let status = self.deflate.compress_vec(&block[taken..], &mut self.pending, flush);
            let status = status.map_err(|failed| {
                Error::new(ErrorKind::Other, "gzip cannot compress this").with_source(failed)
            })?;
            let is_full = self.pending.len() == self.pending.capacity();
            let taken = (self.deflate.total_in() - before) as usize;
            if status == Status::StreamEnd || (taken == block.len() && !is_full) {
                return Ok(());
            }
        }
    }

    fn gathered(&mut self, flush: FlushCompress) -> Result<()> {
        let block = std::mem::take(&mut self.gathered);
        self.deflate(&block, flush)?;
        self.gathered = block;
        self.gathered.clear();
        Ok(())
    }
}

fn header(level: u32) -> Vec<u8> {
    let effort = match level {
        1 => 4,
        9 => 2,
        _ => 0,
    };
    [&MAGIC[..], &[8, 0, 0, 0, 0, 0, effort, NO_SYSTEM]].concat()
}

impl MemberEncoder for GzipEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while self.drain(output) && !input.is_empty() {
            self.is_flushed = false;
            if self.gathered.is_empty() && input.len() >= BLOCK {
                let (block, rest) = input.split_at(BLOCK);
                self.deflate(block, FlushCompress::None)?;
                *input = rest;
            } else if gather(&mut self.gathered, BLOCK, input) {
                self.gathered(FlushCompress::None)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.is_flushed {
                return Ok(true);
            }
            self.gathered(FlushCompress::Sync)?;
            self.is_flushed = true;
        }
        Ok(false)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.is_ended {
                return Ok(true);
            }
            self.gathered(FlushCompress::Finish)?;
            // The length counts modulo 2³².
            let length = self.deflate.total_in() as u32;
            self.pending.extend_from_slice(&self.crc.sum().to_le_bytes());
            self.pending.extend_from_slice(&length.to_le_bytes());
            self.is_ended = true;
        }
        Ok(false)
    }

    fn reset(&mut self) -> Result<()> {
        self.deflate.reset();
        self.crc.reset();
        self.gathered.clear();
        (self.pending, self.given) = (header(self.level), 0);
        (self.is_flushed, self.is_ended) = (true, false);
        Ok(())
    }
}

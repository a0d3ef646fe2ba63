//! One stream of full chunks, but for the last.

use snap::raw::{Encoder, max_compress_len};
use storage_core::codec::{MemberEncoder, gather, give};
use storage_core::{Error, ErrorKind, Result};

use crate::chunk::{BEGIN, CHECKSUM, COMPRESSED, CONTENT_MAX, HEAD, STORED, masked};

pub(crate) struct SnappyEncoder {
    raw: Encoder,
    /// Of the chunk that is not full yet.
    gathered: Vec<u8>,
    /// What has to go out, and how much of it did.
    pending: Vec<u8>,
    given: usize,
}

impl SnappyEncoder {
    pub(crate) fn new() -> Self {
        Self { raw: Encoder::new(), gathered: Vec::new(), pending: BEGIN.to_vec(), given: 0 }
    }

    /// Writes what was gathered as a chunk.
    fn chunk(&mut self) -> Result<()> {
        let content = &self.gathered;
        self.pending.resize(HEAD + CHECKSUM + max_compress_len(content.len()), 0);
        let made = self.raw.compress(content, &mut self.pending[HEAD + CHECKSUM..]).map_err(|failed| {
            Error::new(ErrorKind::Other, "snappy cannot compress this").with_source(failed)
        })?;
        // Below an eighth there is nothing gained, as its own program has it.
        let kind = if made < content.len() - content.len() / 8 { COMPRESSED } else { STORED };
        if kind == COMPRESSED {
            self.pending.truncate(HEAD + CHECKSUM + made);
        } else {
            self.pending.truncate(HEAD + CHECKSUM);
            self.pending.extend_from_slice(content);
        }
        let length = (self.pending.len() - HEAD) as u32;
        self.pending[..HEAD].copy_from_slice(&(length << 8 | u32::from(kind)).to_le_bytes());
        self.pending[HEAD..HEAD + CHECKSUM].copy_from_slice(&masked(content));
        self.gathered.clear();
        self.given = 0;
        Ok(())
    }

    fn drain(&mut self, output: &mut Vec<u8>) -> bool {
        give(&self.pending, &mut self.given, output)
    }
}

impl MemberEncoder for SnappyEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while self.drain(output) && !input.is_empty() {
            if gather(&mut self.gathered, CONTENT_MAX, input) {
                self.chunk()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.gathered.is_empty() {
                return Ok(true);
            }
            self.chunk()?;
        }
        Ok(false)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        // Nothing tells the end.
        self.flush(output)
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::new();
        Ok(())
    }
}

//! One stream, or several: a flush ends one, since nothing less makes the bytes before it readable.

use bzip2::{Action, Compress, Compression, Status};
use storage_core::codec::MemberEncoder;
use storage_core::{Error, ErrorKind, Result};

pub(crate) struct Bzip2Encoder {
    level: u32,
    compress: Compress,
    /// Nothing was taken since the stream began.
    is_fresh: bool,
    /// A stream was ended by a flush, and none begun since.
    is_flushed: bool,
}

impl Bzip2Encoder {
    pub(crate) fn new(level: u32) -> Self {
        let compress = Compress::new(Compression::new(level), 0);
        Self { level, compress, is_fresh: true, is_flushed: false }
    }

    fn end(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        // The library takes a call that can do nothing for a mistake.
        if output.len() == output.capacity() {
            return Ok(false);
        }
        let status = self.compress.compress_vec(&[], output, Action::Finish).map_err(failed)?;
        Ok(status == Status::StreamEnd)
    }
}

fn failed(error: bzip2::Error) -> Error {
    Error::new(ErrorKind::Other, "bzip2 cannot compress this").with_source(error)
}

impl MemberEncoder for Bzip2Encoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        if input.is_empty() || output.len() == output.capacity() {
            return Ok(());
        }
        let before = self.compress.total_in();
        let done = self.compress.compress_vec(input, output, Action::Run);
        let taken = (self.compress.total_in() - before) as usize;
        *input = &input[taken..];
        self.is_fresh &= taken == 0;
        done.map(drop).map_err(failed)
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        if self.is_fresh {
            return Ok(true);
        }
        let ended = self.end(output)?;
        if ended {
            *self = Self { is_flushed: true, ..Self::new(self.level) };
        }
        Ok(ended)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        // What a flush has ended needs no other end.
        if self.is_fresh && self.is_flushed { Ok(true) } else { self.end(output) }
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::new(self.level);
        Ok(())
    }
}

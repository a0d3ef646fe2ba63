//! One stream, with the checksum that its program takes.

use liblzma::stream::{Action, Check, Status, Stream};
use storage_core::codec::MemberEncoder;
use storage_core::{Error, ErrorKind, Result};

pub(crate) struct XzEncoder {
    level: u32,
    stream: Stream,
}

impl XzEncoder {
    pub(crate) fn new(level: u32) -> Result<Self> {
        Ok(Self { level, stream: Stream::new_easy_encoder(level, Check::Crc64).map_err(failed)? })
    }

    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>, action: Action) -> Result<Status> {
        let before = self.stream.total_in();
        let done = self.stream.process_vec(input, output, action);
        *input = &input[(self.stream.total_in() - before) as usize..];
        done.map_err(failed)
    }
}

fn failed(error: liblzma::stream::Error) -> Error {
    Error::new(ErrorKind::Other, "xz cannot compress this").with_source(error)
}

impl MemberEncoder for XzEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        self.step(input, output, Action::Run).map(drop)
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        Ok(matches!(self.step(&mut &[][..], output, Action::SyncFlush)?, Status::StreamEnd))
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        Ok(matches!(self.step(&mut &[][..], output, Action::Finish)?, Status::StreamEnd))
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::new(self.level)?;
        Ok(())
    }
}

//! One stream.

use bzip2::{Decompress, Status};
use storage_core::codec::MemberDecoder;
use storage_core::{Flaw, FlawKind};

use crate::NAME;

pub(crate) struct Bzip2Decoder(Decompress);

impl Bzip2Decoder {
    pub(crate) fn new() -> Self {
        Self(Decompress::new(false))
    }
}

impl MemberDecoder for Bzip2Decoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        let before = self.0.total_in();
        let done = self.0.decompress_vec(input, output);
        *input = &input[(self.0.total_in() - before) as usize..];
        match done {
            Ok(status) => Ok(status == Status::StreamEnd),
            Err(_) => Err(Flaw::new(FlawKind::Damaged, NAME, "")),
        }
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

//! A codec that the format has a number for, and no more: runs of a byte, behind how many there are.

use storage_core::codec::{
    About, Codec, DecodeOptions, EncodeOptions, MemberDecoder, MemberEncoder, Next, gather, give,
};
use storage_core::{Flaw, FlawKind, Result};

/// The name that it goes by.
pub(crate) const NAME: &str = "snappy";

#[derive(Debug)]
pub(crate) struct Runs(pub(crate) &'static About);

pub(crate) static KNOWN: About = about(NAME);
pub(crate) static UNKNOWN: About = about("runs");

const fn about(name: &'static str) -> About {
    About {
        name,
        extensions: &[],
        levels: 0..=0,
        has_mark: false,
        has_members: false,
        has_end: true,
        has_checksum: false,
        has_dictionaries: false,
        has_windows: false,
        has_threads: false,
        indexes: None,
    }
}

impl Codec for Runs {
    fn about(&self) -> &'static About {
        self.0
    }

    fn next(&self, _: &[u8], first: bool) -> Next {
        if first { Next::Member } else { Next::Other }
    }

    fn is_marked(&self, _: &[u8]) -> bool {
        false
    }

    fn decoder(&self, _: &DecodeOptions) -> Result<Box<dyn MemberDecoder>> {
        Ok(Box::<Decode>::default())
    }

    fn encoder(&self, _: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
        Ok(Box::<Encode>::default())
    }
}

#[derive(Default)]
struct Encode {
    content: Vec<u8>,
    encoded: Vec<u8>,
    given: usize,
}

impl MemberEncoder for Encode {
    fn encode(&mut self, input: &mut &[u8], _: &mut Vec<u8>) -> Result<()> {
        self.content.extend_from_slice(input);
        *input = &[];
        Ok(())
    }

    fn flush(&mut self, _: &mut Vec<u8>) -> Result<bool> {
        Ok(true)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        if self.encoded.is_empty() {
            let runs: Vec<&[u8]> =
                self.content.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255)).collect();
            self.encoded = (runs.len() as u32).to_le_bytes().to_vec();
            self.encoded.extend(runs.iter().flat_map(|run| [run.len() as u8, run[0]]));
        }
        Ok(give(&self.encoded, &mut self.given, output))
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::default();
        Ok(())
    }
}

#[derive(Default)]
struct Decode {
    head: Vec<u8>,
    done: u32,
    run: Vec<u8>,
}

impl MemberDecoder for Decode {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        if !gather(&mut self.head, 4, input) {
            return Ok(false);
        }
        let runs = u32::from_le_bytes([0, 1, 2, 3].map(|at| self.head[at]));
        while self.done < runs {
            if !gather(&mut self.run, 2, input) {
                return Ok(false);
            }
            let (length, byte) = (usize::from(self.run[0]), self.run[1]);
            if length == 0 {
                return Err(Flaw::new(FlawKind::Damaged, NAME, "an empty run"));
            }
            if output.capacity() - output.len() < length {
                let room = output.capacity() - output.len();
                output.resize(output.capacity(), byte);
                self.run[0] -= room as u8;
                return Ok(false);
            }
            output.resize(output.len() + length, byte);
            self.run.clear();
            self.done += 1;
        }
        Ok(true)
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

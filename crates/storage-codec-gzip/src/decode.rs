//! One member: its header, the deflated bytes, and what they have to amount to.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use storage_core::codec::MemberDecoder;
use storage_core::{Flaw, FlawKind};

use crate::NAME;
use crate::header::Header;

/// Checksum and length.
const TRAILER: usize = 8;

pub(crate) struct GzipDecoder {
    header_max: u64,
    stage: Stage,
    inflate: Decompress,
    crc: Crc,
}

enum Stage {
    Header(Header),
    Body,
    Trailer(Vec<u8>),
}

impl GzipDecoder {
    pub(crate) fn new(header_max: u64) -> Self {
        let stage = Stage::Header(Header::new(header_max));
        Self { header_max, stage, inflate: Decompress::new(false), crc: Crc::new() }
    }

    /// Says whether the deflated bytes have ended.
    fn inflate(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        let (taken, made) = (self.inflate.total_in(), output.len());
        let inflated = self.inflate.decompress_vec(input, output, FlushDecompress::None);
        // Told even of a failure: up to there it is right.
        *input = &input[(self.inflate.total_in() - taken) as usize..];
        self.crc.update(&output[made..]);
        match inflated {
            Ok(status) => Ok(status == Status::StreamEnd),
            Err(failed) => {
                let why = failed.message().unwrap_or("no deflated bytes");
                Err(Flaw::new(FlawKind::Damaged, NAME, why))
            }
        }
    }

    fn check(&self, trailer: &[u8]) -> Result<(), Flaw> {
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| trailer[at + i]));
        let damaged = |what: &str| Err(Flaw::new(FlawKind::Damaged, NAME, what));
        if number(0) != self.crc.sum() {
            return damaged("the content has another checksum");
        }
        // The length counts modulo 2³².
        if number(4) != self.inflate.total_out() as u32 {
            return damaged("the content has another length");
        }
        Ok(())
    }
}

impl MemberDecoder for GzipDecoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        loop {
            match &mut self.stage {
                Stage::Header(header) => {
                    let Some((byte, rest)) = input.split_first() else { return Ok(false) };
                    *input = rest;
                    if header.push(*byte)? {
                        self.stage = Stage::Body;
                    }
                }
                Stage::Body => {
                    if !self.inflate(input, output)? {
                        return Ok(false);
                    }
                    self.stage = Stage::Trailer(Vec::with_capacity(TRAILER));
                }
                Stage::Trailer(trailer) => {
                    let (more, rest) = input.split_at(input.len().min(TRAILER - trailer.len()));
                    trailer.extend_from_slice(more);
                    *input = rest;
                    if trailer.len() < TRAILER {
                        return Ok(false);
                    }
                    let trailer = std::mem::take(trailer);
                    return self.check(&trailer).map(|()| true);
                }
            }
        }
    }

    fn reset(&mut self) {
        self.stage = Stage::Header(Header::new(self.header_max));
        self.inflate.reset(false);
        self.crc.reset();
    }
}

//! One stream.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use storage_core::codec::{DecodeOptions, MemberDecoder, give};
use storage_core::{Flaw, FlawKind};

use crate::NAME;

/// Bytes that the library writes at a time.
const BLOCK: usize = 64 << 10;
/// The first byte tells the window, in the seven low bits at most (RFC 7932, 9.1).
const WINDOW_MIN: u32 = 10;

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(crate) struct BrotliDecoder {
    state: Box<State>,
    window_max: u64,
    is_begun: bool,
    /// What came out and had no room yet.
    block: Vec<u8>,
    given: usize,
    is_ended: bool,
}

impl BrotliDecoder {
    pub(crate) fn new(options: &DecodeOptions) -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: Box::new(BrotliState::new(alloc(), alloc(), alloc())),
            window_max: options.window_max,
            is_begun: false,
            block: Vec::new(),
            given: 0,
            is_ended: false,
        }
    }

    /// Refuses windows that are not allowed, before any memory is taken for one.
    fn begin(&mut self, first: u8) -> Result<(), Flaw> {
        self.is_begun = true;
        let Some(log) = window(first) else {
            return Err(Flaw::new(FlawKind::Unsupported, NAME, "a window of the large window extension"));
        };
        if 1u64 << log > self.window_max {
            let what = format!("it looks back further than the {} bytes that are allowed", self.window_max);
            return Err(Flaw::new(FlawKind::TooLarge, NAME, what));
        }
        Ok(())
    }
}

/// The window that a stream announces with its first byte, as a power of two (RFC 7932, 9.1).
fn window(first: u8) -> Option<u32> {
    let (low, high) = (u32::from(first >> 1 & 7), u32::from(first >> 4 & 7));
    match (first & 1, low, high) {
        (0, ..) => Some(16),
        (_, 1.., _) => Some(17 + low),
        (_, _, 0) => Some(17),
        (_, _, 1) => None,
        (_, _, high) => Some(WINDOW_MIN - 2 + high),
    }
}

impl MemberDecoder for BrotliDecoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        if !self.is_begun
            && let Some(first) = input.first()
        {
            self.begin(*first)?;
        }
        while give(&self.block, &mut self.given, output) {
            if self.is_ended {
                return Ok(true);
            }
            self.block.resize(BLOCK, 0);
            let (mut left, mut taken, mut room, mut made, mut total) = (input.len(), 0, BLOCK, 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut taken,
                input,
                &mut room,
                &mut made,
                &mut self.block,
                &mut total,
                &mut self.state,
            );
            *input = &input[taken..];
            self.block.truncate(made);
            self.given = 0;
            match result {
                BrotliResult::ResultSuccess => self.is_ended = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput if made == 0 => return Ok(false),
                BrotliResult::NeedsMoreInput => {}
                BrotliResult::ResultFailure => return Err(Flaw::new(FlawKind::Damaged, NAME, "")),
            }
        }
        Ok(false)
    }

    fn reset(&mut self) {
        let options = DecodeOptions::new().window_max(self.window_max);
        *self = Self::new(&options);
    }
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn the_table_of_the_specification() {
        // RFC 7932, 9.1: bits as they are read, lowest first.
        let told = [
            (0b0, 16),
            (0b010_0001, 10),
            (0b011_0001, 11),
            (0b111_0001, 15),
            (0b000_0001, 17),
            (0b0011, 18),
            (0b1111, 24),
        ];
        for (first, log) in told {
            assert_eq!(window(first), Some(log), "{first:#b}");
        }
        assert_eq!(window(0b001_0001), None, "of the large window extension");
    }
}

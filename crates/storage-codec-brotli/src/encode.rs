//! One stream.

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct};
use storage_core::codec::{EncodeOptions, MemberEncoder, gather, give};
use storage_core::{Error, ErrorKind, Result};

/// In the middle: the program's default is the last one, which is the slowest by far.
const LEVEL: i32 = 6;
/// What the program takes.
const WINDOW: u32 = 22;
/// What the format has.
const WINDOWS: std::ops::RangeInclusive<u32> = 10..=24;
/// Bytes that the library sees at a time: what it makes of them depends on how they come, and must not.
const BLOCK: usize = 64 << 10;
/// What the library takes for the length of all, by which it chooses how to search. It would take what came first.
const SIZE_HINT: u32 = 1 << 20;

pub(crate) struct BrotliEncoder {
    state: Box<BrotliEncoderStateStruct<StandardAlloc>>,
    level: u32,
    window: u32,
    /// Of the block that is not full yet.
    gathered: Vec<u8>,
    /// What has to go out, and how much of it did.
    pending: Vec<u8>,
    given: usize,
    /// Everything so far can be read.
    is_flushed: bool,
    is_ended: bool,
}

impl BrotliEncoder {
    pub(crate) fn new(options: &EncodeOptions) -> Result<Self> {
        let window = options.window_log.unwrap_or(WINDOW);
        if !WINDOWS.contains(&window) {
            let (least, most) = (WINDOWS.start(), WINDOWS.end());
            let message = format!("brotli looks back 2^{least} to 2^{most} bytes, not 2^{window}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let level = options.level.unwrap_or(LEVEL).unsigned_abs();
        Ok(Self {
            state: state(level, window),
            level,
            window,
            gathered: Vec::new(),
            pending: Vec::new(),
            given: 0,
            is_flushed: true,
            is_ended: false,
        })
    }

    /// Says whether nothing is pending any more.
    fn drain(&mut self, output: &mut Vec<u8>) -> bool {
        give(&self.pending, &mut self.given, output)
    }

    /// Compresses a block into what is pending, which always has room.
    fn compress(&mut self, mut block: &[u8], operation: BrotliEncoderOperation) -> Result<()> {
        self.pending.clear();
        self.given = 0;
        loop {
            let made_before = self.pending.len();
            self.pending.resize(made_before + BLOCK, 0);
            let (mut left, mut taken, mut room, mut made) = (block.len(), 0, BLOCK, 0);
            let done = self.state.compress_stream(
                operation,
                &mut left,
                block,
                &mut taken,
                &mut room,
                &mut self.pending[made_before..],
                &mut made,
                &mut None,
                &mut |_, _, _, _| (),
            );
            self.pending.truncate(made_before + made);
            block = &block[taken..];
            if !done {
                return Err(Error::new(ErrorKind::Other, "brotli cannot compress this"));
            }
            if block.is_empty() && !self.state.has_more_output() {
                return Ok(());
            }
        }
    }

    fn gathered(&mut self, operation: BrotliEncoderOperation) -> Result<()> {
        let block = std::mem::take(&mut self.gathered);
        self.compress(&block, operation)?;
        self.gathered = block;
        self.gathered.clear();
        Ok(())
    }
}

fn state(level: u32, window: u32) -> Box<BrotliEncoderStateStruct<StandardAlloc>> {
    let mut state = Box::new(BrotliEncoderStateStruct::new(StandardAlloc::default()));
    state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, level);
    state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, window);
    state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT, SIZE_HINT);
    state
}

impl MemberEncoder for BrotliEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while self.drain(output) && !input.is_empty() {
            self.is_flushed = false;
            if gather(&mut self.gathered, BLOCK, input) {
                self.gathered(BrotliEncoderOperation::BROTLI_OPERATION_PROCESS)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.is_flushed {
                return Ok(true);
            }
            self.gathered(BrotliEncoderOperation::BROTLI_OPERATION_FLUSH)?;
            self.is_flushed = true;
        }
        Ok(false)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        while self.drain(output) {
            if self.is_ended {
                return Ok(true);
            }
            self.gathered(BrotliEncoderOperation::BROTLI_OPERATION_FINISH)?;
            self.is_ended = true;
        }
        Ok(false)
    }

    fn reset(&mut self) -> Result<()> {
        self.state = state(self.level, self.window);
        self.gathered.clear();
        self.pending.clear();
        (self.given, self.is_flushed, self.is_ended) = (0, true, false);
        Ok(())
    }
}

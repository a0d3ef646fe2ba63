//! One frame, with a checksum.

use storage_core::codec::{EncodeOptions, MemberEncoder};
use storage_core::{Error, ErrorKind, Result};
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective as Directive;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use crate::decode::no_memory;

/// What the tool takes.
const LEVEL: i32 = 3;
/// From which window on repetitions far apart are looked for by another search.
const LONG: u32 = 27;

/// More threads than that help nobody.
const THREADS_MAX: usize = 200;
/// Bytes that a thread works on at a time.
const JOB: u32 = 8 << 20;

pub(crate) struct ZstdEncoder {
    context: CCtx<'static>,
}

impl ZstdEncoder {
    pub(crate) fn new(options: &EncodeOptions) -> Result<Self> {
        let mut context = CCtx::try_create().ok_or_else(no_memory)?;
        let mut set = |parameter| context.set_parameter(parameter).map_err(refused);
        set(CParameter::CompressionLevel(options.level.unwrap_or(LEVEL)))?;
        set(CParameter::ChecksumFlag(true))?;
        if let Some(log) = options.window_log {
            set(CParameter::WindowLog(log))?;
            set(CParameter::EnableLongDistanceMatching(log >= LONG))?;
        }
        if options.threads > 1 {
            // The same output, however many there are.
            set(CParameter::NbWorkers(options.threads.min(THREADS_MAX) as u32))?;
            // Of a job that has begun nothing can be taken back: who gives up waits for no more than this.
            set(CParameter::JobSize(JOB))?;
        }
        if let Some(dictionary) = &options.dictionary {
            context.load_dictionary(dictionary).map_err(refused)?;
        }
        Ok(Self { context })
    }

    /// Says how much is still to come at least.
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>, directive: Directive) -> Result<usize> {
        let made = output.len();
        let mut source = InBuffer::around(input);
        let mut sink = OutBuffer::around_pos(output, made);
        let left = self.context.compress_stream2(&mut sink, &mut source, directive);
        let taken = source.pos();
        *input = &input[taken..];
        left.map_err(|code| Error::new(ErrorKind::Other, format!("zstd: {}", get_error_name(code))))
    }
}

fn refused(code: usize) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("zstd: {}", get_error_name(code)))
}

impl MemberEncoder for ZstdEncoder {
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        while !input.is_empty() && output.len() < output.capacity() {
            self.step(input, output, Directive::ZSTD_e_continue)?;
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        Ok(self.step(&mut &[][..], output, Directive::ZSTD_e_flush)? == 0)
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        Ok(self.step(&mut &[][..], output, Directive::ZSTD_e_end)? == 0)
    }

    fn reset(&mut self) -> Result<()> {
        // A frame that was ended leaves nothing behind.
        self.context.reset(ResetDirective::SessionOnly).map(drop).map_err(refused)
    }
}

//! One frame, or one that is skipped.

use storage_core::codec::{DecodeOptions, MemberDecoder};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use crate::NAME;

/// The least window that the library can be told of.
const WINDOW_LOG_MIN: u32 = 10;
/// The most.
const WINDOW_LOG_MAX: u32 = if cfg!(target_pointer_width = "64") { 31 } else { 30 };

pub(crate) struct ZstdDecoder {
    context: DCtx<'static>,
    window_max: u64,
}

impl ZstdDecoder {
    pub(crate) fn new(options: &DecodeOptions) -> Result<Self> {
        let failed = |code| Error::new(ErrorKind::Other, get_error_name(code));
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        // Windows are powers of two, nearly: the largest that is allowed whole.
        let log = options.window_max.max(1).ilog2().clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX);
        context.set_parameter(DParameter::WindowLogMax(log)).map_err(failed)?;
        if let Some(dictionary) = &options.dictionary {
            context.load_dictionary(dictionary).map_err(failed)?;
        }
        Ok(Self { context, window_max: options.window_max })
    }

    fn flaw(&self, code: usize) -> Flaw {
        let name = get_error_name(code);
        let of = |kind, message: String| Flaw::new(kind, NAME, message);
        match name {
            _ if name.contains("too much memory") => of(
                FlawKind::TooLarge,
                format!("it looks back further than the {} bytes that are allowed", self.window_max),
            ),
            _ if name.contains("not enough memory") => {
                of(FlawKind::TooLarge, "no memory for it is left".into())
            }
            _ if name.contains("ictionary mismatch") => {
                of(FlawKind::Unsupported, "it was made with a dictionary, and this is not the one".into())
            }
            _ if name.contains("Unsupported") => of(FlawKind::Unsupported, name.to_lowercase()),
            _ => of(FlawKind::Damaged, name.to_lowercase()),
        }
    }
}

impl MemberDecoder for ZstdDecoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        loop {
            let (before, made) = (input.len(), output.len());
            let mut source = InBuffer::around(input);
            let mut sink = OutBuffer::around_pos(output, made);
            let hint = self.context.decompress_stream(&mut sink, &mut source);
            let taken = source.pos();
            *input = &input[taken..];
            match hint {
                Err(code) => return Err(self.flaw(code)),
                // Zero for a frame that has ended, and for one that has not begun.
                Ok(0) if taken > 0 || output.len() > made => return Ok(true),
                Ok(_) => {}
            }
            let stands = input.len() == before && output.len() == made;
            if stands || input.is_empty() || output.len() == output.capacity() {
                return Ok(false);
            }
        }
    }

    fn reset(&mut self) {
        // Only what is under way: nothing is, so nothing can fail.
        let _ = self.context.reset(ResetDirective::SessionOnly);
    }
}

pub(crate) fn no_memory() -> Error {
    Error::new(ErrorKind::Other, "no memory for zstd is left")
}

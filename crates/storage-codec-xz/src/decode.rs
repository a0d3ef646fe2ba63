//! One stream.

use liblzma::stream::{Action, Error, Status, Stream, TELL_UNSUPPORTED_CHECK};
use storage_core::codec::MemberDecoder;
use storage_core::{Flaw, FlawKind};

use crate::NAME;

/// What a decoder needs beside its window.
const BESIDES: u64 = 1 << 20;

pub(crate) struct XzDecoder {
    window_max: u64,
    stream: Option<Stream>,
}

impl XzDecoder {
    pub(crate) fn new(window_max: u64) -> Self {
        Self { window_max, stream: None }
    }

    fn stream(&mut self) -> Result<&mut Stream, Flaw> {
        if self.stream.is_none() {
            let memory = self.window_max.saturating_add(BESIDES);
            let stream = Stream::new_stream_decoder(memory, TELL_UNSUPPORTED_CHECK);
            self.stream = Some(stream.map_err(|error| flaw(&error, self.window_max))?);
        }
        Ok(self.stream.as_mut().expect("because it was made just now"))
    }
}

impl MemberDecoder for XzDecoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        let window_max = self.window_max;
        let stream = self.stream()?;
        let before = stream.total_in();
        let done = stream.process_vec(input, output, Action::Run);
        *input = &input[(stream.total_in() - before) as usize..];
        match done {
            Ok(status) => Ok(matches!(status, Status::StreamEnd)),
            Err(error) => Err(flaw(&error, window_max)),
        }
    }

    fn reset(&mut self) {
        self.stream = None;
    }
}

fn flaw(error: &Error, window_max: u64) -> Flaw {
    let (kind, why) = match error {
        Error::MemLimit => (
            FlawKind::TooLarge,
            format!("it looks back further than the {window_max} bytes that are allowed"),
        ),
        Error::Mem => (FlawKind::TooLarge, "no memory for it is left".to_owned()),
        Error::Options => (FlawKind::Unsupported, "a filter that is not known here".to_owned()),
        Error::UnsupportedCheck | Error::NoCheck => {
            (FlawKind::Unsupported, "a checksum that is not known here".to_owned())
        }
        _ => (FlawKind::Damaged, String::new()),
    };
    Flaw::new(kind, NAME, why)
}

//! Encoding, with a new member wherever one was asked for.

use std::fmt;
use std::sync::Arc;

use super::{Codec, EncodeOptions, MemberEncoder};
use crate::error::{Error, ErrorKind, Result};

/// Encodes data in steps. The same input and options give the same output, however the input is split.
pub struct Encoder {
    codec: Arc<dyn Codec>,
    member: Box<dyn MemberEncoder>,
    member_size: u64,
    /// Bytes of input in the member that is open.
    inside: u64,
    /// The member is being ended, and another is to follow.
    ending: bool,
    /// Everything was ended.
    ended: bool,
}

impl Encoder {
    /// An encoder of `codec`.
    ///
    /// # Errors
    /// `InvalidInput` for a level or another option that the codec does not have.
    pub fn new(codec: Arc<dyn Codec>, options: &EncodeOptions) -> Result<Self> {
        let levels = &codec.about().levels;
        if let Some(level) = options.level.filter(|level| !levels.contains(level)) {
            let (name, least, most) = (codec.about().name, levels.start(), levels.end());
            let message = format!("{name} has the levels {least} to {most}, not {level}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if options.member_size == Some(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "a member of 0 bytes would have no end"));
        }
        codec.about().admit(options.dictionary.is_some(), options.window_log.is_some())?;
        let member = codec.encoder(options)?;
        let member_size = options.member_size.unwrap_or(u64::MAX);
        Ok(Self { codec, member, member_size, inside: 0, ending: false, ended: false })
    }

    /// Takes bytes off the front of `input` and appends to `output`, no more than its spare capacity. Returns once the input
    /// is used up or the output is full: then it wants to be called again with more room.
    ///
    /// # Errors
    /// Of the library beneath; `InvalidInput` after [`finish`](Self::finish).
    pub fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        if self.ended {
            return Err(Error::new(ErrorKind::InvalidInput, "the data was ended before"));
        }
        if input.is_empty() && !self.ending {
            // What had no room before.
            return self.member.encode(input, output);
        }
        while !input.is_empty() && output.len() < output.capacity() {
            if self.ending || self.inside == self.member_size {
                self.ending = true;
                if !self.member.finish(output)? {
                    return Ok(());
                }
                self.member.reset()?;
                (self.inside, self.ending) = (0, false);
                continue;
            }
            let room = usize::try_from(self.member_size - self.inside).unwrap_or(usize::MAX);
            let (mut piece, _) = input.split_at(room.min(input.len()));
            let before = piece.len();
            self.member.encode(&mut piece, output)?;
            let taken = before - piece.len();
            self.inside += taken as u64;
            *input = &input[taken..];
        }
        Ok(())
    }

    /// Appends what makes all bytes so far readable, at the price of some size. Says whether that is all of it; if not, the
    /// output is full.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        if self.ended {
            return Ok(true);
        }
        if !self.ending {
            return self.member.flush(output);
        }
        // The end of a member makes all of it readable.
        let ended = self.member.finish(output)?;
        if ended {
            self.member.reset()?;
            (self.inside, self.ending) = (0, false);
        }
        Ok(ended)
    }

    /// Appends the end of the data. Says whether that is all of it; if not, the output is full.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        if !self.ended {
            self.ended = self.member.finish(output)?;
        }
        Ok(self.ended)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

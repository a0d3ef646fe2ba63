//! Encoding, with a new member wherever one was asked for.

use std::fmt;
use std::sync::Arc;

use super::{Codec, EncodeOptions, Extent, MemberEncoder, give};
use crate::error::{Error, ErrorKind, Result};

/// Members of more content than that are made one after another, as the content comes.
const SHARE_MAX: u64 = 64 << 20;
/// How many bytes of content a member has that one of several threads makes, where the format has no size of its own.
const SHARE: u64 = 4 << 20;

/// Encodes data in steps. The same input and options give the same output, however the input is split.
pub struct Encoder {
    codec: Arc<dyn Codec>,
    member: Box<dyn MemberEncoder>,
    member_size: u64,
    /// The member that is open: bytes of input, and of output.
    inside: u64,
    made: u64,
    /// The member is being ended, and another is to follow.
    ending: bool,
    /// The last member was ended.
    ended: bool,
    /// The members that were ended, if that is to be told.
    members: Option<Vec<Extent>>,
    /// What stands behind them, and how much of it went out.
    index: Vec<u8>,
    given: usize,
}

impl EncodeOptions {
    /// The same, as the codec has them: with a size of members wherever there have to be several.
    ///
    /// # Errors
    /// `InvalidInput` for what the codec does not have.
    pub(super) fn of(&self, codec: &dyn Codec) -> Result<Self> {
        let (about, mut options) = (codec.about(), self.clone());
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        if let Some(level) = options.level.filter(|level| !about.levels.contains(level)) {
            let (name, least, most) = (about.name, about.levels.start(), about.levels.end());
            return refuse(format!("{name} has the levels {least} to {most}, not {level}"));
        }
        if options.member_size == Some(0) {
            return refuse("a member of 0 bytes would have no end".into());
        }
        if options.member_size.is_some() && !about.has_members {
            return refuse(format!("{} has no members", about.name));
        }
        about.admit(options.dictionary.is_some(), options.window_log.is_some())?;
        if options.indexed {
            let Some(indexes) = &about.indexes else {
                return refuse(format!("{} has no index", about.name));
            };
            let size = *options.member_size.get_or_insert(indexes.member_size);
            if size > indexes.member_max {
                let (name, most) = (about.name, indexes.member_max);
                return refuse(format!("members of {name} with an index have at most {most} bytes"));
            }
        }
        if options.threads > 1 && !about.has_threads && about.has_members {
            options.member_size.get_or_insert(SHARE);
        }
        Ok(options)
    }

    /// Whether members are made side by side, and each by one thread: those that can be held whole.
    pub(super) fn shares_members(&self) -> bool {
        self.threads > 1 && self.member_size.is_some_and(|size| size <= SHARE_MAX)
    }
}

impl Encoder {
    /// An encoder of `codec`.
    ///
    /// # Errors
    /// `InvalidInput` for a level or another option that the codec does not have.
    pub fn new(codec: Arc<dyn Codec>, options: &EncodeOptions) -> Result<Self> {
        let options = options.of(&*codec)?;
        Ok(Self {
            member: member_encoder(&*codec, &options)?,
            codec,
            member_size: options.member_size.unwrap_or(u64::MAX),
            inside: 0,
            made: 0,
            ending: false,
            ended: false,
            members: options.indexed.then(Vec::new),
            index: Vec::new(),
            given: 0,
        })
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
            return self.step(input, output);
        }
        while !input.is_empty() && output.len() < output.capacity() {
            if self.ending || self.inside == self.member_size {
                self.ending = true;
                if !self.next_member(output)? {
                    return Ok(());
                }
                continue;
            }
            let room = usize::try_from(self.member_size - self.inside).unwrap_or(usize::MAX);
            let (mut piece, _) = input.split_at(room.min(input.len()));
            let before = piece.len();
            self.step(&mut piece, output)?;
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
        if self.ending {
            // The end of a member makes all of it readable.
            return self.next_member(output);
        }
        let before = output.len();
        let flushed = self.member.flush(output);
        self.made += (output.len() - before) as u64;
        flushed
    }

    /// Appends the end of the data. Says whether that is all of it; if not, the output is full.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        if !self.ended {
            if !self.end_member(output)? {
                return Ok(false);
            }
            if let Some(members) = &self.members {
                self.index = self.codec.index(members)?;
            }
            self.ended = true;
        }
        Ok(give(&self.index, &mut self.given, output))
    }

    /// The members of [indexed](EncodeOptions::indexed) data that were ended so far.
    pub fn members(&self) -> &[Extent] {
        self.members.as_deref().unwrap_or_default()
    }

    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        let before = output.len();
        let done = self.member.encode(input, output);
        self.made += (output.len() - before) as u64;
        done
    }

    /// Says whether the member has ended.
    fn end_member(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        let before = output.len();
        let ended = self.member.finish(output)?;
        self.made += (output.len() - before) as u64;
        if ended && let Some(members) = &mut self.members {
            members.push(extent(self.made, self.inside)?);
        }
        Ok(ended)
    }

    /// Says whether the member has ended and another is open.
    fn next_member(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        let ended = self.end_member(output)?;
        if ended {
            self.member.reset()?;
            (self.inside, self.made, self.ending) = (0, 0, false);
        }
        Ok(ended)
    }
}

/// An encoder of one member, by one thread where several make members.
pub(super) fn member_encoder(codec: &dyn Codec, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>> {
    let mut options = options.clone();
    if options.member_size.is_some() {
        options.threads = 0;
    }
    codec.encoder(&options)
}

pub(super) fn extent(encoded: u64, decoded: u64) -> Result<Extent> {
    let short = |length: u64| {
        u32::try_from(length).map_err(|_| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("a member of {length} bytes is too long for an index"),
            )
        })
    };
    Ok(Extent { encoded: short(encoded)?, decoded: short(decoded)? })
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}

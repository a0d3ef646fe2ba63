//! Decoding member after member, up to a clean end and no further (clauses CODEC-1 to CODEC-3).

use std::fmt;
use std::sync::Arc;

use super::{Codec, DecodeOptions, HEAD, MemberDecoder, Next};
use crate::error::{Error, Result};
use crate::flaw::{Flaw, FlawKind};

/// Decodes data in steps: any split of the input gives the same output.
///
/// What comes out is proved whole only once [`finish`](Self::finish) has said so: each member's checksum stands behind it
/// (clause CODEC-5).
pub struct Decoder {
    codec: Arc<dyn Codec>,
    options: DecodeOptions,
    member: Box<dyn MemberDecoder>,
    state: State,
    /// The first bytes behind a member, until they tell what they are.
    head: Vec<u8>,
    taken: u64,
    made: u64,
    members: u64,
    /// The output was full: more may be there without any more input.
    owes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Inside,
    /// An error was reported.
    Failed,
}

impl Decoder {
    /// A decoder of `codec`.
    ///
    /// # Errors
    /// `InvalidInput` for options that the codec cannot follow.
    pub fn new(codec: Arc<dyn Codec>, options: DecodeOptions) -> Result<Self> {
        codec.about().admit(options.dictionary.is_some(), false)?;
        let member = codec.decoder(&options)?;
        Ok(Self {
            codec,
            options,
            member,
            state: State::Between,
            head: Vec::with_capacity(HEAD),
            taken: 0,
            made: 0,
            members: 0,
            owes: false,
        })
    }

    /// Takes bytes off the front of `input` and appends what they mean to `output`, no more than its spare capacity. Returns
    /// once the input is used up or the output is full: then it wants to be called again with more room.
    ///
    /// # Errors
    /// A [`Flaw`], after which nothing more is decoded. What was appended before is what the data says up to there, unproved.
    pub fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        self.run(input, false, output).map(drop)
    }

    /// Says that no more input comes, and appends what is left. Says whether that is all of it; if not, the output is full.
    /// After `true` everything that came out is proved.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); of input that is cut, of none at all as well.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        self.run(&mut &[][..], true, output)
    }

    /// Counts whole members that somebody else decoded, of so many bytes. Says whether they could come next, and the options
    /// allow them; if not, nothing has changed.
    pub(super) fn pass(&mut self, members: u64, taken: u64, made: u64) -> bool {
        let after = (self.taken + taken, self.made + made, self.members + members);
        let is_between = self.state == State::Between && self.head.is_empty();
        let passes =
            is_between && after.2 <= self.options.members_max && self.excess(after.0, after.1).is_none();
        if passes {
            (self.taken, self.made, self.members) = after;
        }
        passes
    }

    /// Bytes of input so far, without those that still have to tell what they are.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes of output so far.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Members that ended so far.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Says whether the data has ended.
    fn run(&mut self, input: &mut &[u8], at_end: bool, output: &mut Vec<u8>) -> Result<bool> {
        loop {
            match self.state {
                State::Failed => return Err(self.flaw(FlawKind::Damaged, "it was refused before")),
                State::Between => {
                    // Where nothing marks a beginning, no more of it says more.
                    let wanted = if self.codec.about().has_mark { HEAD } else { 1 };
                    let missing = wanted - self.head.len();
                    let (more, rest) = input.split_at(missing.min(input.len()));
                    self.head.extend_from_slice(more);
                    *input = rest;
                    if self.head.is_empty() && at_end {
                        return if self.members > 0 { Ok(true) } else { self.cut("there is nothing") };
                    }
                    if self.head.len() < wanted && !at_end {
                        return Ok(false);
                    }
                    self.recognise()?;
                }
                State::Inside if output.len() == output.capacity() => return Ok(false),
                State::Inside if !self.head.is_empty() => {
                    // What was looked at comes first.
                    let head = std::mem::take(&mut self.head);
                    let (mut rest, made) = (head.as_slice(), output.len());
                    self.step(&mut rest, output)?;
                    if self.state == State::Inside && (rest.len(), output.len()) == (head.len(), made) {
                        return self.refuse(FlawKind::Damaged, "");
                    }
                    self.head.extend_from_slice(rest);
                }
                State::Inside if input.is_empty() && !at_end && !self.owes => return Ok(false),
                State::Inside => {
                    let before = (input.len(), output.len());
                    self.step(input, output)?;
                    if self.state == State::Inside && before == (input.len(), output.len()) {
                        if input.is_empty() && !at_end {
                            return Ok(false);
                        }
                        return if at_end { self.cut("") } else { self.refuse(FlawKind::Damaged, "") };
                    }
                }
            }
        }
    }

    /// Tells what begins with what was looked at.
    fn recognise(&mut self) -> Result<()> {
        if self.members > 0 && self.member.goes_on(&self.head) {
            self.members -= 1;
            self.state = State::Inside;
            return Ok(());
        }
        let first = self.taken == 0;
        match self.codec.next(&self.head, first) {
            Next::Member if self.members == self.options.members_max => {
                let message = format!("there are more than {} members", self.members);
                self.refuse(FlawKind::TooLarge, message)
            }
            Next::Member => {
                if self.members > 0 {
                    self.member.reset();
                }
                self.state = State::Inside;
                Ok(())
            }
            Next::Padding(count) if (1..=self.head.len()).contains(&count) => {
                self.head.drain(..count);
                self.taken += count as u64;
                Ok(())
            }
            _ if first => self.refuse(FlawKind::Foreign, ""),
            _ => self.refuse(FlawKind::TrailingData, ""),
        }
    }

    /// Lets the member take what it can.
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        let before = (input.len(), output.len());
        let ended = self.member.decode(input, output);
        self.taken += (before.0 - input.len()) as u64;
        self.made += (output.len() - before.1) as u64;
        self.owes = output.len() == output.capacity();
        match ended {
            Err(flaw) => {
                self.state = State::Failed;
                return Err(flaw.at(self.taken, self.members).into());
            }
            Ok(true) => {
                self.members += 1;
                self.state = State::Between;
            }
            Ok(false) => {}
        }
        match self.excess(self.taken, self.made) {
            Some(message) => self.refuse(FlawKind::TooLarge, message),
            None => Ok(()),
        }
    }

    /// What is too much, if that much went in and came out.
    fn excess(&self, taken: u64, made: u64) -> Option<String> {
        let options = &self.options;
        if let Some(most) = options.output_max.filter(|most| made > *most) {
            return Some(format!("more than {most} bytes come out"));
        }
        let is_bomb = made > options.ratio_grace && made / taken.max(1) > options.ratio_max;
        is_bomb.then(|| format!("more than {} bytes come out for each that goes in", options.ratio_max))
    }

    fn cut<T>(&mut self, message: &str) -> Result<T> {
        self.refuse(FlawKind::UnexpectedEnd, message)
    }

    fn refuse<T>(&mut self, kind: FlawKind, message: impl Into<String>) -> Result<T> {
        self.state = State::Failed;
        Err(self.flaw(kind, message))
    }

    fn flaw(&self, kind: FlawKind, message: impl Into<String>) -> Error {
        Flaw::new(kind, self.codec.about().name, message).at(self.taken, self.members).into()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("taken", &self.taken)
            .field("made", &self.made)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

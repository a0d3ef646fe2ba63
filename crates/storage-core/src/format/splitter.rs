//! Bytes into records, whatever pieces they come in.

use bytes::{Buf, Bytes};

use super::{Framing, Look, OnFlaw, Record, Resync, Skipped, SplitOptions};
use crate::error::{Error, Result};
use crate::flaw::{Flaw, FlawKind};

/// How much of a new piece joins a record that began in the last one, at first.
const JOIN: usize = 4 << 10;

/// Splits bytes into records. What came in one piece comes out as a view of it; only a record that lies across two is
/// put together.
#[derive(Debug)]
pub struct Splitter<F> {
    framing: F,
    options: SplitOptions,
    /// What is not looked at yet.
    rest: Bytes,
    /// The beginning of a record whose end did not come yet, and so many bytes of `rest` behind it.
    held: Vec<u8>,
    copied: usize,
    /// Bytes of `held`, or of `rest` if nothing is held, that were looked at in vain.
    seen: usize,
    /// How many the record has, if that is known.
    wanted: usize,
    at_end: bool,
    state: State,
    offset: u64,
    number: u64,
    skipped: Vec<Skipped>,
    skips: u64,
}

/// Of what was left out so many are remembered until somebody asks; the last one stands for all that follow.
const SKIPPED_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Records,
    /// So many bytes of a record are left out.
    Leaving(u64),
    /// A flaw is left out, until a record begins again.
    Searching,
    Failed,
}

impl<F: Framing> Splitter<F> {
    /// A splitter of data in this framing.
    pub fn new(framing: F, options: SplitOptions) -> Self {
        let offset = options.offset;
        let state = match offset {
            _ if options.inside => State::Searching,
            0 => State::Preamble,
            // Only what begins at the beginning can begin with a preamble.
            _ => State::Records,
        };
        Self {
            framing,
            options,
            rest: Bytes::new(),
            held: Vec::new(),
            copied: 0,
            seen: 0,
            wanted: 0,
            at_end: false,
            state,
            offset,
            number: 0,
            skipped: Vec::new(),
            skips: 0,
        }
    }

    /// Gives it the next piece of the data, once [`next`](Self::next) has found nothing more in the last one.
    pub fn push(&mut self, piece: Bytes) {
        if self.rest.is_empty() {
            self.rest = piece;
        } else {
            // Only a caller that does not wait comes here.
            self.rest = [&self.rest[..], &piece].concat().into();
        }
    }

    /// Says that no more data comes.
    pub fn end(&mut self) {
        self.at_end = true;
    }

    /// The next record. `None` if more data is needed, or if there is none any more after [`end`](Self::end).
    ///
    /// # Errors
    /// A [`Flaw`] with the byte and the number of the record, where the options do not leave it out. Nothing more comes then.
    #[allow(clippy::should_implement_trait)] // `None` is no end
    pub fn next(&mut self) -> Result<Option<Record>> {
        loop {
            let joined = !self.held.is_empty();
            if joined {
                self.join();
            }
            let data = if joined { &self.held[..] } else { &self.rest[..] };
            let whole = !joined || self.copied == self.rest.len();
            let at_end = self.at_end && whole;
            match self.state {
                State::Failed => return Err(self.error(FlawKind::Damaged, 0, "it was refused before")),
                _ if data.is_empty() => return Ok(None),
                State::Preamble => match self.framing.preamble(data, at_end) {
                    Some(count) => {
                        self.drop_front(count);
                        self.state = State::Records;
                    }
                    None => {
                        self.seen = data.len();
                        if !self.hold() {
                            return Ok(None);
                        }
                    }
                },
                State::Leaving(left) => {
                    let count = left.min(data.len() as u64);
                    self.skip(count as usize);
                    self.state = if left > count { State::Leaving(left - count) } else { State::Records };
                }
                State::Searching => match self.framing.resync(data, at_end) {
                    Resync::Found(count) => {
                        self.skip(count);
                        self.state = State::Records;
                    }
                    Resync::Beyond(count) if count > 0 => self.skip(count),
                    Resync::Beyond(_) if at_end => self.skip(data.len()),
                    Resync::Beyond(_) => {
                        self.seen = data.len();
                        if !self.hold() {
                            return Ok(None);
                        }
                    }
                },
                State::Records => match self.framing.look(data, self.seen, at_end) {
                    Ok(Look::Record { start, end, next }) => {
                        if end.saturating_sub(start as u64) > self.options.record_max as u64 {
                            self.too_large(Some(next))?;
                        } else if next > data.len() as u64 {
                            self.seen = data.len();
                            self.wanted = next as usize;
                            if self.wait(at_end)? {
                                return Ok(None);
                            }
                        } else {
                            let (end, next) = (end as usize, next as usize);
                            match self.framing.check(&data[..next], start..end) {
                                Ok(()) => return Ok(Some(self.take(start, end, next))),
                                Err(flaw) => self.flawed(flaw, Some(next as u64))?,
                            }
                        }
                    }
                    Ok(Look::Nothing(count)) if count > self.longest() => {
                        self.too_large(Some(count as u64))?;
                    }
                    Ok(Look::Nothing(count)) => self.drop_front(count),
                    Ok(Look::More(needed)) if needed > self.longest() => self.too_large(None)?,
                    Ok(Look::More(_)) => {
                        (self.seen, self.wanted) = (data.len(), 0);
                        if self.wait(at_end)? {
                            return Ok(None);
                        }
                    }
                    Err(flaw) => self.flawed(flaw, None)?,
                },
            }
        }
    }

    /// What was left out since this was asked last, as far as its end is known.
    pub fn skipped(&mut self) -> Vec<Skipped> {
        let more_to_come = !(self.at_end && self.held.is_empty() && self.rest.is_empty());
        let is_open = matches!(self.state, State::Leaving(_) | State::Searching) && more_to_come;
        let ended = self.skipped.len() - usize::from(is_open && !self.skipped.is_empty());
        self.skipped.drain(..ended).collect()
    }

    /// How many were left out in all.
    pub fn skips(&self) -> u64 {
        self.skips
    }

    /// The byte behind the last record.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The most bytes that may be looked at for one record: its content, and what announces and ends it.
    fn longest(&self) -> usize {
        self.options.record_max.saturating_add(JOIN)
    }

    /// Adds more of the rest to what is held: as much as the record has, or in steps, since most of it follows the record.
    fn join(&mut self) {
        if self.seen < self.held.len() {
            return;
        }
        let more = &self.rest[self.copied..];
        let missing = self.wanted.saturating_sub(self.held.len());
        let step = if missing > 0 { missing } else { self.held.len().max(JOIN) };
        let more = &more[..step.min(more.len())];
        self.held.extend_from_slice(more);
        self.copied += more.len();
    }

    /// Holds the rest, of which no record has its end. Says whether there is more to look at.
    fn hold(&mut self) -> bool {
        if self.held.is_empty() {
            self.held.extend_from_slice(&self.rest);
            self.rest = Bytes::new();
            return false;
        }
        if self.copied == self.rest.len() {
            (self.rest, self.copied) = (Bytes::new(), 0);
            return false;
        }
        true
    }

    fn take(&mut self, start: usize, end: usize, next: usize) -> Record {
        let content = if self.held.is_empty() {
            let content = self.rest.slice(start..end);
            self.rest.advance(next);
            content
        } else {
            let content = Bytes::copy_from_slice(&self.held[start..end]);
            self.give_back(next);
            content
        };
        let record = Record { content, offset: self.offset, number: self.number };
        (self.offset, self.number, self.seen) = (self.offset + next as u64, self.number + 1, 0);
        record
    }

    fn drop_front(&mut self, count: usize) {
        if self.held.is_empty() {
            self.rest.advance(count);
        } else {
            self.give_back(count);
        }
        (self.offset, self.seen) = (self.offset + count as u64, 0);
    }

    /// Goes on behind the first `next` bytes of what is held.
    fn give_back(&mut self, next: usize) {
        let old = self.held.len() - self.copied;
        if next >= old {
            self.rest.advance(next - old);
            self.held.clear();
        } else {
            // Within what was held before: only after a flaw.
            self.held.truncate(old);
            self.held.drain(..next);
        }
        self.copied = 0;
    }

    fn skip(&mut self, count: usize) {
        self.drop_front(count);
        if let Some(last) = self.skipped.last_mut() {
            last.bytes += count as u64;
        }
    }

    /// Says whether more data has to come first; at the end the record is cut.
    fn wait(&mut self, at_end: bool) -> Result<bool> {
        if self.hold() {
            return Ok(false);
        }
        if !at_end {
            return Ok(true);
        }
        let cut = Flaw::new(FlawKind::UnexpectedEnd, self.framing.about().name, "");
        let length = self.seen as u64;
        self.flawed(cut.at(length, 0), Some(length)).map(|()| false)
    }

    fn too_large(&mut self, next: Option<u64>) -> Result<()> {
        let message = format!("the record is longer than {} bytes", self.options.record_max);
        self.flawed(Flaw::new(FlawKind::TooLarge, self.framing.about().name, message), next)
    }

    /// A flaw of the record at the front: an error, or something to leave out. `next` is where the next one begins, if that is
    /// known.
    fn flawed(&mut self, flaw: Flaw, next: Option<u64>) -> Result<()> {
        let offset = self.offset + flaw.offset();
        let placed = flaw.at(offset, self.number);
        match self.options.on_flaw {
            OnFlaw::Skip(most) if self.skips < most => {
                self.skips += 1;
                self.number += 1;
                if self.skipped.len() < SKIPPED_MAX {
                    self.skipped.push(Skipped::new(placed, 0, 1));
                } else if let Some(last) = self.skipped.last_mut() {
                    last.records += 1;
                }
                self.seen = 0;
                self.state = next.map_or(State::Searching, State::Leaving);
                if next.is_none() {
                    // None begins where this one does.
                    self.skip(1);
                }
                Ok(())
            }
            _ => {
                self.state = State::Failed;
                Err(placed.into())
            }
        }
    }

    fn error(&self, kind: FlawKind, at: u64, message: &str) -> Error {
        Flaw::new(kind, self.framing.about().name, message).at(self.offset + at, self.number).into()
    }
}

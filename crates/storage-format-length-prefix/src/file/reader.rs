//! Blocks into records.

use bytes::{Buf, Bytes, BytesMut};
use storage_core::codec::{Codecs, DecodeOptions, Decoder};
use storage_core::format::{OnFlaw, Record, RecordReader, Skipped, SplitOptions};
use storage_core::{Error, Flaw, FlawKind, Result};

use super::NAME;
use super::layout::{
    BLOCK, BLOCK_MAX, BlockHead, Crc, FOOT, HEAD, Id, Kind, LENGTH_MAX, MARKER, codec_name, crc, foot,
    put_varint, read_file_head, varint,
};

/// Of what was left out so many are remembered until somebody asks; the last one stands for all that follow.
const SKIPPED_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct FileReader {
    codecs: Codecs,
    options: SplitOptions,
    /// What was not looked at yet, and where in the file it begins.
    data: BytesMut,
    offset: u64,
    at_end: bool,
    state: State,
    id: Option<Id>,
    /// The number of the next record is known.
    is_placed: bool,
    /// By how much blocks lie behind the place that they tell, since bytes were lost or came between.
    shift: i128,
    /// The records of a block that are still to come.
    open: Option<Open>,
    /// The number of the next record.
    number: u64,
    /// What the index at the end has to be, if nothing was left out.
    blocks: u32,
    index: Crc,
    skipped: Vec<Skipped>,
    skips: u64,
    /// The last flaw goes on, and how many records it costs is told by the next block.
    is_gap: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Blocks,
    /// So many bytes of a block are left out.
    Leaving(u64),
    /// A flaw is left out, until a block begins.
    Searching,
    /// The last block is looked at.
    Index(Box<Index>),
    /// It was, and it tells that it began here.
    Foot(u64),
    Done,
    /// What follows the end was told of, and is passed over.
    Trailing,
    Failed,
}

/// The last block, of which so much is still to come.
#[derive(Debug)]
struct Index {
    left: u32,
    crc: Crc,
    head: BlockHead,
}

#[derive(Debug)]
struct Open {
    content: Bytes,
    left: u32,
    /// Where the block begins.
    offset: u64,
}

impl FileReader {
    pub(super) fn new(codecs: Codecs, options: SplitOptions) -> Result<Self> {
        // Who begins anywhere knows the file by its head: a block of another one may stand in a record.
        let id = match options.head.first_chunk::<HEAD>() {
            Some(head) if options.inside => Some(read_file_head(head)?),
            _ if options.inside => return Err(Flaw::new(FlawKind::UnexpectedEnd, NAME, "").into()),
            _ => None,
        };
        Ok(Self {
            codecs,
            data: BytesMut::new(),
            offset: options.offset,
            at_end: false,
            state: if options.inside { State::Searching } else { State::Head },
            id,
            is_placed: !options.inside,
            shift: 0,
            open: None,
            number: 0,
            blocks: 0,
            index: Crc::new(),
            skipped: Vec::new(),
            skips: 0,
            is_gap: false,
            options,
        })
    }

    /// The next record of the open block.
    fn record(&mut self) -> Result<Option<Record>> {
        while let Some(open) = &mut self.open {
            if open.left == 0 {
                let (rest, offset) = (open.content.len(), open.offset);
                self.open = None;
                if rest > 0 {
                    let what = "the block holds more than its records";
                    self.flawed(Flaw::new(FlawKind::Damaged, NAME, what).at(offset, 0), State::Blocks, 0)?;
                }
                continue;
            }
            let length = varint(&open.content)
                .and_then(|(length, start)| Some((usize::try_from(length).ok()?, start)))
                .filter(|(length, start)| *length <= open.content.len() - start);
            let Some((length, start)) = length else {
                let (lost, offset) = (u64::from(open.left), open.offset);
                self.open = None;
                let what = "a record is longer than the rest of its block";
                self.flawed(Flaw::new(FlawKind::Damaged, NAME, what).at(offset, 0), State::Blocks, lost)?;
                continue;
            };
            open.content.advance(start);
            let content = open.content.split_to(length);
            open.left -= 1;
            let record = Record::new(content, open.offset, self.number);
            if length > self.options.record_max {
                let what = format!("the record is longer than {} bytes", self.options.record_max);
                let flaw = Flaw::new(FlawKind::TooLarge, NAME, what).at(record.offset, 0);
                self.flawed(flaw, State::Blocks, 1)?;
                if let Some(last) = self.skipped.last_mut() {
                    last.bytes += length as u64;
                }
                continue;
            }
            self.number += 1;
            return Ok(Some(record));
        }
        Ok(None)
    }

    /// Takes the next step with what is there. Says whether more data is needed, or no more comes.
    fn step(&mut self) -> Result<bool> {
        match self.state {
            State::Index(_) => match std::mem::replace(&mut self.state, State::Failed) {
                State::Index(index) => self.index(index),
                other => {
                    self.state = other;
                    Ok(false)
                }
            },
            State::Failed => Err(Flaw::new(FlawKind::Damaged, NAME, "it was refused before")
                .at(self.offset, self.number)
                .into()),
            State::Head => self.head(),
            State::Blocks => self.block(),
            State::Leaving(left) => {
                let count = left.min(self.data.len() as u64);
                self.skip(count as usize);
                self.state = if count < left { State::Leaving(left - count) } else { State::Blocks };
                // Cut in it, the file is told to have no end.
                if count < left && self.at_end {
                    self.state = State::Blocks;
                    return Ok(false);
                }
                Ok(count < left)
            }
            State::Searching => Ok(self.search()),
            State::Foot(end) => self.foot(end),
            State::Done if self.data.is_empty() => Ok(true),
            State::Done => {
                let flaw = Flaw::new(FlawKind::TrailingData, NAME, "").at(self.offset, 0);
                self.flawed(flaw, State::Trailing, 0)?;
                Ok(false)
            }
            State::Trailing => {
                self.skip(self.data.len());
                Ok(true)
            }
        }
    }

    fn head(&mut self) -> Result<bool> {
        let Some(head) = self.data.first_chunk::<HEAD>() else {
            return if self.at_end {
                self.cut(if self.data.is_empty() { "there is nothing" } else { "" }).map(|()| true)
            } else {
                Ok(true)
            };
        };
        match read_file_head(head) {
            Ok(id) => {
                self.id = Some(id);
                self.drop_front(HEAD);
                self.state = State::Blocks;
            }
            Err(flaw) if flaw.kind() == FlawKind::Unsupported => return self.fail(flaw),
            Err(flaw) => {
                let offset = self.offset;
                self.flawed(flaw.at(offset, 0), State::Searching, 0)?;
                self.is_gap = true;
            }
        }
        Ok(false)
    }

    fn block(&mut self) -> Result<bool> {
        let Some(head) = self.data.first_chunk::<BLOCK>() else {
            if !self.at_end {
                return Ok(true);
            }
            let what = "the file has no end: it was cut, or is still being written";
            return self.cut(what).map(|()| true);
        };
        let found = BlockHead::read(head).and_then(|head| self.admit(head));
        let head = match found {
            Ok(head) => head,
            Err(flaw) => {
                let offset = self.offset;
                self.flawed(flaw.at(offset, 0), State::Searching, 0)?;
                self.is_gap = true;
                // None begins where this one does.
                self.skip(1);
                return Ok(false);
            }
        };
        let whole = BLOCK as u64 + u64::from(head.encoded);
        self.close_gap(head.number);
        let most = BLOCK_MAX.max(self.options.record_max.saturating_add(LENGTH_MAX));
        if head.kind == Kind::End {
            self.drop_front(BLOCK);
            self.state = State::Index(Box::new(Index { left: head.encoded, crc: Crc::new(), head }));
            return Ok(false);
        }
        if head.encoded.max(head.decoded) as usize > most {
            let what = format!(
                "a block of {} bytes, with records of up to {}",
                head.decoded, self.options.record_max
            );
            let flaw = Flaw::new(FlawKind::TooLarge, NAME, what).at(self.offset, 0);
            self.flawed(flaw, State::Leaving(whole), u64::from(head.records))?;
            return Ok(false);
        }
        let is_cut = (self.data.len() as u64) < whole;
        if is_cut && !self.at_end {
            return Ok(true);
        }
        let wrong = if is_cut {
            let end = self.offset + self.data.len() as u64;
            Some(Flaw::new(FlawKind::UnexpectedEnd, NAME, "").at(end, 0))
        } else if crc(&self.data[BLOCK..whole as usize]) != head.crc {
            let what = "the block has another checksum";
            Some(Flaw::new(FlawKind::Damaged, NAME, what).at(self.offset + BLOCK as u64, 0))
        } else {
            None
        };
        if let Some(flaw) = wrong {
            // Where bytes are missing the next block begins before this one would end.
            self.flawed(flaw, State::Searching, u64::from(head.records))?;
            self.is_gap = true;
            self.skip(BLOCK);
            return Ok(false);
        }
        let data = self.data.split_to(whole as usize).freeze();
        let begin = self.offset;
        self.offset += whole;
        match self.open(&head, data.slice(BLOCK..)) {
            Ok(content) => {
                let mut entry = Vec::with_capacity(2 * LENGTH_MAX);
                put_varint(whole, &mut entry);
                put_varint(u64::from(head.records), &mut entry);
                self.index.update(&entry);
                self.blocks = self.blocks.wrapping_add(1);
                self.open = Some(Open { content, left: head.records, offset: begin });
            }
            Err(flaw) => {
                let at = begin + flaw.offset();
                self.flawed(flaw.at(at, 0), State::Blocks, u64::from(head.records))?;
                if let Some(last) = self.skipped.last_mut() {
                    last.bytes += whole;
                }
            }
        }
        Ok(false)
    }

    /// Looks at the last block. It is not held: a long file has a long one.
    fn index(&mut self, mut index: Box<Index>) -> Result<bool> {
        let count = self.data.len().min(index.left as usize);
        index.crc.update(&self.data[..count]);
        self.drop_front(count);
        index.left -= count as u32;
        if index.left > 0 {
            self.state = State::Index(index);
            return if self.at_end { self.cut("").map(|()| true) } else { Ok(true) };
        }
        let Index { crc, head, .. } = *index;
        self.state = State::Foot(head.offset);
        // Of what was left out, and of what came before a reader began, it knows nothing.
        let knows = self.skips == 0 && !self.options.inside;
        let what = match crc.finish() {
            found if found != head.crc => "the index has another checksum",
            found if knows && (found, head.records) != (self.index.finish(), self.blocks) => {
                "the index is not of the blocks before it"
            }
            _ => return Ok(false),
        };
        let flaw = Flaw::new(FlawKind::Damaged, NAME, what).at(self.offset, 0);
        self.flawed(flaw, State::Foot(head.offset), 0)?;
        Ok(false)
    }

    /// Whether a block may stand here.
    fn admit(&self, head: BlockHead) -> Result<BlockHead, Flaw> {
        let refuse = |what: &str| Err(Flaw::new(FlawKind::Damaged, NAME, what));
        if self.id.is_some_and(|id| id != head.id) {
            return refuse("a block of another file");
        }
        if i128::from(head.offset) + self.shift != i128::from(self.offset) {
            return refuse("a block from another place in the file");
        }
        if head.number < self.number || (head.number != self.number && !self.is_gap) {
            return refuse("a block whose records have other numbers");
        }
        let is_possible = head.number.checked_add(u64::from(head.records)).is_some();
        if head.kind == Kind::Data && (!is_possible || head.records == 0 || head.records > head.decoded) {
            return refuse("a block with more records than it can hold, or none");
        }
        Ok(head)
    }

    /// What a block holds.
    fn open(&self, head: &BlockHead, data: Bytes) -> Result<Bytes, Flaw> {
        let damaged = |what: String| Flaw::new(FlawKind::Damaged, NAME, what).at(BLOCK as u64, 0);
        if head.codec == 0 {
            let fits = head.encoded == head.decoded;
            return if fits { Ok(data) } else { Err(damaged("the block has another length".into())) };
        }
        let name = codec_name(head.codec);
        let Some(codec) = name.and_then(|name| self.codecs.named(name)) else {
            let what = match name {
                Some(name) => format!("a block is compressed by {name}, which is not at hand"),
                None => format!("a block is compressed by the unknown codec {}", head.codec),
            };
            return Err(Flaw::new(FlawKind::Unsupported, NAME, what));
        };
        let decoded = head.decoded as usize;
        let wrong = |error: Error| damaged(format!("the block cannot be decompressed: {error}"));
        let options = DecodeOptions::new().output_max(u64::from(head.decoded));
        let mut decoder = Decoder::new(codec.clone(), options).map_err(wrong)?;
        // A byte more, so that what is too long is found out.
        let (mut input, mut output) = (&data[..], Vec::with_capacity(decoded + 1));
        decoder.decode(&mut input, &mut output).map_err(wrong)?;
        if !decoder.finish(&mut output).map_err(wrong)? || output.len() != decoded {
            return Err(damaged("the block decompresses to another length".into()));
        }
        Ok(output.into())
    }

    fn foot(&mut self, end: u64) -> Result<bool> {
        let Some(found) = self.data.first_chunk::<FOOT>() else {
            return if self.at_end { self.cut("").map(|()| true) } else { Ok(true) };
        };
        let is_right = self.id.is_none_or(|id| *found == foot(id, end, self.number));
        if !is_right {
            let flaw = Flaw::new(FlawKind::Damaged, NAME, "the end of the file is not of this file")
                .at(self.offset, 0);
            self.flawed(flaw, State::Done, 0)?;
            self.skip(FOOT);
            return Ok(false);
        }
        self.drop_front(FOOT);
        self.state = State::Done;
        Ok(false)
    }

    /// Passes over what is no block of this file. Says whether more data is needed.
    fn search(&mut self) -> bool {
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&self.data[from..], &MARKER) {
            let at = from + at;
            let Some(head) = self.data[at..].first_chunk::<BLOCK>() else {
                // What may be the beginning of one stays.
                self.skip(at);
                if self.at_end {
                    self.end_search();
                }
                return true;
            };
            if let Ok(head) = BlockHead::read(head) {
                let place = i128::from(self.offset) + at as i128;
                let shift = place - i128::from(head.offset);
                let is_ours = self.id.is_none_or(|id| id == head.id);
                // Who begins inside a file has lost nothing of it.
                let is_here = !self.options.inside || shift == 0;
                if is_ours && is_here && head.number >= self.number {
                    self.skip(at);
                    (self.shift, self.state) = (shift, State::Blocks);
                    if !std::mem::replace(&mut self.is_placed, true) {
                        self.number = head.number;
                    }
                    self.id = Some(head.id);
                    return false;
                }
            }
            from = at + 1;
        }
        let rest =
            if self.at_end { 0 } else { (MARKER.len() - 1).min(self.data.len() - from.min(self.data.len())) };
        self.skip(self.data.len() - rest);
        if self.at_end {
            self.end_search();
        }
        true
    }

    /// Nothing was found up to the end.
    fn end_search(&mut self) {
        let rest = self.data.len();
        self.skip(rest);
        self.state = State::Done;
    }

    /// How many records were lost is known by the number of the next one.
    fn close_gap(&mut self, number: u64) {
        if self.is_gap
            && let Some(last) = self.skipped.last_mut()
        {
            last.records += number.saturating_sub(self.number);
        }
        self.is_gap = false;
        self.number = self.number.max(number);
    }

    fn drop_front(&mut self, count: usize) {
        self.data.advance(count);
        self.offset += count as u64;
    }

    fn skip(&mut self, count: usize) {
        self.drop_front(count);
        if let Some(last) = self.skipped.last_mut() {
            last.bytes += count as u64;
        }
    }

    /// The data ends before its end.
    fn cut(&mut self, what: &str) -> Result<()> {
        let rest = self.data.len();
        let flaw = Flaw::new(FlawKind::UnexpectedEnd, NAME, what).at(self.offset + rest as u64, 0);
        self.flawed(flaw, State::Done, 0)?;
        self.skip(rest);
        Ok(())
    }

    fn fail<T>(&mut self, flaw: Flaw) -> Result<T> {
        (self.state, self.open) = (State::Failed, None);
        let offset = flaw.offset();
        Err(flaw.at(offset, self.number).into())
    }

    /// A flaw that costs so many records: an error, or something to leave out, behind which it goes on so.
    fn flawed(&mut self, flaw: Flaw, next: State, records: u64) -> Result<()> {
        match self.options.on_flaw {
            OnFlaw::Skip(most) if self.skips < most => {
                let offset = flaw.offset();
                let flaw = flaw.at(offset, self.number);
                self.skips += 1;
                self.number += records;
                if self.skipped.len() < SKIPPED_MAX {
                    self.skipped.push(Skipped::new(flaw, 0, records));
                } else if let Some(last) = self.skipped.last_mut() {
                    last.records += records;
                }
                self.state = next;
                Ok(())
            }
            _ => self.fail(flaw),
        }
    }
}

impl RecordReader for FileReader {
    fn push(&mut self, piece: Bytes) {
        self.data.extend_from_slice(&piece);
    }

    fn end(&mut self) {
        self.at_end = true;
    }

    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.record()? {
                return Ok(Some(record));
            }
            if self.step()? {
                return Ok(None);
            }
        }
    }

    fn skipped(&mut self) -> Vec<Skipped> {
        let is_open =
            self.is_gap || matches!(self.state, State::Leaving(_) | State::Searching | State::Trailing);
        let is_open = is_open && !(self.at_end && self.data.is_empty());
        let ended = self.skipped.len() - usize::from(is_open && !self.skipped.is_empty());
        self.skipped.drain(..ended).collect()
    }

    fn skips(&self) -> u64 {
        self.skips
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}

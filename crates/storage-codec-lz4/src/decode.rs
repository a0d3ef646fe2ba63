//! One frame, of the format or its older one, or one that is skipped.

use bytes::Bytes;
use lz4_flex::block::{DecompressError, decompress_into, decompress_into_with_dict};
use storage_core::codec::{DecodeOptions, MemberDecoder, gather, give};
use storage_core::{Flaw, FlawKind};
use xxhash_rust::xxh32::{Xxh32, xxh32};

use crate::NAME;
use crate::frame::{Header, LEGACY_BLOCK, Magic, STORED, WINDOW};

pub(crate) struct Lz4Decoder {
    window_max: u64,
    dictionary: Option<Bytes>,
    stage: Stage,
    header: Option<Header>,
    /// Bytes of what the stage waits for.
    gathered: Vec<u8>,
    /// Room for a block, which is filled with zeros but once; how much of it the last one means, and how much was given.
    block: Vec<u8>,
    filled: usize,
    given: usize,
    /// The end of what came before, for blocks that look back.
    window: Vec<u8>,
    content: Xxh32,
    made: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Magic,
    Header,
    /// Of a frame that is skipped: how long it is.
    Length,
    Skip(u64),
    Size,
    /// So many bytes; whether they stand there as they are.
    Block(usize, bool),
    Give,
    Checksum,
    LegacySize,
    LegacyBlock(usize),
    LegacyGive,
}

impl Lz4Decoder {
    pub(crate) fn new(options: &DecodeOptions) -> Self {
        Self {
            window_max: options.window_max,
            dictionary: options.dictionary.clone(),
            stage: Stage::Magic,
            header: None,
            gathered: Vec::new(),
            block: Vec::new(),
            filled: 0,
            given: 0,
            window: Vec::new(),
            content: Xxh32::new(0),
            made: 0,
        }
    }

    /// What the stage waited for, once it is there.
    fn number(&mut self, input: &mut &[u8]) -> Option<u32> {
        if !gather(&mut self.gathered, 4, input) {
            return None;
        }
        let number = self.gathered.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        self.gathered.clear();
        number
    }

    fn header(&mut self, input: &mut &[u8]) -> Result<bool, Flaw> {
        if !gather(&mut self.gathered, 1, input) {
            return Ok(false);
        }
        let len = Header::len(self.gathered[0]);
        if !gather(&mut self.gathered, len, input) {
            return Ok(false);
        }
        let header = Header::read(&self.gathered)?;
        self.gathered.clear();
        if header.dictionary.is_some() && self.dictionary.is_none() {
            return Err(Flaw::new(FlawKind::Unsupported, NAME, "it was made with a dictionary"));
        }
        self.allow(header.block_max)?;
        self.window.clear();
        if let Some(dictionary) = &self.dictionary {
            self.window.extend_from_slice(&dictionary[dictionary.len().saturating_sub(WINDOW)..]);
        }
        self.header = Some(header);
        Ok(true)
    }

    fn allow(&self, block_max: usize) -> Result<(), Flaw> {
        if block_max as u64 <= self.window_max {
            return Ok(());
        }
        let message = format!("it has blocks of {block_max} bytes, and {} are allowed", self.window_max);
        Err(Flaw::new(FlawKind::TooLarge, NAME, message))
    }

    /// Takes the block that was gathered, with its checksum behind it if blocks have one.
    fn block(&mut self, len: usize, is_stored: bool) -> Result<(), Flaw> {
        let damaged = |what: &str| Err(Flaw::new(FlawKind::Damaged, NAME, what));
        let Some(header) = self.header else { return damaged("a block without a header") };
        let (data, checksum) = self.gathered.split_at(len);
        if header.has_block_checksums && xxh32(data, 0).to_le_bytes() != *checksum {
            return damaged("a block has another checksum");
        }
        grow(&mut self.block, header.block_max);
        let block = &mut self.block[..header.block_max];
        self.filled = if is_stored {
            block[..len].copy_from_slice(data);
            len
        } else if self.window.is_empty() {
            decompress_into(data, block).map_err(|error| flaw(&error))?
        } else {
            decompress_into_with_dict(data, block, &self.window).map_err(|error| flaw(&error))?
        };
        let content = &self.block[..self.filled];
        if header.is_linked {
            let behind = &content[content.len().saturating_sub(WINDOW)..];
            let surplus = (self.window.len() + behind.len()).saturating_sub(WINDOW);
            self.window.drain(..surplus);
            self.window.extend_from_slice(behind);
        }
        if header.has_checksum {
            self.content.update(content);
        }
        self.count(header.content)
    }

    fn legacy_block(&mut self) -> Result<(), Flaw> {
        grow(&mut self.block, LEGACY_BLOCK);
        let block = &mut self.block[..LEGACY_BLOCK];
        self.filled = decompress_into(&self.gathered, block).map_err(|error| flaw(&error))?;
        self.count(None)
    }

    fn count(&mut self, announced: Option<u64>) -> Result<(), Flaw> {
        self.gathered.clear();
        self.given = 0;
        self.made += self.filled as u64;
        if announced.is_some_and(|announced| self.made > announced) {
            return Err(Flaw::new(FlawKind::Damaged, NAME, "the content is longer than the header says"));
        }
        Ok(())
    }

    /// At the end of a frame.
    fn check(&self) -> Result<(), Flaw> {
        if self.header.and_then(|header| header.content).is_some_and(|announced| self.made != announced) {
            return Err(Flaw::new(FlawKind::Damaged, NAME, "the content is shorter than the header says"));
        }
        Ok(())
    }

    /// One step. Says whether the frame has ended; `None` if more input or room is needed.
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<bool>, Flaw> {
        let mut ended = false;
        self.stage = match self.stage {
            Stage::Magic => match self.number(input) {
                None => return Ok(None),
                Some(magic) => match Magic::of(&magic.to_le_bytes()) {
                    Some(Magic::Frame) => Stage::Header,
                    Some(Magic::Legacy) => {
                        self.allow(LEGACY_BLOCK)?;
                        // There may be no block at all.
                        ended = true;
                        Stage::LegacySize
                    }
                    Some(Magic::Skippable) => Stage::Length,
                    None => return Err(Flaw::new(FlawKind::Foreign, NAME, "")),
                },
            },
            Stage::Header => {
                if !self.header(input)? {
                    return Ok(None);
                }
                Stage::Size
            }
            Stage::Length => match self.number(input) {
                Some(length) => Stage::Skip(u64::from(length)),
                None => return Ok(None),
            },
            Stage::Skip(0) => {
                ended = true;
                Stage::Magic
            }
            Stage::Skip(_) if input.is_empty() => return Ok(None),
            Stage::Skip(left) => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                *input = &input[count..];
                Stage::Skip(left - count as u64)
            }
            Stage::Size => match self.number(input) {
                None => return Ok(None),
                Some(0) if self.header.is_some_and(|header| header.has_checksum) => Stage::Checksum,
                Some(0) => {
                    self.check()?;
                    ended = true;
                    Stage::Magic
                }
                Some(size) => {
                    let len = (size & !STORED) as usize;
                    if self.header.is_none_or(|header| len > header.block_max) {
                        return Err(Flaw::new(
                            FlawKind::Damaged,
                            NAME,
                            "a block is longer than the header allows",
                        ));
                    }
                    Stage::Block(len, size & STORED != 0)
                }
            },
            Stage::Block(len, is_stored) => {
                let checksum = self.header.is_some_and(|header| header.has_block_checksums);
                if !gather(&mut self.gathered, len + 4 * usize::from(checksum), input) {
                    return Ok(None);
                }
                self.block(len, is_stored)?;
                Stage::Give
            }
            Stage::Give if give(&self.block[..self.filled], &mut self.given, output) => Stage::Size,
            Stage::Checksum => match self.number(input) {
                None => return Ok(None),
                Some(checksum) if checksum == self.content.digest() => {
                    self.check()?;
                    ended = true;
                    Stage::Magic
                }
                Some(_) => {
                    return Err(Flaw::new(FlawKind::Damaged, NAME, "the content has another checksum"));
                }
            },
            Stage::LegacySize => match self.number(input) {
                None => return Ok(None),
                Some(size) if is_legacy_size(size) => Stage::LegacyBlock(size as usize),
                Some(_) => return Err(Flaw::new(FlawKind::Damaged, NAME, "a block is too long")),
            },
            Stage::LegacyBlock(len) => {
                if !gather(&mut self.gathered, len, input) {
                    return Ok(None);
                }
                self.legacy_block()?;
                Stage::LegacyGive
            }
            // Nothing tells that it was the last.
            Stage::LegacyGive if give(&self.block[..self.filled], &mut self.given, output) => {
                ended = true;
                Stage::LegacySize
            }
            Stage::Give | Stage::LegacyGive => return Ok(None),
        };
        Ok(Some(ended))
    }
}

impl MemberDecoder for Lz4Decoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        loop {
            match self.step(input, output)? {
                None => return Ok(false),
                Some(true) => return Ok(true),
                Some(false) => {}
            }
        }
    }

    fn goes_on(&self, head: &[u8]) -> bool {
        let fits = |size: &[u8; 4]| is_legacy_size(u32::from_le_bytes(*size));
        self.stage == Stage::LegacySize && Magic::of(head).is_none() && head.first_chunk().is_none_or(fits)
    }

    fn reset(&mut self) {
        *self = Self {
            window_max: self.window_max,
            dictionary: self.dictionary.take(),
            stage: Stage::Magic,
            header: None,
            gathered: std::mem::take(&mut self.gathered),
            block: std::mem::take(&mut self.block),
            filled: 0,
            given: 0,
            window: std::mem::take(&mut self.window),
            content: Xxh32::new(0),
            made: 0,
        };
        self.gathered.clear();
        self.window.clear();
    }
}

fn grow(block: &mut Vec<u8>, size: usize) {
    if block.len() < size {
        block.resize(size, 0);
    }
}

fn is_legacy_size(size: u32) -> bool {
    size as usize <= lz4_flex::block::get_maximum_output_size(LEGACY_BLOCK)
}

fn flaw(error: &DecompressError) -> Flaw {
    Flaw::new(FlawKind::Damaged, NAME, error.to_string())
}

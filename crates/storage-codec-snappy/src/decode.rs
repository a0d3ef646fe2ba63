//! One stream, chunk by chunk: after each it may have ended.

use snap::raw::{Decoder, decompress_len};
use storage_core::codec::{MemberDecoder, gather, give};
use storage_core::{Flaw, FlawKind};

use crate::NAME;
use crate::chunk::{
    BEGIN, CHECKSUM, COMPRESSED, CONTENT_MAX, HEAD, IDENTIFIER, STORED, is_skippable, masked,
};

pub(crate) struct SnappyDecoder {
    raw: Decoder,
    stage: Stage,
    /// Bytes of what the stage waits for.
    gathered: Vec<u8>,
    /// What the last chunk means, and how much of it was given.
    content: Vec<u8>,
    given: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Identifier,
    /// A chunk of data of this type, with so many bytes.
    Data(u8, usize),
    Give,
    Skip(usize),
}

impl SnappyDecoder {
    pub(crate) fn new() -> Self {
        Self { raw: Decoder::new(), stage: Stage::Head, gathered: Vec::new(), content: Vec::new(), given: 0 }
    }

    /// What follows a chunk's head.
    fn announced(&self) -> Result<Stage, Flaw> {
        let [kind, low, middle, high] = *self.gathered.first_chunk().expect("because a head was gathered");
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        match kind {
            IDENTIFIER if self.gathered[..HEAD] == BEGIN[..HEAD] => Ok(Stage::Identifier),
            COMPRESSED | STORED
                if (CHECKSUM..=CHECKSUM + snap::raw::max_compress_len(CONTENT_MAX)).contains(&length) =>
            {
                Ok(Stage::Data(kind, length))
            }
            kind if is_skippable(kind) => Ok(Stage::Skip(length)),
            _ => damaged("a chunk of this length cannot be"),
        }
    }

    fn data(&mut self, kind: u8) -> Result<(), Flaw> {
        let (checksum, data) = self.gathered.split_at(CHECKSUM);
        if kind == STORED {
            self.content.clear();
            self.content.extend_from_slice(data);
        } else {
            let len = decompress_len(data).map_err(|error| flaw(&error))?;
            if len > CONTENT_MAX {
                return damaged("a chunk means more than 64 KiB");
            }
            self.content.resize(len, 0);
            self.raw.decompress(data, &mut self.content).map_err(|error| flaw(&error))?;
        }
        if self.content.len() > CONTENT_MAX {
            return damaged("a chunk means more than 64 KiB");
        }
        if masked(&self.content) != *checksum {
            return damaged("a chunk has another checksum");
        }
        Ok(())
    }
}

fn flaw(error: &snap::Error) -> Flaw {
    Flaw::new(FlawKind::Damaged, NAME, error.to_string())
}

fn damaged<T>(what: &str) -> Result<T, Flaw> {
    Err(Flaw::new(FlawKind::Damaged, NAME, what))
}

impl MemberDecoder for SnappyDecoder {
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw> {
        loop {
            match self.stage {
                Stage::Head => {
                    if !gather(&mut self.gathered, HEAD, input) {
                        return Ok(false);
                    }
                    self.stage = self.announced()?;
                    self.gathered.clear();
                }
                Stage::Identifier => {
                    if !gather(&mut self.gathered, BEGIN.len() - HEAD, input) {
                        return Ok(false);
                    }
                    if self.gathered != BEGIN[HEAD..] {
                        return damaged("the beginning of a stream has another name");
                    }
                    self.gathered.clear();
                    self.stage = Stage::Head;
                    return Ok(true);
                }
                Stage::Data(kind, length) => {
                    if !gather(&mut self.gathered, length, input) {
                        return Ok(false);
                    }
                    self.data(kind)?;
                    self.gathered.clear();
                    (self.given, self.stage) = (0, Stage::Give);
                }
                Stage::Give => {
                    if !give(&self.content, &mut self.given, output) {
                        return Ok(false);
                    }
                    self.stage = Stage::Head;
                    return Ok(true);
                }
                Stage::Skip(left) => {
                    let count = left.min(input.len());
                    *input = &input[count..];
                    self.stage = Stage::Skip(left - count);
                    if left > count {
                        return Ok(false);
                    }
                    self.stage = Stage::Head;
                    return Ok(true);
                }
            }
        }
    }

    fn goes_on(&self, head: &[u8]) -> bool {
        matches!(head.first(), Some(kind) if matches!(*kind, COMPRESSED | STORED) || is_skippable(*kind))
    }

    fn reset(&mut self) {
        self.stage = Stage::Head;
        self.gathered.clear();
    }
}

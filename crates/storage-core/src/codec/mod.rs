//! Compression: the traits that a codec implements, and the rules that hold for all of them.
//!
//! A codec knows one member of its format: how it begins, what its bytes mean, where it ends. That several members are one
//! text, that nothing cut or trailing passes for whole, at which byte damage lies and how much is too much is written here
//! once ([`Decoder`], clauses CODEC-1 to CODEC-5).

mod buffer;
mod decoder;
mod encoder;
mod index;
mod members;
mod options;
mod registry;
mod stream;

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::flaw::{Flaw, FlawKind};

pub use buffer::{gather, give};
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use index::{Index, Place, Tail, find_index, read_range};
pub use options::{DecodeOptions, EncodeOptions};
pub use registry::Codecs;
pub use stream::{decode, detect, encode, encode_indexed};

/// How many bytes at most tell what begins where a member ended.
pub const HEAD: usize = 16;

/// A compression format.
///
/// Implementors stay thin: what holds for every format is done by [`Decoder`] and [`Encoder`].
pub trait Codec: fmt::Debug + Send + Sync + 'static {
    /// What is known of the format.
    fn about(&self) -> &'static About;

    /// What begins with `head`: the next [`HEAD`] bytes, or fewer if the data ends there; at least one. `first` says that
    /// nothing came before.
    fn next(&self, head: &[u8], first: bool) -> Next;

    /// Whether data that begins so is surely in this format; for formats without a mark, never.
    fn is_marked(&self, head: &[u8]) -> bool;

    /// A decoder of one member, ready for its first byte.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be.
    fn decoder(&self, options: &DecodeOptions) -> Result<Box<dyn MemberDecoder>>;

    /// An encoder of one member.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be.
    fn encoder(&self, options: &EncodeOptions) -> Result<Box<dyn MemberEncoder>>;

    /// How far the member goes that `data` begins with, where that shows without decoding it. `from` is 0, or where the last
    /// answer on these bytes said that more is told, which may lie behind them.
    fn walk(&self, _data: &[u8], _from: usize) -> Walk {
        Walk::Unknown
    }

    /// What ends [indexed](EncodeOptions::indexed) data behind these members.
    ///
    /// # Errors
    /// `InvalidInput` if there are more than an index holds.
    fn index(&self, _members: &[Extent]) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// The index at the end of data whose last bytes are `tail`.
    ///
    /// # Errors
    /// A flaw of an index that is damaged, placed by its offset in `tail`.
    fn find_index(&self, _tail: &[u8]) -> Result<Tail, Flaw> {
        Ok(Tail::None)
    }

    /// The file that stands [beside](Indexes::beside) data of these members.
    fn index_beside(&self, _members: &[Extent]) -> Vec<u8> {
        Vec::new()
    }

    /// Where members begin, by the file beside them.
    ///
    /// # Errors
    /// A flaw of a file that is none of these.
    fn read_index_beside(&self, _file: &[u8]) -> Result<Vec<Place>, Flaw> {
        Err(Flaw::new(FlawKind::Unsupported, self.about().name, "it has no index beside its data"))
    }
}

/// What is known of a format.
#[allow(clippy::exhaustive_structs)] // written down by codecs, and nobody else
#[derive(Clone, Debug)]
pub struct About {
    /// Its name in lower case, such as `gzip`.
    pub name: &'static str,
    /// The endings of names of such data, without the dot, the usual one first.
    pub extensions: &'static [&'static str],
    /// The levels that an encoder takes.
    pub levels: std::ops::RangeInclusive<i32>,
    /// Whether data begins so that it cannot be taken for something else.
    pub has_mark: bool,
    /// Whether several members are one text. Where they are not there is one, and nothing may follow it.
    pub has_members: bool,
    /// Whether a member tells its end. Where it does not, data that was cut between two of its blocks passes for whole.
    pub has_end: bool,
    /// Whether a checksum stands behind the content. Where none does, damage may pass for data.
    pub has_checksum: bool,
    /// Whether it can be made with a dictionary.
    pub has_dictionaries: bool,
    /// Whether it can be told how far to look back.
    pub has_windows: bool,
    /// Whether one member can be made by several threads.
    pub has_threads: bool,
    /// How a member is found without those before it, where the format has a way.
    pub indexes: Option<Indexes>,
}

/// How a format finds members.
#[allow(clippy::exhaustive_structs)] // written down by codecs, and nobody else
#[derive(Clone, Debug)]
pub struct Indexes {
    /// How many bytes of content a member has that nobody said a size of.
    pub member_size: u64,
    /// How many it may have.
    pub member_max: u64,
    /// The ending of the name of an index that stands in a file beside the data, behind the name of the data and a dot. Without
    /// one the index is at the end of the data.
    pub beside: Option<&'static str>,
}

/// How long a member is.
#[allow(clippy::exhaustive_structs)] // two numbers, and nothing more
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// In bytes.
    pub encoded: u32,
    /// Its content, in bytes.
    pub decoded: u32,
}

/// What the beginning of a member tells of its length.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// It ends behind so many bytes.
    End(usize),
    /// More is told at this byte.
    On(usize),
    /// It does not tell, or this is no member.
    Unknown,
}

impl About {
    /// Refuses what the format does not have.
    fn admit(&self, dictionary: bool, window: bool) -> Result<()> {
        let what = match (dictionary && !self.has_dictionaries, window && !self.has_windows) {
            (true, _) => "has no dictionaries",
            (_, true) => "cannot be told how far to look back",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidInput, format!("{} {what}", self.name)))
    }
}

/// What stands between two members, or before the first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A member begins.
    Member,
    /// So many bytes mean nothing, by the format's own rules.
    Padding(usize),
    /// Nothing of this format.
    Other,
}

/// Decodes one member.
pub trait MemberDecoder: Send {
    /// Takes bytes off the front of `input` and appends what they mean to `output`, no more than its spare capacity.
    /// Returns once the input is used up, the output is full or the member ends. Says whether it has ended, or may have, of
    /// formats that do not tell; nothing behind that place is taken.
    ///
    /// # Errors
    /// A flaw without a place, which the caller knows. No further call is made then.
    fn decode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Flaw>;

    /// Whether a member that may have ended goes on with `head`: the next [`HEAD`] bytes, or fewer if the data ends there; at
    /// least one.
    fn goes_on(&self, _head: &[u8]) -> bool {
        false
    }

    /// Gets ready for another member.
    fn reset(&mut self);
}

/// Encodes one member.
pub trait MemberEncoder: Send {
    /// Takes bytes off the front of `input` and appends to `output`, no more than its spare capacity. Returns once the
    /// input is used up or the output is full.
    ///
    /// # Errors
    /// Of the library beneath, such as for want of memory.
    fn encode(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()>;

    /// Appends what makes all bytes so far readable. Says whether that is all of it; if not, the output is full.
    ///
    /// # Errors
    /// As above.
    fn flush(&mut self, output: &mut Vec<u8>) -> Result<bool>;

    /// Appends the end of the member. Says whether that is all of it; if not, the output is full.
    ///
    /// # Errors
    /// As above.
    fn finish(&mut self, output: &mut Vec<u8>) -> Result<bool>;

    /// Gets ready for another member, with the same options.
    ///
    /// # Errors
    /// As above.
    fn reset(&mut self) -> Result<()>;
}

//! Random access: reading a part of what data means, by an index of its members.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;

use super::{Codec, DecodeOptions, Extent, decode};
use crate::backend::ByteStream;
use crate::error::{Error, ErrorKind, Result};
use crate::flaw::{Flaw, FlawKind};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{ReadOptions, StatOptions};
use crate::range::ByteRange;
use crate::store::Store;

/// How many bytes of an end are read at first: an index of some thousand members.
const TAIL: u64 = 64 << 10;

/// An index that is longer is none: it is held in memory.
const INDEX_MAX: u64 = 64 << 20;

/// Where a member begins, in bytes from the beginning.
#[allow(clippy::exhaustive_structs)] // two numbers, and nothing more
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of the data.
    pub encoded: u64,
    /// Of what the data means.
    pub decoded: u64,
}

/// What the end of data tells of an index.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// There is none.
    None,
    /// One is there, in the last so many bytes.
    Longer(u64),
    /// One is there, of these members, and has so many bytes itself.
    Index(Vec<Extent>, u64),
}

/// Where the members of data begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// In their order; the first is at the beginning of both.
    places: Vec<Place>,
    /// Where the last one ends, if that is known.
    end: Option<Place>,
}

impl Index {
    /// An index of members that follow one another.
    pub fn of_members(members: &[Extent]) -> Self {
        let mut at = Place::default();
        let mut begin = |member: &Extent| {
            let begins = at;
            at.encoded += u64::from(member.encoded);
            at.decoded += u64::from(member.decoded);
            begins
        };
        let places = members.iter().map(&mut begin).collect();
        Self { places, end: Some(at) }
    }

    /// An index of members of which is known where they begin.
    ///
    /// # Errors
    /// `InvalidData` unless the first begins at the beginning, and each behind the one before.
    pub fn of_places(places: Vec<Place>) -> Result<Self> {
        let ordered = places
            .windows(2)
            .all(|pair| pair[0].encoded < pair[1].encoded && pair[0].decoded <= pair[1].decoded);
        if places.first() != Some(&Place::default()) || !ordered {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "an index whose members do not follow one another",
            ));
        }
        Ok(Self { places, end: None })
    }

    /// Where the members begin, in their order.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// How many bytes the data means, if that is known.
    pub fn decoded_size(&self) -> Option<u64> {
        self.end.map(|end| end.decoded)
    }

    /// What has to be read for these bytes of what the data means: where that begins, which member it is, and where it ends, if that is
    /// known.
    fn covering(&self, wanted: &Range<u64>) -> Option<(Place, u64, Option<Place>)> {
        let after = self.places.partition_point(|place| place.decoded <= wanted.start);
        // Of several that begin here the last one has the byte.
        let number = after.checked_sub(1)?;
        let first = *self.places.get(number)?;
        let last = self.places.partition_point(|place| place.decoded < wanted.end);
        Some((first, number as u64, self.places.get(last).copied().or(self.end)))
    }
}

/// The index of an object's data, if it has one of all of it, at its end or in an object [beside](super::Indexes::beside) it that is not older;
/// and the version of the object that it is of.
///
/// # Errors
/// Those of [`Store::read`]; `InvalidData` with a [`Flaw`] for an index that is damaged.
pub async fn find_index(store: &Store, key: &Key, codec: &dyn Codec) -> Result<(Metadata, Option<Index>)> {
    match codec.about().indexes.as_ref().map(|indexes| indexes.beside) {
        None => Ok((store.stat(key, StatOptions::new()).await?, None)),
        Some(None) => index_at_end(store, key, codec).await,
        Some(Some(extension)) => {
            let metadata = store.stat(key, StatOptions::new()).await?;
            // What cannot be there is not; what may not be read helps nobody. The data can be read all the same.
            let Ok(beside) = Key::new(format!("{key}.{extension}")) else { return Ok((metadata, None)) };
            let none = [ErrorKind::NotFound, ErrorKind::InvalidKey, ErrorKind::PermissionDenied];
            let reader = match store.reader(&beside, ReadOptions::new()).await {
                Err(error) if none.contains(&error.kind()) => return Ok((metadata, None)),
                reader => reader?,
            };
            // What was written before the data is of other data.
            if reader.metadata().modified < metadata.modified || reader.metadata().size > INDEX_MAX {
                return Ok((metadata, None));
            }
            let places = codec.read_index_beside(&reader.collect().await?).map_err(Error::from);
            let index =
                places.and_then(Index::of_places).map_err(|error| error.with_name(beside.as_str()))?;
            let is_within = index.places.last().is_none_or(|last| last.encoded < metadata.size);
            Ok((metadata, is_within.then_some(index)))
        }
    }
}

async fn index_at_end(store: &Store, key: &Key, codec: &dyn Codec) -> Result<(Metadata, Option<Index>)> {
    let mut wanted = TAIL;
    let mut options = ReadOptions::new();
    loop {
        let read = store.read(key, options.range(ByteRange::Suffix(wanted))).await?;
        let begin = read.range.start;
        let placed = |flaw: Flaw| {
            let at = begin + flaw.offset();
            Error::from(flaw.at(at, 0)).with_name(key.as_str())
        };
        match codec.find_index(&read.bytes).map_err(placed)? {
            Tail::None => return Ok((read.metadata, None)),
            Tail::Longer(length) if length > INDEX_MAX => return Ok((read.metadata, None)),
            Tail::Longer(length) if length > wanted && length <= read.metadata.size => {
                wanted = length;
                options = pinned(&read.metadata)?;
            }
            Tail::Longer(_) => {
                let flaw = Flaw::new(FlawKind::Damaged, codec.about().name, "an index longer than the data");
                return Err(placed(flaw));
            }
            Tail::Index(members, length) => {
                let index = Index::of_members(&members);
                let told = index.end.map_or(0, |end| end.encoded).saturating_add(length);
                // One that is not of all the data, such as where two files were joined, finds nothing in it.
                let is_whole = told == read.metadata.size;
                return Ok((read.metadata, is_whole.then_some(index)));
            }
        }
    }
}

/// The bytes from `wanted.start` on and before `wanted.end` of what an object's data means, fewer if that ends before. Only the members that
/// hold them are read, of the version that `metadata` tells, each of them to its end: what came out is proved once the stream has ended.
///
/// # Errors
/// Those of [`Store::reader`]; the stream's, and a [`Flaw`], are those of [`decode`].
pub async fn read_range(
    (store, key, metadata): (&Store, &Key, &Metadata),
    codec: Arc<dyn Codec>,
    index: &Index,
    wanted: Range<u64>,
    options: DecodeOptions,
) -> Result<ByteStream> {
    let end = index.decoded_size().map_or(wanted.end, |size| wanted.end.min(size));
    let wanted = wanted.start..end;
    if wanted.is_empty() {
        return Ok(futures_util::stream::empty().boxed());
    }
    let name = codec.about().name;
    let (first, number, end) = index
        .covering(&wanted)
        .ok_or_else(|| Error::from(Flaw::new(FlawKind::Damaged, name, "the index has no members")))?;
    let range = first.encoded..end.map_or(metadata.size, |end| end.encoded);
    let reader = store.reader(key, pinned(metadata)?.range(range)).await?;
    let decoded = decode(reader.boxed(), codec, options)?;
    let cut = Cut {
        name,
        decoded,
        skip: wanted.start - first.decoded,
        left: wanted.end - wanted.start,
        first,
        number,
        made: 0,
        expected: end.map(|end| end.decoded - first.decoded),
    };
    Ok(Box::pin(try_unfold(cut, Cut::next)))
}

/// A part of what members mean, which are read to their end.
struct Cut {
    name: &'static str,
    decoded: ByteStream,
    skip: u64,
    left: u64,
    /// The first member: where it begins, and which one it is.
    first: Place,
    number: u64,
    /// How many bytes the members meant so far, and how many they have to, if that is known.
    made: u64,
    expected: Option<u64>,
}

impl Cut {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        while let Some(decoded) = self.decoded.next().await {
            let mut chunk = decoded.map_err(|error| self.placed(error))?;
            self.made += chunk.len() as u64;
            let skipped = self.skip.min(chunk.len() as u64);
            let mut piece = chunk.split_off(skipped as usize);
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.skip -= skipped;
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some((piece, self)));
            }
        }
        if self.expected.is_some_and(|expected| expected != self.made) {
            let what = "the members do not mean as much as the index tells";
            let flaw = Flaw::new(FlawKind::Damaged, self.name, what);
            return Err(flaw.at(self.first.encoded, self.number).into());
        }
        Ok(None)
    }

    /// A flaw at its place in all of the data.
    fn placed(&self, error: Error) -> Error {
        match Flaw::of(&error) {
            Some(flaw) => {
                let (offset, part) = (self.first.encoded + flaw.offset(), self.number + flaw.part());
                flaw.clone().at(offset, part).into()
            }
            None => error,
        }
    }
}

/// Another read of the same version.
fn pinned(metadata: &Metadata) -> Result<ReadOptions> {
    match (&metadata.version, &metadata.etag) {
        (Some(version), _) => Ok(ReadOptions::new().version(version.clone())),
        (None, Some(etag)) => Ok(ReadOptions::new().if_match(etag.clone())),
        (None, None) => {
            Err(Error::unsupported("the store names no version that several requests could share"))
        }
    }
}

//! `haul cat`

use std::ops::Range;

use futures_util::stream::try_unfold;
use futures_util::{StreamExt, TryStreamExt};
use storage_core::codec::{self, DecodeOptions};
use storage_core::{ByteRange, ByteStream, Error, ErrorKind, Key, ReadOptions, Store};

use super::compress::threads;
use crate::args::{Cat, Links};
use crate::codecs::{codecs, named};
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};

pub(crate) async fn cat(args: Cat, output: &mut Output) -> Result<(), Failure> {
    for text in &args.places {
        let place = Place::parse(text)?;
        if let Err(error) = print(&place, &args, output).await? {
            // What came before is out already; the reader of a pipe must not take it for everything.
            output.flush()?;
            output.item_failed(&error.renamed(place.shown()));
        }
    }
    output.conclude()
}

/// Prints one object. The inner error is the object's, the outer one the output's.
async fn print(place: &Place, args: &Cat, output: &mut Output) -> Result<storage_core::Result<()>, Failure> {
    let (store, key) = match open(place).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let read = match (args.range, &args.decode) {
        (Some(range), Some(_)) => decoded_range(&store, &key, range, args).await,
        (range, _) => {
            let options = range.map_or_else(ReadOptions::new, |range| ReadOptions::new().range(range));
            match store.reader(&key, options).await {
                Ok(reader) => decoded(reader.boxed(), args, key.as_str()).await,
                Err(error) => Err(error),
            }
        }
    };
    let mut bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match bytes.try_next().await {
            Ok(Some(chunk)) => output.bytes(&chunk)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The bytes, decoded if that was asked for.
async fn decoded(bytes: ByteStream, args: &Cat, name: &str) -> storage_core::Result<ByteStream> {
    let (codec, bytes) = match &args.decode {
        None => return Ok(bytes),
        Some(Some(codec)) => (Some(named(codec)?), bytes),
        Some(None) => codec::detect(bytes, &codecs(), name).await?,
    };
    match codec {
        Some(codec) => codec::decode(bytes, codec, DecodeOptions::new().threads(threads(0))),
        None => Ok(bytes),
    }
}

/// A part of what the object means: found by an index where there is one, else by decoding all that comes before it.
async fn decoded_range(
    store: &Store,
    key: &Key,
    range: ByteRange,
    args: &Cat,
) -> storage_core::Result<ByteStream> {
    let codec = match &args.decode {
        Some(Some(codec)) => Some(named(codec)?),
        _ => {
            let head = store.read(key, ReadOptions::new().range(..codec::HEAD as u64)).await?;
            codecs().detect(&head.bytes, key.as_str()).cloned()
        }
    };
    let Some(codec) = codec else {
        return Ok(store.reader(key, ReadOptions::new().range(range)).await?.boxed());
    };
    let (metadata, index) = codec::find_index(store, key, &*codec).await?;
    let size = index.as_ref().and_then(codec::Index::decoded_size);
    let wanted = match (range, size) {
        (ByteRange::Bounded { start, end }, _) => start..end,
        (ByteRange::From(start), _) => start..u64::MAX,
        (ByteRange::Suffix(length), Some(size)) => size.saturating_sub(length)..size,
        (ByteRange::Full, _) => 0..u64::MAX,
        _ => {
            let message =
                "it does not tell how long its content is, so the end of that cannot be found; read it all";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    let options = DecodeOptions::new();
    let part = match &index {
        Some(index) => {
            let part = (store, key, &metadata);
            Some(codec::read_range(part, codec.clone(), index, wanted.clone(), options.clone()).await)
        }
        None => None,
    };
    match part {
        // A store that names no version of what it holds can only be read through.
        Some(part) if part.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::Unsupported) => part,
        _ => {
            let all = codec::decode(store.reader(key, ReadOptions::new()).await?.boxed(), codec, options)?;
            Ok(cut(all, wanted))
        }
    }
}

/// The bytes of a range of a stream, which is read no further.
fn cut(all: ByteStream, wanted: Range<u64>) -> ByteStream {
    let state = (all, wanted.start, wanted.end.saturating_sub(wanted.start));
    let next = |(mut all, mut skip, mut left): (ByteStream, u64, u64)| async move {
        while left > 0 {
            let Some(mut chunk) = all.try_next().await? else { break };
            let skipped = skip.min(chunk.len() as u64);
            let mut piece = chunk.split_off(skipped as usize);
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            skip -= skipped;
            left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some((piece, (all, skip, left))));
            }
        }
        Ok(None)
    };
    try_unfold(state, next).boxed()
}

/// The object's store and key. Elsewhere than here nothing is asked first: the data is the first request.
pub(super) async fn open(place: &Place) -> storage_core::Result<(Store, Key)> {
    let how = How::links(Links::Follow);
    if let Place::Url(_) = place {
        return place.open_object(how).await;
    }
    match place.find(how, Top::Follow).await? {
        Found::Object(store, key, _) => Ok((store, key)),
        Found::Directory(_) => Err(Error::new(ErrorKind::InvalidInput, "this is a directory")),
    }
}

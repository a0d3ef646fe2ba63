//! `haul cat`

use futures_util::{StreamExt, TryStreamExt};
use storage_core::codec::{self, DecodeOptions};
use storage_core::{ByteStream, Error, ErrorKind, Key, ReadOptions, Store};

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
    let mut options = ReadOptions::new();
    if let Some(range) = args.range {
        options = options.range(range);
    }
    let read = match store.reader(&key, options).await {
        Ok(reader) => decoded(reader.boxed(), args, key.as_str()).await,
        Err(error) => Err(error),
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
        Some(codec) => codec::decode(bytes, codec, DecodeOptions::new()),
        None => Ok(bytes),
    }
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

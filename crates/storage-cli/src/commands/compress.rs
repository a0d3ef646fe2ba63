//! `haul compress` and `haul decompress`

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use futures_util::{StreamExt, stream};
use serde_json::json;
use storage_core::codec::{self, Codec, DecodeOptions, EncodeOptions};
use storage_core::{Error, ErrorKind};

use super::ends::{Counted, End};
use crate::args::{Compress, Decompress};
use crate::codecs::{codecs, named};
use crate::exit::Failure;
use crate::output::Output;
use crate::progress::Meter;
use crate::show;

pub(crate) async fn compress(args: Compress, output: &mut Output) -> Result<(), Failure> {
    let (source, destination) = (End::parse(&args.source)?, End::parse(&args.destination)?);
    let codec = match &args.codec {
        Some(name) => named(name)?,
        None => codecs().of_name(&destination.name()).map(|(_, codec)| codec.clone()).ok_or_else(|| {
            let message = "the name of the destination tells no codec; say which with --codec";
            Error::new(ErrorKind::InvalidInput, message).with_name(destination.name())
        })?,
    };
    let mut options = EncodeOptions::new();
    options.level = args.level;
    options.member_size = args.member_size;
    options.indexed = args.seekable;
    // One processor, too, cuts it as several do: what is written is the same everywhere.
    options.threads = if args.threads == 0 { threads(0).max(2) } else { args.threads };
    let beside = codec.about().indexes.as_ref().and_then(|indexes| indexes.beside).filter(|_| args.seekable);
    let destination = destination.below(|| {
        let extension = codec.about().extensions.first().copied().unwrap_or_default();
        Ok(format!("{}.{extension}", source.base_name()?))
    })?;
    let meter = Meter::new(output, "compressing");
    let plain = Counted::new(source.read(Some(&meter)).await?);
    let read = plain.count();
    let members = Arc::new(Mutex::new(Vec::new()));
    let told = members.clone();
    let keep = move |members| *told.lock().unwrap_or_else(PoisonError::into_inner) = members;
    let encoded = codec::encode_indexed(plain.stream, codec.clone(), &options, keep)?;
    let written =
        destination.write(encoded, args.if_absent, output).await.map_err(|broken| broken.of(&source.name()));
    meter.finish();
    let written = written?;
    // Behind the data, so that it is not older.
    if let Some(index) = beside.and_then(|extension| destination.beside(extension)) {
        let members = std::mem::take(&mut *members.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = stream::iter([Ok(codec.index_beside(&members).into())]).boxed();
        index.write(bytes, false, output).await.map_err(|broken| broken.of(&source.name()))?;
    }
    tell(output, "compressed", &codec, &destination, read(), written)
}

pub(crate) async fn decompress(args: Decompress, output: &mut Output) -> Result<(), Failure> {
    let (source, destination) = (End::parse(&args.source)?, End::parse(&args.destination)?);
    let destination = destination.below(|| {
        let base = source.base_name()?;
        codecs().of_name(&base).map(|(stem, _)| stem.to_owned()).ok_or_else(|| {
            let message = "this name has no ending of a codec; say what it is to be called without";
            Error::new(ErrorKind::InvalidInput, message).with_name(base.clone())
        })
    })?;
    let meter = Meter::new(output, "decompressing");
    let encoded = Counted::new(source.read(Some(&meter)).await?);
    let read = encoded.count();
    let (codec, encoded) = match &args.codec {
        Some(name) => (named(name)?, encoded.stream),
        None => match codec::detect(encoded.stream, &codecs(), &source.name()).await {
            Ok((Some(codec), encoded)) => (codec, encoded),
            Ok((None, _)) => {
                let message =
                    "neither what it begins with nor its name tells a codec; say which with --codec";
                return Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.name()).into());
            }
            Err(error) => return Err(error.with_name(source.name()).into()),
        },
    };
    let mut options = DecodeOptions::new();
    options.output_max = args.output_max;
    options.threads = threads(args.threads);
    let plain = codec::decode(encoded, codec.clone(), options)?;
    let written =
        destination.write(plain, args.if_absent, output).await.map_err(|broken| broken.of(&source.name()));
    meter.finish();
    let written = written?;
    tell(output, "decompressed", &codec, &destination, read(), written)
}

/// As many as were asked for, or as there are processors, of which more than a few help little and hold much memory.
pub(super) fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { available_parallelism().map_or(1, usize::from).min(8) }
}

fn tell(
    output: &mut Output,
    done: &str,
    codec: &Arc<dyn Codec>,
    destination: &End,
    read: u64,
    written: u64,
) -> Result<(), Failure> {
    let name = destination.name();
    if output.json && !destination.is_standard() {
        let codec = codec.about().name;
        output.object(&json!({"name": name, "codec": codec, "read": read, "written": written}))?;
        return Ok(());
    }
    let (from, to) = (show::size(read, false), show::size(written, false));
    output.note(&format!("{done} {from} to {to} ({}) in {name}", codec.about().name));
    Ok(())
}

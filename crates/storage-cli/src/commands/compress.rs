//! `haul compress` and `haul decompress`

use std::sync::Arc;

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
    let destination = destination.below(|| {
        let extension = codec.about().extensions.first().copied().unwrap_or_default();
        Ok(format!("{}.{extension}", source.base_name()?))
    })?;
    let meter = Meter::new(output, "compressing");
    let plain = Counted::new(source.read(Some(&meter)).await?);
    let read = plain.count();
    let encoded = codec::encode(plain.stream, codec.clone(), &options)?;
    let written =
        destination.write(encoded, args.if_absent, output).await.map_err(|broken| broken.of(&source.name()));
    meter.finish();
    let written = written?;
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
    let plain = codec::decode(encoded, codec.clone(), options)?;
    let written =
        destination.write(plain, args.if_absent, output).await.map_err(|broken| broken.of(&source.name()));
    meter.finish();
    let written = written?;
    tell(output, "decompressed", &codec, &destination, read(), written)
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

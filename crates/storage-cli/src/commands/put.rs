//! `haul put`

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::TryStreamExt;
use storage_core::{ByteStream, Error, ErrorKind, Operation, WriteOptions, Writer};

use crate::args::Put;
use crate::exit::Failure;
use crate::output::Output;
use crate::pipe;
use crate::place::{How, Place};
use crate::progress::Meter;
use crate::show;

pub(crate) async fn put(args: Put, output: &mut Output) -> Result<(), Failure> {
    let place = Place::parse(&args.destination)?;
    if args.destination.as_bytes().ends_with(b"/") {
        let message = "this names a directory; say what the new object is called in it";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(place.shown()).into());
    }
    let from_file = args.source != Path::new("-");
    if from_file && let Err(error) = args.source.metadata() {
        // Before directories are made for what will not come.
        let error = Error::new(ErrorKind::NotFound, "this cannot be read").with_source(error);
        return Err(error.with_name(args.source.display().to_string()).into());
    }
    let (store, key) = place.open_object(How { create: true, ..How::default() }).await?;
    let meter = Meter::new(output, "writing");
    let store = meter.watch(&store, Operation::Write);
    let written = if let Some(chunks) = pipe::stream(&args.source) {
        let mut writer = store.writer(&key, options(&args)).await?;
        match pour(chunks, &mut writer).await {
            Ok(()) => writer.finish().await,
            Err(error) => {
                // The first error is the one to tell.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    } else {
        store.upload_file(&args.source, &key, options(&args)).await
    };
    meter.finish();
    let written = written?;
    if output.json {
        let mut map = serde_json::Map::new();
        map.insert("name".into(), place.shown().into());
        show::metadata(&mut map, &written);
        output.object(&serde_json::Value::Object(map))?;
    } else {
        output.note(&format!("wrote {} to {}", show::size(written.size, false), place.shown()));
    }
    Ok(())
}

fn options(args: &Put) -> WriteOptions {
    let mut options = WriteOptions::new();
    if args.if_absent {
        options = options.if_absent();
    }
    if let Some(content_type) = &args.content_type {
        options = options.content_type(content_type);
    }
    if let Some(checksum) = args.expect {
        options = options.expect_checksum(checksum);
    }
    args.metadata.iter().fold(options, |options, (name, value)| options.user_metadata(name, value))
}

async fn pour(mut chunks: ByteStream, writer: &mut Writer) -> storage_core::Result<()> {
    while let Some(chunk) = chunks.try_next().await? {
        writer.write(chunk).await?;
    }
    Ok(())
}

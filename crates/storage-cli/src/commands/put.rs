//! `haul put`

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use storage_core::{Error, ErrorKind, Operation, WriteOptions, Writer};

use crate::args::Put;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::progress::Meter;
use crate::show;

/// Bytes read from stdin at a time.
const CHUNK: u64 = 1 << 20;

pub(crate) async fn put(args: Put, output: &mut Output) -> Result<(), Failure> {
    let place = Place::parse(&args.destination)?;
    let (store, key) = place.open_object(How::default()).await?;
    let meter = Meter::new(output, "writing");
    let store = meter.watch(&store, Operation::Write);
    let written = if args.source == Path::new("-") {
        let mut writer = store.writer(&key, options(&args)).await?;
        match pour(&mut writer).await {
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

/// Everything from stdin. A read error is an error: half a stream must not pass for a whole one.
async fn pour(writer: &mut Writer) -> storage_core::Result<()> {
    loop {
        let chunk = tokio::task::spawn_blocking(|| {
            let mut chunk = Vec::with_capacity(CHUNK as usize);
            std::io::stdin().lock().take(CHUNK).read_to_end(&mut chunk).map(|_| Bytes::from(chunk))
        });
        let broken = |e: std::io::Error| Error::new(ErrorKind::Other, "reading stdin").with_source(e);
        let chunk = chunk.await.map_err(|e| broken(e.into()))?.map_err(broken)?;
        if chunk.is_empty() {
            return Ok(());
        }
        writer.write(chunk).await?;
    }
}

//! `haul put`

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use storage_core::{Error, ErrorKind, Operation, WriteOptions, Writer};
use tokio::sync::mpsc;

use crate::args::Put;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::progress::Meter;
use crate::show;

/// Bytes read from a stream at a time.
const CHUNK: u64 = 1 << 20;

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
    let written = if let Some(chunks) = stream(&args.source) {
        let mut writer = store.writer(&key, options(&args)).await?;
        match pour(chunks, &args.source, &mut writer).await {
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

type Chunks = mpsc::Receiver<io::Result<Bytes>>;

/// The bytes of stdin, or of a pipe, which has no size to be held to. `None` for what can be read as a file.
fn stream(source: &Path) -> Option<Chunks> {
    use std::os::unix::fs::FileTypeExt;
    if source == Path::new("-") {
        return Some(read(|| Ok(io::stdin())));
    }
    let is_pipe = std::fs::metadata(source).is_ok_and(|found| found.file_type().is_fifo());
    let path: PathBuf = source.to_owned();
    is_pipe.then(|| read(move || std::fs::File::open(path)))
}

/// Reads on a thread of its own. One of the runtime's would be waited for at the end, also after Ctrl-C, and a read from
/// a terminal or a pipe ends when it likes.
fn read<R: Read>(open: impl FnOnce() -> io::Result<R> + Send + 'static) -> Chunks {
    let (tell, chunks) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut source = match open() {
            Ok(source) => source,
            Err(error) => return drop(tell.blocking_send(Err(error))),
        };
        loop {
            let mut chunk = Vec::with_capacity(CHUNK as usize);
            let read = source.by_ref().take(CHUNK).read_to_end(&mut chunk).map(|_| Bytes::from(chunk));
            let more = read.as_ref().is_ok_and(|chunk| !chunk.is_empty());
            if tell.blocking_send(read).is_err() || !more {
                return;
            }
        }
    });
    chunks
}

/// Everything up to the empty chunk at the end. A read error is an error: half a stream must not pass for a whole one.
async fn pour(mut chunks: Chunks, source: &Path, writer: &mut Writer) -> storage_core::Result<()> {
    let name = if source == Path::new("-") { "stdin".into() } else { source.display().to_string() };
    let broken =
        |error: io::Error| Error::new(ErrorKind::Other, format!("reading {name}")).with_source(error);
    loop {
        let early = || broken(io::Error::from(io::ErrorKind::UnexpectedEof));
        let chunk = chunks.recv().await.ok_or_else(early)?.map_err(broken)?;
        if chunk.is_empty() {
            return Ok(());
        }
        writer.write(chunk).await?;
    }
}

//! Standard input and pipes: bytes without a size.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use storage_core::{ByteStream, Error, ErrorKind};
use tokio::sync::mpsc;

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;

/// The bytes of stdin (`-`), or of a pipe, which has no size to be held to. `None` for what can be read as a file.
///
/// A read error is an error: half a stream must not pass for a whole one.
pub(crate) fn stream(source: &Path) -> Option<ByteStream> {
    use std::os::unix::fs::FileTypeExt;
    if source == Path::new("-") {
        return Some(named("stdin".into(), read(|| Ok(io::stdin()))));
    }
    let is_pipe = std::fs::metadata(source).is_ok_and(|found| found.file_type().is_fifo());
    let path: PathBuf = source.to_owned();
    is_pipe.then(|| named(source.display().to_string(), read(move || std::fs::File::open(path))))
}

type Chunks = mpsc::Receiver<io::Result<Bytes>>;

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

/// Everything up to the empty chunk at the end.
fn named(name: String, chunks: Chunks) -> ByteStream {
    let broken =
        move |error: io::Error| Error::new(ErrorKind::Other, format!("reading {name}")).with_source(error);
    let next = move |mut chunks: Chunks| {
        let broken = broken.clone();
        async move {
            let early = || io::Error::from(io::ErrorKind::UnexpectedEof);
            let chunk = chunks.recv().await.unwrap_or_else(|| Err(early()));
            match chunk.map_err(broken) {
                Ok(chunk) if chunk.is_empty() => None,
                chunk => Some((chunk, chunks)),
            }
        }
    };
    stream::unfold(chunks, next).boxed()
}

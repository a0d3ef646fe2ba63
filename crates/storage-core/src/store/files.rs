//! Between a store and a local file, in constant memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::join;
use futures_util::stream::try_unfold;

use super::Store;
use super::reader::Body;
use crate::backend::{ByteStream, Handle};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{ReadOptions, TransferOptions, WriteOptions};
use crate::progress::Silent;
use crate::transfer::Window;

/// Bytes moved between the file and memory at a time.
const CHUNK: usize = 1 << 20;
/// Parts of a file are read as many at a time as are sent; this is no limit of its own.
const READS_MAX: usize = 1 << 10;

impl Store {
    /// Writes the content of a local file to `key`. Of a large one several parts are read and sent side by side.
    ///
    /// # Errors
    /// Those of [`writer`](Store::writer); those of reading the file; `PreconditionFailed` if the file changed while
    /// it was read. Nothing is published then.
    pub async fn upload_file(
        &self,
        path: impl AsRef<Path>,
        key: &Key,
        options: WriteOptions,
    ) -> Result<Metadata> {
        let path = path.as_ref().to_owned();
        let explain = |error| self.explain(error, Operation::Write, key.as_str());
        let (mut file, before) = blocking({
            let path = path.clone();
            move || {
                let file = File::open(path)?;
                let before = Stamp::of(&file)?;
                Ok((file, before))
            }
        })
        .await
        .map_err(|e| explain(about(e, &path)))?;
        if self.takes_parts_of(before.size, &options) {
            let file = LocalFile { file: Arc::new(file), before, path };
            return self.upload_parts(file, key, options).await;
        }
        let mut writer = self.writer(key, options.size(before.size)).await?;
        loop {
            let read = blocking(move || {
                let chunk = read_chunk(&mut file)?;
                Ok((file, chunk))
            });
            let chunk;
            (file, chunk) = read.await.map_err(|e| explain(about(e, &path)))?;
            if chunk.is_empty() {
                break;
            }
            writer.write(chunk).await?;
        }
        let after = blocking(move || Stamp::of(&file)).await.map_err(|e| explain(about(e, &path)))?;
        if after != before {
            writer.abort().await?;
            return Err(explain(changed(&path)));
        }
        writer.finish().await
    }

    /// Reads an object into a local file. The file appears whole or not at all: bytes are staged beside it, synced,
    /// and moved into place; an older file stands until then.
    ///
    /// # Errors
    /// Those of [`reader`](Store::reader) and its stream; those of writing the file. The staged file is removed then,
    /// and also when the future is dropped.
    pub async fn download_file(
        &self,
        key: &Key,
        path: impl AsRef<Path>,
        options: ReadOptions,
    ) -> Result<Metadata> {
        let path = path.as_ref();
        let explain = |e| self.explain(about(e, path), Operation::Read, key.as_str());
        let mut reader = self.reader(key, options).await?;
        let mut staged = Staged::create(path).await.map_err(explain)?;
        let mut chunks = next_chunks(&mut reader).await?;
        while !chunks.is_empty() {
            // The next bytes come while these are written.
            let (written, next) = join(staged.write(chunks), next_chunks(&mut reader)).await;
            staged = written.map_err(explain)?;
            chunks = next?;
        }
        staged.publish(path).await.map_err(explain)?;
        Ok(reader.metadata().clone())
    }
}

impl Store {
    /// Whether a file of this size is best sent as parts in any order: if there are several, and what is computed of them can
    /// be put together.
    fn takes_parts_of(&self, size: u64, options: &WriteOptions) -> bool {
        let limits = &self.declared().limits;
        let expected = options.request.expected.iter().map(Checksum::algorithm);
        let combine = options.algorithms.iter().copied().chain(expected).all(Algorithm::combines);
        limits.parallel_parts && options.concurrency != Some(1) && size > limits.write_max && combine
    }

    async fn upload_parts(&self, file: LocalFile, key: &Key, options: WriteOptions) -> Result<Metadata> {
        let size = file.before.size;
        let transfer = TransferOptions {
            part_size: options.part_size,
            concurrency: options.concurrency,
            ..TransferOptions::default()
        };
        // What is read from a disk is neither limited nor told of: it moves once, when it is sent.
        let here = self.with(|shared| {
            (shared.window, shared.progress) = (Window::fixed(READS_MAX), Arc::new(Silent));
            shared.limits.clear();
        });
        let body = Body::of_handle(&here, key, Arc::new(file), Metadata::new(size));
        Box::pin(here.move_ranges((key, key), body, size, options.size(size), self, &transfer)).await
    }
}

/// The next bytes of a reader, about as many as are written in one step.
async fn next_chunks(reader: &mut super::Reader) -> Result<Vec<Bytes>> {
    let (mut chunks, mut length) = (Vec::new(), 0);
    while length < CHUNK
        && let Some(chunk) = reader.try_next().await?
    {
        length += chunk.len();
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// A local file that is read from several places at a time.
#[derive(Debug)]
struct LocalFile {
    file: Arc<File>,
    before: Stamp,
    path: PathBuf,
}

impl Handle for LocalFile {
    fn read(&self, range: Range<u64>) -> ByteStream {
        let (file, before, path) = (self.file.clone(), self.before.clone(), self.path.clone());
        Box::pin(try_unfold((range, file), move |(mut range, file)| {
            let (before, path) = (before.clone(), path.clone());
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let read = blocking(move || {
                    let mut chunk = vec![0; (CHUNK as u64).min(range.end - range.start) as usize];
                    let count = read_full_at(&file, &mut chunk, range.start)?;
                    chunk.truncate(count);
                    range.start += count as u64;
                    // With the last byte comes the proof that nobody wrote into the file meanwhile.
                    let same = count > 0 && (!range.is_empty() || Stamp::of(&file)? == before);
                    Ok((same, Bytes::from(chunk), range, file))
                });
                let (same, chunk, range, file) = read.await.map_err(|e| about(e, &path))?;
                if same { Ok(Some((chunk, (range, file)))) } else { Err(changed(&path)) }
            }
        }))
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match read_at(file, &mut buffer[count..], at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(count)
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

fn changed(path: &Path) -> Error {
    let message = format!("{} changed while it was read", path.display());
    Error::new(ErrorKind::PreconditionFailed, message)
}

/// What tells that a file is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { size: metadata.len(), modified: metadata.modified().ok() })
    }
}

fn read_chunk(file: &mut File) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(CHUNK);
    file.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}

/// A file on its way. Dropped before it is published, it is removed.
struct Staged {
    file: Option<File>,
    path: PathBuf,
}

impl Staged {
    async fn create(target: &Path) -> io::Result<Self> {
        let directory = directory_of(target);
        blocking(move || {
            loop {
                let path = directory.join(format!(".haul-{:016x}.tmp", fastrand::u64(..)));
                match File::create_new(&path) {
                    Ok(file) => return Ok(Self { file: Some(file), path }),
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(e) => return Err(e),
                }
            }
        })
        .await
    }

    async fn write(mut self, chunks: Vec<Bytes>) -> io::Result<Self> {
        blocking(move || {
            chunks.iter().try_for_each(|chunk| self.file().write_all(chunk))?;
            Ok(self)
        })
        .await
    }

    async fn publish(mut self, target: &Path) -> io::Result<()> {
        let target = target.to_owned();
        blocking(move || {
            self.file().sync_all()?;
            self.file = None;
            std::fs::rename(&self.path, &target)?;
            drop(std::mem::take(&mut self.path));
            File::open(directory_of(&target))?.sync_all()
        })
        .await
    }

    fn file(&mut self) -> &mut File {
        self.file.as_mut().expect("because only publish takes the file, and it consumes the staging")
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Runs file work on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn about(error: io::Error, path: &Path) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::IsADirectory => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("local file {}", path.display())).with_source(error)
}

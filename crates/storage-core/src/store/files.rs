//! Between a store and a local file, in constant memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::Store;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{ReadOptions, WriteOptions};

/// Bytes moved between the file and memory at a time.
const CHUNK: usize = 1 << 20;

impl Store {
    /// Writes the content of a local file to `key`.
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
            let message = format!("{} changed while it was read", path.display());
            return Err(explain(Error::new(ErrorKind::PreconditionFailed, message)));
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
        while let Some(chunk) = reader.try_next().await? {
            staged = staged.write(chunk).await.map_err(explain)?;
        }
        staged.publish(path).await.map_err(explain)?;
        Ok(reader.metadata().clone())
    }
}

/// What tells that a file is still the same.
#[derive(PartialEq, Eq)]
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

    async fn write(mut self, chunk: Bytes) -> io::Result<Self> {
        blocking(move || {
            self.file().write_all(&chunk)?;
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

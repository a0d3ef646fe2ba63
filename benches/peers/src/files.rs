//! Files on this side.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::Outcome;

/// Every file below a directory, with its path from there and its size.
pub fn below(directory: &Path) -> Outcome<Vec<(PathBuf, String, u64)>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
                continue;
            }
            let name = entry.path().strip_prefix(directory)?.to_string_lossy().into_owned();
            files.push((entry.path(), name, entry.metadata()?.len()));
        }
    }
    Ok(files)
}

/// A part of a file.
pub async fn read(file: Arc<std::fs::File>, offset: u64, length: usize) -> Outcome<Bytes> {
    let read = move || {
        let mut buffer = vec![0; length];
        file.read_exact_at(&mut buffer, offset)?;
        Ok::<_, std::io::Error>(Bytes::from(buffer))
    };
    Ok(spawn_blocking(read).await??)
}

/// Writes a part of a file.
pub async fn write(file: Arc<std::fs::File>, offset: u64, pieces: Vec<Bytes>) -> Outcome {
    let write = move || {
        let mut at = offset;
        for piece in pieces {
            file.write_all_at(&piece, at)?;
            at += piece.len() as u64;
        }
        Ok::<_, std::io::Error>(())
    };
    Ok(spawn_blocking(write).await??)
}

/// A new file, with the directories above it.
pub fn create(path: &Path) -> Outcome<Arc<std::fs::File>> {
    std::fs::create_dir_all(path.parent().ok_or("a file stands in a directory")?)?;
    Ok(Arc::new(std::fs::File::create(path)?))
}

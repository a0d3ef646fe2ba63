//! Between a store and local files.

use std::path::Path;

use storage_core::{ErrorKind, Key, ListOptions, ReadOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("file", "FILE-1", "there-and-back", |c| Box::pin(round_trip(c))),
    Case::new("file", "FILE-1", "a-failed-download-leaves-old", |c| Box::pin(failed_download(c))),
    Case::new("file", "FILE-1", "a-failed-upload-leaves-old", |c| Box::pin(failed_upload(c))),
    Case::new("file", "FILE-1", "a-range-into-a-file", |c| Box::pin(range(c))),
];

fn files_in(directory: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

async fn round_trip(c: Context) -> Result<(), Failure> {
    let local = tempfile::tempdir()?;
    let (from, to) = (local.path().join("from"), local.path().join("to"));
    for size in [0, 1, 1 << 20, (1 << 20) + 1, (9 << 20) + 5] {
        let content = pattern(size as u64, size);
        std::fs::write(&from, &content)?;
        let told = c.store.upload_file(&from, &Key::new("d/a")?, WriteOptions::new()).await?;
        same("size told", told.size, size as u64)?;
        c.contains("d/a", &content).await?;
        let found = c.store.download_file(&Key::new("d/a")?, &to, ReadOptions::new()).await?;
        same("size found", found.size, size as u64)?;
        same_bytes(format!("file of {size} bytes"), &std::fs::read(&to)?, &content)?;
    }
    same("local files", files_in(local.path())?, ["from", "to"])
}

async fn failed_download(c: Context) -> Result<(), Failure> {
    let local = tempfile::tempdir()?;
    let (old, new) = (local.path().join("old"), local.path().join("new"));
    std::fs::write(&old, "the old file")?;
    c.put("a", "0123456789").await?;
    for path in [&old, &new] {
        let missing = c.store.download_file(&Key::new("none")?, path, ReadOptions::new()).await;
        fails("download of nothing", missing, ErrorKind::NotFound)?;
        let past = c.store.download_file(&Key::new("a")?, path, ReadOptions::new().range(20..)).await;
        fails("download of a range past the end", past, ErrorKind::RangeNotSatisfiable)?;
    }
    let no_place =
        c.store.download_file(&Key::new("a")?, local.path().join("no/such/a"), ReadOptions::new()).await;
    fails("download into no directory", no_place, ErrorKind::NotFound)?;
    same_bytes("the old file", &std::fs::read(&old)?, b"the old file")?;
    same("local files", files_in(local.path())?, ["old"])
}

async fn failed_upload(c: Context) -> Result<(), Failure> {
    let local = tempfile::tempdir()?;
    let file = local.path().join("file");
    std::fs::write(&file, pattern(1, 100_000))?;
    c.put("a", "old").await?;
    let missing = c.store.upload_file(local.path().join("none"), &Key::new("a")?, WriteOptions::new()).await;
    fails("upload of no file", missing, ErrorKind::NotFound)?;
    let wrong = WriteOptions::new().expect_checksum(storage_core::Algorithm::Sha256.digest(b"other"));
    let wrong = c.store.upload_file(&file, &Key::new("a")?, wrong).await;
    fails("upload with a wrong checksum", wrong, ErrorKind::InvalidData)?;
    if c.can.create_if_absent.is_supported() {
        let present = c.store.upload_file(&file, &Key::new("a")?, WriteOptions::new().if_absent()).await;
        fails("upload over an object if absent", present, ErrorKind::AlreadyExists)?;
    }
    c.contains("a", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["a"])?;
    c.nothing_left_over().await
}

async fn range(c: Context) -> Result<(), Failure> {
    let local = tempfile::tempdir()?;
    let to = local.path().join("to");
    let content = pattern(1, 300_000);
    c.put("a", content.clone()).await?;
    c.store.download_file(&Key::new("a")?, &to, ReadOptions::new().range(100_000..200_000)).await?;
    same_bytes("the range", &std::fs::read(&to)?, &content[100_000..200_000])
}

//! Local files of several parts.

use std::io::Write;

use storage_core::{Algorithm, ErrorKind, Key, Limit, Progress, ReadOptions, Store, WriteOptions};
use storage_memory::Memory;

const MIB: usize = 1 << 20;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 4093) as u8).collect()
}

#[tokio::test]
async fn a_large_file_arrives_whole_with_the_checksums_that_were_asked_for() {
    let data = content(21 * MIB + 7);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&data).expect("written");
    let (store, key) = (Store::new(Memory::new()), Key::new("large").expect("a key"));
    for options in [
        WriteOptions::new(),
        WriteOptions::new().part_size(MIB as u64).checksum(Algorithm::Crc32c),
        WriteOptions::new().concurrency(1).checksum(Algorithm::Crc64Nvme),
        WriteOptions::new().checksum(Algorithm::Sha256).checksum(Algorithm::Crc32c),
        WriteOptions::new().expect_checksum(Algorithm::Crc64Nvme.digest(&data)),
        WriteOptions::new().expect_checksum(Algorithm::Sha256.digest(&data)),
    ] {
        let written = store.upload_file(file.path(), &key, options.clone()).await.expect("written");
        assert_eq!(written.size, data.len() as u64);
        for checksum in written.checksums.iter() {
            assert_eq!(checksum, checksum.algorithm().digest(&data), "{options:?}");
        }
        let read = store.read(&key, ReadOptions::new()).await.expect("read");
        assert!(read.bytes == data, "{options:?}");
        let back = tempfile::NamedTempFile::new().expect("a file");
        store.download_file(&key, back.path(), ReadOptions::new()).await.expect("read");
        assert!(std::fs::read(back.path()).expect("read") == data);
    }
    let written = store.upload_file(file.path(), &key, WriteOptions::new().checksum(Algorithm::Crc32c)).await;
    assert!(written.expect("written").checksums.get(Algorithm::Crc32c).is_some());
}

#[tokio::test]
async fn a_wrong_checksum_publishes_nothing() {
    let data = content(20 * MIB);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&data).expect("written");
    let (store, key) = (Store::new(Memory::new()), Key::new("large").expect("a key"));
    let options = WriteOptions::new().expect_checksum(Algorithm::Crc32c.digest(b"other"));
    let failed = store.upload_file(file.path(), &key, options).await.expect_err("another checksum");
    assert_eq!(failed.kind(), ErrorKind::InvalidData);
    assert!(!store.exists(&key).await.expect("an answer"));
}

/// Writes into the file as soon as the first part was sent.
#[derive(Debug)]
struct Meddler(std::path::PathBuf);

impl Progress for Meddler {
    fn event(&self, event: storage_core::Event<'_>) {
        if let storage_core::Event::Bytes { .. } = event {
            let mut file = std::fs::OpenOptions::new().append(true).open(&self.0).expect("the file");
            file.write_all(b"more").expect("written");
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_publishes_nothing() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&content(40 * MIB)).expect("written");
    let key = Key::new("large").expect("a key");
    let store = Store::new(Memory::new()).with_progress(std::sync::Arc::new(Meddler(file.path().into())));
    let options = WriteOptions::new().part_size(MIB as u64);
    let failed = store.upload_file(file.path(), &key, options).await.expect_err("a change");
    assert_eq!(failed.kind(), ErrorKind::PreconditionFailed, "{failed}");
    assert!(failed.to_string().contains("changed while it was read"), "{failed}");
    assert!(!store.exists(&key).await.expect("an answer"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_every_byte_once() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&content(20 * MIB)).expect("written");
    let key = Key::new("large").expect("a key");
    let store = Store::new(Memory::new()).with_limit(Limit::new().bytes_per_second(MIB as u64));
    let began = tokio::time::Instant::now();
    store.upload_file(file.path(), &key, WriteOptions::new()).await.expect("written");
    let took = began.elapsed().as_secs();
    assert!((17..=22).contains(&took), "{took} s");
}

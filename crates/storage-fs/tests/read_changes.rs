//! Files that change under a reader, and what is no file (clauses READ-1 and READ-2).

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;

use common::{Root, get, key, list, put};
use futures_util::{StreamExt, TryStreamExt};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use storage_core::{ErrorKind, ListOptions, ReadOptions, StatOptions, WriteOptions};
use storage_fs::Symlinks;

const SIZE: usize = 5 << 20;

/// Reads a large file to its end, with `change` made after its first bytes.
async fn read_while(change: impl FnOnce(&Root)) -> storage_core::Result<Vec<u8>> {
    let root = Root::new(Symlinks::Follow);
    root.file("a", vec![b'o'; SIZE]);
    // An old time, so that no change falls into the tick of the file's making.
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = OpenOptions::new().write(true).open(root.at("a")).expect("it opens");
    file.set_modified(old).expect("an old time");
    let mut reader = root.store.reader(&key("a"), ReadOptions::new()).await?;
    let mut all = reader.next().await.expect("a first chunk")?.to_vec();
    change(&root);
    while let Some(chunk) = reader.try_next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn is_old(read: storage_core::Result<Vec<u8>>) {
    let read = read.expect("the version that was opened");
    assert!(read.len() == SIZE && read.iter().all(|byte| *byte == b'o'));
}

fn is_refused(read: storage_core::Result<Vec<u8>>) {
    assert_eq!(read.expect_err("it changed").kind(), ErrorKind::PreconditionFailed);
}

fn open(root: &Root) -> std::fs::File {
    OpenOptions::new().write(true).open(root.at("a")).expect("it opens")
}

#[tokio::test]
async fn replaced_deleted_and_moved_files_are_read_to_their_end() {
    is_old(
        read_while(|root| {
            root.file("b", vec![b'n'; SIZE + 1]);
            std::fs::rename(root.at("b"), root.at("a")).expect("replaced");
        })
        .await,
    );
    is_old(read_while(|root| std::fs::remove_file(root.at("a")).expect("deleted")).await);
    is_old(read_while(|root| std::fs::rename(root.at("a"), root.at("c")).expect("moved")).await);
}

#[tokio::test]
async fn changes_in_place_are_errors() {
    is_refused(read_while(|root| open(root).set_len(SIZE as u64 / 2).expect("cut")).await);
    is_refused(read_while(|root| open(root).set_len(0).expect("emptied")).await);
    is_refused(
        read_while(|root| open(root).write_all_at(b"new", SIZE as u64 - 3).expect("overwritten")).await,
    );
    is_refused(read_while(|root| open(root).write_all_at(b"new", 0).expect("overwritten")).await);
    is_refused(
        read_while(|root| {
            let mut file = OpenOptions::new().append(true).open(root.at("a")).expect("it opens");
            file.write_all(b"more").expect("appended");
        })
        .await,
    );
    is_refused(
        read_while(|root| {
            open(root).set_len(0).expect("emptied");
            open(root).write_all_at(&vec![b'n'; SIZE], 0).expect("written anew");
        })
        .await,
    );
}

/// A FIFO, socket or device is an entry error and no object, and nobody waits for its other end.
#[tokio::test]
async fn what_is_no_file_never_hangs() {
    let root = Root::new(Symlinks::Follow);
    root.file("directory/x", "content");
    mknodat(CWD, root.at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(root.at("socket")).expect("a socket");
    root.link("fifo", "linked");
    for name in ["fifo", "socket", "linked"] {
        assert_eq!(get(&root.store, name).await.expect_err(name).kind(), ErrorKind::Unsupported);
        let stat = root.store.stat(&key(name), StatOptions::new()).await;
        assert_eq!(stat.expect_err(name).kind(), ErrorKind::Unsupported);
        let copied = root.store.copy(&key(name), &key("copied"), Default::default()).await;
        assert_eq!(copied.expect_err(name).kind(), ErrorKind::Unsupported);
    }
    assert_eq!(get(&root.store, "directory").await.expect_err("no object").kind(), ErrorKind::NotFound);
    let (names, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!(names, ["directory/x"]);
    assert_eq!(errors.iter().filter_map(|e| e.key()).collect::<Vec<_>>(), ["fifo", "linked", "socket"]);
    assert!(errors.iter().all(|e| e.scope() == storage_core::Scope::Entry));
    assert!(root.leftovers().is_empty());
}

/// Of concurrent whole reads and range reads each is of one version, while writers replace the object.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_versions_only() {
    let root = Root::new(Symlinks::Follow);
    let body = |byte: u8| vec![byte; 3_000_000 - usize::from(byte)];
    root.store.write(&key("a"), body(1), WriteOptions::new()).await.expect("written");
    let writers = (0..2u8).map(|writer| {
        let store = root.store.clone();
        tokio::spawn(async move {
            for round in 0..15 {
                let options = WriteOptions::new().part_size(1 << 18);
                let mut upload = store.writer(&key("a"), options).await.expect("a writer");
                upload.write(body(1 + writer * 100 + round)).await.expect("taken");
                upload.finish().await.expect("written");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let whole = root.store.read(&key("a"), ReadOptions::new()).await.expect("a whole version");
        assert!(whole.bytes.iter().all(|byte| *byte == whole.bytes[0]), "two versions");
        assert_eq!(whole.bytes.len(), 3_000_000 - usize::from(whole.bytes[0]));
        let range = ReadOptions::new().range(2_000_000..2_500_000);
        let part = root.store.read(&key("a"), range).await.expect("a part of one version");
        assert!(part.bytes.iter().all(|byte| *byte == part.bytes[0]), "two versions");
        assert_eq!(part.metadata.size, 3_000_000 - u64::from(part.bytes[0]));
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    put(&root.store, "b", "x").await.expect("written");
    assert!(root.leftovers().is_empty());
}

//! Large files past the page cache: the same bytes, whatever is aligned.

use futures_util::TryStreamExt;
use storage_core::{Key, ReadOptions, Store, TransferOptions, WriteOptions};
use storage_fs::{Config, Fs};

const MIB: usize = 1 << 20;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 4093) as u8).collect()
}

fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

/// A store on a disk: a volume in memory may have no such way.
fn store(name: &str, direct: bool) -> Store {
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&root);
    Store::new(Fs::open(Config::new(root).create(true).fsync(false).direct(direct)).expect("a root"))
}

#[tokio::test]
async fn a_file_is_the_same_whichever_way_it_takes() {
    let (past, through) = (store("direct-past", true), store("direct-through", false));
    for len in [16 * MIB - 1, 16 * MIB, 20 * MIB + 4095, 33 * MIB + 4097] {
        let data = content(len);
        for part in [MIB as u64, 5 * MIB as u64 + 13] {
            let options = WriteOptions::new().part_size(part).size(len as u64).verify(true);
            let mut writer = past.writer(&key("a"), options).await.expect("a writer");
            for chunk in data.chunks(700_001) {
                writer.write(chunk.to_vec()).await.expect("written");
            }
            writer.finish().await.expect("published");
            let read = past.read(&key("a"), ReadOptions::new()).await.expect("read");
            assert!(read.bytes == data, "{len} bytes in parts of {part}");
        }
        for (from, to) in [(&past, &through), (&through, &past), (&past, &past)] {
            let done = from.copy_to(&key("a"), to, &key("b"), TransferOptions::new().verify(true)).await;
            assert!(done.expect("copied").verified);
            assert!(to.read(&key("b"), ReadOptions::new()).await.expect("read").bytes == data);
            to.copy_to(&key("b"), to, &key("a"), TransferOptions::new()).await.expect("copied");
        }
    }
}

#[tokio::test]
async fn any_range_is_that_range() {
    let store = store("direct-ranges", true);
    let data = content(17 * MIB + 123);
    store.write(&key("a"), data.clone(), WriteOptions::new()).await.expect("written");
    for (start, end) in [
        (0, 1),
        (1, 4096),
        (4095, 4097),
        (MIB - 1, MIB + 1),
        (MIB + 5, 3 * MIB + 7),
        (17 * MIB, 17 * MIB + 123),
        (17 * MIB + 122, 17 * MIB + 123),
        (5, 17 * MIB + 123),
    ] {
        let range = start as u64..end as u64;
        let read = store.read(&key("a"), ReadOptions::new().range(range)).await.expect("read");
        assert!(read.bytes == data[start..end], "{start}..{end}");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_is_an_error() {
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("direct-cut");
    let store = store("direct-cut", true);
    store.write(&key("a"), content(20 * MIB), WriteOptions::new()).await.expect("written");
    let options = ReadOptions::new().concurrency(1);
    let mut reader = store.reader(&key("a"), options).await.expect("a reader");
    reader.try_next().await.expect("bytes").expect("some");
    let file = std::fs::OpenOptions::new().write(true).open(root.join("a")).expect("the file");
    file.set_len(10 * MIB as u64 + 100).expect("cut");
    let rest: storage_core::Result<Vec<_>> = reader.try_collect().await;
    assert_eq!(rest.expect_err("a change").kind(), storage_core::ErrorKind::PreconditionFailed);
}

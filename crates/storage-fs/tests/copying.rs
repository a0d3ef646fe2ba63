//! Copies: holes stay, the source is one version, and nothing is aliased (clause COPY-1).

mod common;

use std::os::unix::fs::{FileExt, MetadataExt};

use common::{Root, get, key, put};
use storage_core::{CopyOptions, ReadOptions, Store, WriteOptions};
use storage_fs::{Config, Fs, Symlinks};

#[tokio::test]
async fn holes_stay_holes() {
    let root = Root::new(Symlinks::Follow);
    const SIZE: u64 = 64 << 20;
    let file = std::fs::File::create(root.at("sparse")).expect("a file");
    for at in [0, 10 << 20, (40 << 20) + 5] {
        file.write_all_at(b"data", at).expect("written");
    }
    file.set_len(SIZE).expect("a hole at the end");
    std::fs::File::create(root.at("hole")).expect("a file").set_len(SIZE).expect("a hole");
    for (name, at) in [("sparse", Some((40u64 << 20) + 5)), ("hole", None)] {
        root.store.copy(&key(name), &key("copied"), CopyOptions::new()).await.expect("copied");
        let [from, to] = [name, "copied"].map(|name| root.at(name).metadata().expect("there"));
        assert_eq!(to.size(), SIZE);
        assert!(to.blocks() <= from.blocks(), "{} blocks of {}", to.blocks(), from.blocks());
        let equal = root.content(name) == root.content("copied");
        assert!(equal, "{name} differs, data at {at:?}");
    }
}

/// Sparse writes read back as they were written, wherever the zeros are.
#[tokio::test]
async fn written_holes_read_as_zeros() {
    let root = Root::new(Symlinks::Follow);
    let store = Store::new(Fs::open(Config::new(root.path()).sparse(true).fsync(false)).expect("it opens"));
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..30 {
        let mut body = vec![0u8; random.usize(0..2_000_000)];
        for _ in 0..random.usize(0..4) {
            let from = random.usize(0..=body.len());
            let to = random.usize(from..=body.len().min(from + 100_000));
            random.fill(&mut body[from..to]);
        }
        let options =
            if round % 2 == 0 { WriteOptions::new() } else { WriteOptions::new().part_size(70_001) };
        let mut writer = store.writer(&key("a"), options).await.expect("a writer");
        for chunk in body.chunks(30_000) {
            writer.write(chunk.to_vec()).await.expect("taken");
        }
        let written = writer.finish().await.expect("written");
        assert_eq!(written.size, body.len() as u64);
        assert!(get(&store, "a").await.expect("there") == body, "round {round}");
    }
    store.write(&key("zeros"), vec![0u8; 8 << 20], WriteOptions::new()).await.expect("written");
    assert_eq!(root.at("zeros").metadata().expect("there").blocks(), 0);
    assert_eq!(get(&store, "zeros").await.expect("there"), vec![0u8; 8 << 20]);
}

#[tokio::test]
async fn a_copy_is_no_alias_and_a_copy_onto_itself_changes_nothing() {
    let root = Root::new(Symlinks::Follow);
    let body = vec![b'o'; 1 << 20];
    root.file("a", &body);
    let before = root.store.read(&key("a"), ReadOptions::new()).await.expect("there").metadata;
    root.store.copy(&key("a"), &key("a"), CopyOptions::new()).await.expect("nothing to do");
    let after = root.store.read(&key("a"), ReadOptions::new()).await.expect("there").metadata;
    assert_eq!((before.etag, before.modified), (after.etag, after.modified));
    root.store.copy(&key("a"), &key("b"), CopyOptions::new()).await.expect("copied");
    let file = std::fs::OpenOptions::new().write(true).open(root.at("a")).expect("it opens");
    file.write_all_at(b"new", 0).expect("written");
    assert_eq!(root.content("b"), Some(body.clone()));
    // A hard link to the source is replaced, not written through.
    std::fs::hard_link(root.at("b"), root.at("c")).expect("a hard link");
    put(&root.store, "d", "other").await.expect("written");
    root.store.copy(&key("d"), &key("c"), CopyOptions::new()).await.expect("copied");
    assert_eq!(root.content("b"), Some(body));
    assert_eq!(root.content("c").as_deref(), Some(&b"other"[..]));
}

//! Copies from one directory to another, by this machine: what is copied, what is refused, and what stays.

mod common;

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use common::{Root, get, key, leftovers, put, store};
use storage_conformance::fault::{FaultLayer, Plan};
use storage_core::{Condition, CopyTarget, ErrorKind, Event, Operation, Progress, Store, TransferOptions};
use storage_fs::{Config, Fs, Symlinks};

const POLICIES: [Symlinks; 3] = [Symlinks::Follow, Symlinks::Preserve, Symlinks::Skip];

/// What became of each name: its content, a link's target, or the kind of error.
async fn copied(from: &Store, to: &Store, names: &[&str]) -> Vec<String> {
    let copies: Vec<_> = names.iter().map(|name| CopyTarget::new(key(name), key(name))).collect();
    let done = from.copy_all_to(&copies, to, &TransferOptions::new()).await;
    let mut told = Vec::new();
    for (name, done) in names.iter().zip(done) {
        told.push(match done {
            Ok(done) => {
                let content = get(to, name).await.expect("it was copied");
                format!("{:?} {}", done.metadata.kind, String::from_utf8_lossy(&content))
            }
            Err(error) => {
                assert_eq!(error.key(), Some(*name), "{error}");
                format!("{:?}", error.kind())
            }
        });
    }
    told
}

#[tokio::test]
async fn links_and_what_is_no_file_fail_alone() {
    for from in POLICIES {
        for to in POLICIES {
            let (source, destination) = (Root::new(from), Root::new(to));
            source.file("a", "content");
            source.file("dir/z", "last");
            source.link("a", "link");
            source.link("nowhere", "dangling");
            let fifo = source.at("fifo");
            rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO");
            let _socket = UnixListener::bind(source.at("socket")).expect("a socket");
            destination.file("link", "old");
            destination.file("fifo", "old");
            let names = ["a", "link", "dangling", "fifo", "socket", "dir", "missing", "dir/z"];
            let told = copied(&source.store, &destination.store, &names).await;
            let (link, dangling) = match (from, to) {
                (Symlinks::Follow, _) => ("File content", "NotFound"),
                (Symlinks::Skip, _) => ("NotFound", "NotFound"),
                (_, Symlinks::Preserve) => ("Symlink a", "Symlink nowhere"),
                _ => ("Unsupported", "Unsupported"),
            };
            let other = ["Unsupported", "Unsupported", "NotFound", "NotFound", "File last"];
            let expected = [&["File content", link, dangling][..], &other[..]].concat();
            assert_eq!(told, expected, "{from:?} to {to:?}");
            let replaced = link.starts_with("File") || link.starts_with("Symlink");
            assert_eq!(destination.content("link").as_deref() == Some(b"old"), !replaced);
            assert_eq!(destination.content("fifo").as_deref(), Some(&b"old"[..]));
            assert!(destination.leftovers().is_empty());
        }
    }
}

/// What the machine copies is what a stream would have made of it.
#[tokio::test]
async fn by_the_machine_or_through_a_stream_is_the_same() {
    let source = Root::new(Symlinks::Preserve);
    let (machine, stream) = (Root::new(Symlinks::Preserve), Root::new(Symlinks::Preserve));
    let layered = stream.store.layer(&FaultLayer::new(Plan::new()));
    for (n, mode) in [0o644, 0o600, 0o444, 0o755, 0o4755, 0o2755, 0o1644].into_iter().enumerate() {
        let name = format!("{mode:o}");
        source.file(&name, vec![n as u8; n * 300_000]);
        std::fs::set_permissions(source.at(&name), PermissionsExt::from_mode(mode)).expect("a mode");
        for root in [&machine, &stream] {
            root.file(&name, "a longer or shorter old one");
            std::fs::set_permissions(root.at(&name), PermissionsExt::from_mode(0o640)).expect("a mode");
        }
        let one =
            source.store.copy_to(&key(&name), &machine.store, &key(&name), TransferOptions::new()).await;
        let two = source.store.copy_to(&key(&name), &layered, &key(&name), TransferOptions::new()).await;
        let (one, two) = (one.expect("copied"), two.expect("copied"));
        assert!(one.by_service && !two.by_service && one.verified && two.verified);
        assert_eq!(machine.content(&name), stream.content(&name));
        let [one, two, from] =
            [&machine, &stream, &source].map(|root| root.at(&name).metadata().expect("there"));
        assert_eq!(format!("{:o}", one.mode()), format!("{:o}", two.mode()), "from {mode:o}");
        assert_eq!((one.mtime(), one.mtime_nsec()), (from.mtime(), from.mtime_nsec()));
        assert_eq!((two.mtime(), two.mtime_nsec()), (from.mtime(), from.mtime_nsec()));
    }
}

/// Two roots, one file: a copy onto itself by another name for the same place changes nothing.
#[tokio::test]
async fn one_file_below_two_roots_stays_as_it_is() {
    for symlinks in POLICIES {
        let root = Root::new(symlinks);
        root.file("sub/a", "content");
        let below = store(&root.at("sub"), symlinks);
        let before = root.at("sub/a").metadata().expect("there");
        let (whole, part) = (key("sub/a"), key("a"));
        root.store.copy_to(&whole, &below, &part, TransferOptions::new()).await.expect("nothing to do");
        below.copy_to(&part, &root.store, &whole, TransferOptions::new()).await.expect("nothing to do");
        let after = root.at("sub/a").metadata().expect("there");
        assert_eq!(root.content("sub/a").as_deref(), Some(&b"content"[..]));
        assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()), "{symlinks:?}");
        let absent = TransferOptions::new().condition(Condition::IfAbsent);
        let copied = root.store.copy_to(&whole, &below, &part, absent).await;
        assert_eq!(copied.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
        assert!(root.leftovers().is_empty());
    }
}

/// A hard link is another name for the same bytes; after a copy onto it the two are apart.
#[tokio::test]
async fn a_copy_onto_a_hard_link_of_its_source_is_an_object_of_its_own() {
    let (source, destination) = (Root::new(Symlinks::Follow), Root::new(Symlinks::Follow));
    source.file("a", "content");
    std::fs::hard_link(source.at("a"), destination.at("b")).expect("a hard link");
    let options = TransferOptions::new();
    source.store.copy_to(&key("a"), &destination.store, &key("b"), options).await.expect("copied");
    put(&destination.store, "c", "other").await.expect("written");
    let file = std::fs::OpenOptions::new().write(true).open(destination.at("b")).expect("it opens");
    file.write_all_at(b"CHANGED", 0).expect("written");
    assert_eq!(source.content("a").as_deref(), Some(&b"content"[..]));
}

/// Holes, runs of zeros and data, longer than what is shared out among threads.
#[tokio::test]
async fn sparse_copies_are_the_same_bytes() {
    const SIZE: u64 = 70 << 20;
    let source = Root::new(Symlinks::Follow);
    let file = std::fs::File::create(source.at("a")).expect("a file");
    let mut random = fastrand::Rng::with_seed(1);
    for start in [0, 100_001, 3 << 20, 69 << 20] {
        let data: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(50_000).collect();
        file.write_all_at(&data, start).expect("written");
    }
    file.write_all_at(&vec![0u8; 40 << 20], 10 << 20).expect("zeros that are no hole");
    file.write_all_at(b"x", 30 << 20).expect("written");
    file.set_len(SIZE).expect("a hole at the end");
    for (sparse, verify) in [(false, false), (false, true), (true, false), (true, true)] {
        let destination = Root::new(Symlinks::Follow);
        let config = Config::new(destination.path()).sparse(sparse).fsync(false);
        let to = Store::new(Fs::open(config).expect("it opens"));
        let options = TransferOptions::new().verify(verify);
        source.store.copy_to(&key("a"), &to, &key("a"), options).await.expect("copied");
        assert!(source.content("a") == destination.content("a"), "sparse {sparse}, verify {verify}");
        let [from, to] = [&source, &destination].map(|root| root.at("a").metadata().expect("there").blocks());
        assert!(to <= from, "{to} blocks of {from}: sparse {sparse}, verify {verify}");
        assert!(!sparse || to < from, "the zeros are holes");
    }
}

#[tokio::test]
async fn the_others_are_copied_where_one_cannot_be() {
    let (source, destination) = (Root::new(Symlinks::Follow), Root::new(Symlinks::Follow));
    for n in 0..200 {
        source.file(&format!("{n}/a"), format!("content of {n}"));
    }
    // A file where a directory is needed, and a directory where a file goes.
    destination.file("7", "old");
    destination.file("9/a/b", "old");
    std::fs::remove_file(source.at("11/a")).expect("removed");
    let names: Vec<_> = (0..200).map(|n| format!("{n}/a")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for (n, told) in copied(&source.store, &destination.store, &names).await.into_iter().enumerate() {
        let expected = match n {
            7 | 9 => "InvalidKey".to_owned(),
            11 => "NotFound".to_owned(),
            n => format!("File content of {n}"),
        };
        assert_eq!(told, expected, "{n}");
    }
    assert!(leftovers(&destination.path()).is_empty());
    assert!(!destination.at("11").exists(), "no directory for what is not there");
    let absent = TransferOptions::new().condition(Condition::IfAbsent);
    let copies = [CopyTarget::new(key("1/a"), key("2/a")), CopyTarget::new(key("1/a"), key("new/a"))];
    let done = source.store.copy_all_to(&copies, &destination.store, &absent).await;
    assert_eq!(done[0].as_ref().expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    assert!(done[1].is_ok());
    assert_eq!(destination.content("2/a").as_deref(), Some(&b"content of 2"[..]));
}

/// Hears of bytes.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<u64>>);

impl Progress for Heard {
    fn event(&self, event: Event<'_>) {
        if let Event::Bytes { operation: Operation::Write, count, .. } = event {
            self.0.lock().expect("nobody panics").push(count);
        }
    }
}

#[tokio::test]
async fn a_large_copy_tells_how_far_it_is_and_adds_up() {
    for verify in [true, false] {
        let (source, destination) = (Root::new(Symlinks::Follow), Root::new(Symlinks::Follow));
        let content: Vec<u8> = (0..40_000_123_u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(source.at("large"), &content).expect("the source");
        source.file("small", "x");
        let heard = std::sync::Arc::new(Heard::default());
        let to = destination.store.with_progress(heard.clone());
        let copies = ["large", "small"].map(|name| CopyTarget::new(key(name), key(name)));
        for copy in copies {
            let done = source.store.copy_all_to(&[copy], &to, &TransferOptions::new().verify(verify)).await;
            assert!(done[0].as_ref().expect("it is copied").by_service);
        }
        let heard = std::mem::take(&mut *heard.0.lock().expect("nobody panics"));
        assert_eq!(heard.iter().sum::<u64>(), content.len() as u64 + 1);
        // A volume that shares extents has nothing to tell before the end of each.
        assert!(heard.len() == 2 || heard.len() > 3, "{heard:?}");
        assert!(get(&destination.store, "large").await.expect("it is there") == content);
    }
}

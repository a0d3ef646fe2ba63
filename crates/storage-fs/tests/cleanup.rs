//! Clean-up: what killed writers left goes, everything else stays.

mod common;

use std::process::{Command, Stdio};

use common::{Root, get, key, prefix, store};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use storage_core::{CopyOptions, WriteOptions};
use storage_fs::Symlinks;

const LEFT: &str = ".haul-0123456789abcdef.tmp";

/// Not a test: a process that begins a write and then waits to be killed.
#[tokio::test]
#[ignore = "not a test: the body of a child process that the tests beside it start"]
async fn a_writer_that_waits() {
    let Some(root) = std::env::var_os("TEST_ROOT") else { return };
    let store = store(root.as_ref(), Symlinks::Follow);
    let mut writer = store.writer(&key("deep/a"), WriteOptions::new().part_size(10)).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    std::fs::write(std::path::Path::new(&root).join("ready"), "").expect("told");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[tokio::test]
async fn leftovers_of_killed_processes_go_and_those_in_use_stay() {
    let root = Root::new(Symlinks::Follow);
    root.file("deep/a", "old");
    let mut child = Command::new(std::env::current_exe().expect("a program"))
        .args(["--exact", "a_writer_that_waits", "--ignored"])
        .env("TEST_ROOT", root.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process");
    while !root.at("ready").exists() {
        assert_eq!(child.try_wait().expect("its state"), None, "the writer ended early");
        tokio::task::yield_now().await;
    }
    assert_eq!(root.leftovers().len(), 1);
    let report = root.store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (0, 1), "another process writes");
    child.kill().expect("killed");
    child.wait().expect("ended");
    // A write of this process goes on meanwhile.
    let mut own =
        root.store.writer(&key("deep/b"), WriteOptions::new().part_size(10)).await.expect("a writer");
    own.write("more than one part").await.expect("taken");
    let report = root.store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (1, 1));
    own.finish().await.expect("finished");
    assert_eq!(get(&root.store, "deep/a").await.expect("the old one"), b"old");
    assert_eq!(get(&root.store, "deep/b").await.expect("the new one"), b"more than one part");
    assert!(root.leftovers().is_empty());
}

#[tokio::test]
async fn only_its_own_leftovers_are_removed() {
    let root = Root::new(Symlinks::Follow);
    let similar = [
        ".haul-0123456789ABCDEF.tmp",
        ".haul-0123456789abcde.tmp",
        ".haul-0123456789abcdef0.tmp",
        ".haul-0123456789abcdef.tmp~",
        "haul-0123456789abcdef.tmp",
        ".haul-0123456789abcdeg.tmp",
        ".haul-.tmp",
    ];
    for name in similar {
        root.file(name, "a user's");
    }
    // A directory or a FIFO is nobody's unfinished write, and keeps nothing else from being removed.
    root.file(&format!("directory/{LEFT}/file"), "a user's");
    root.file(&format!("empty/{LEFT}/file"), "");
    std::fs::remove_file(root.at(&format!("empty/{LEFT}/file"))).expect("an empty directory");
    root.file("fifo/x", "");
    mknodat(CWD, root.at(&format!("fifo/{LEFT}")), FileType::Fifo, Mode::from_raw_mode(0o644), 0)
        .expect("one");
    root.file(&format!("zoo/{LEFT}"), "left");
    root.link("gone", &format!("link/{LEFT}"));
    let report = root.store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (2, 0));
    for name in similar {
        assert!(root.at(name).exists(), "{name}");
        if !name.ends_with("DEF.tmp") {
            assert!(get(&root.store, name).await.is_ok(), "{name}");
        }
    }
    assert!(root.at(&format!("directory/{LEFT}/file")).exists());
    assert!(root.at(&format!("empty/{LEFT}")).exists());
    assert!(root.at(&format!("fifo/{LEFT}")).exists());
    assert!(root.at(&format!("link/{LEFT}")).symlink_metadata().is_err());
}

#[tokio::test]
async fn links_are_not_followed() {
    for symlinks in [Symlinks::Follow, Symlinks::Preserve, Symlinks::Skip] {
        let root = Root::new(symlinks);
        std::fs::write(root.outside().join(LEFT), "left").expect("a file");
        root.link(root.outside(), "out");
        root.link("../outside", "beside");
        root.link(root.outside().join(LEFT), LEFT);
        root.store.cleanup(&prefix("")).await.expect("cleaned");
        for start in ["out/", "beside/", "../", "../outside/", "a/../../outside/", "/", "//"] {
            if let Ok(report) = root.store.cleanup(&prefix(start)).await {
                assert_eq!(report.removed, 0, "{start}");
            }
        }
        assert!(root.outside().join(LEFT).exists());
    }
}

#[tokio::test]
async fn a_prefix_is_a_prefix() {
    let root = Root::new(Symlinks::Follow);
    for directory in ["a/", "ab/", "b/", "a/c/"] {
        root.file(&format!("{directory}{LEFT}"), "left");
    }
    assert_eq!(root.store.cleanup(&prefix("a/")).await.expect("cleaned").removed, 2);
    assert_eq!(root.store.cleanup(&prefix("a")).await.expect("cleaned").removed, 1);
    assert_eq!(root.store.cleanup(&prefix("missing/")).await.expect("cleaned").removed, 0);
    assert!(root.at(&format!("b/{LEFT}")).exists());
}

/// No reserved name is an object, on any way.
#[tokio::test]
async fn the_reserved_pattern_is_no_key() {
    let root = Root::new(Symlinks::Follow);
    root.file("a", "content");
    root.file(LEFT, "left");
    let reserved = key(LEFT);
    assert!(root.store.write(&reserved, "x", WriteOptions::new()).await.is_err());
    assert!(root.store.copy(&key("a"), &reserved, CopyOptions::new()).await.is_err());
    assert!(root.store.rename(&key("a"), &reserved, Default::default()).await.is_err());
    assert!(root.store.rename(&reserved, &key("b"), Default::default()).await.is_err());
    assert!(root.store.delete(reserved).await.is_err());
    assert_eq!(root.content(LEFT).as_deref(), Some(&b"left"[..]));
}

//! Writers against each other, against directories that come and go, and across processes (clause WRITE-4).

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Root, get, key, prefix, put, store};
use storage_core::{ErrorKind, ReadOptions, RenameOptions, Store, WriteOptions};
use storage_fs::Symlinks;

const PROCESSES: usize = 4;
const KEYS: usize = 40;
const ADDITIONS: usize = 40;

/// Not a test: one of several processes that race.
#[tokio::test]
#[ignore = "not a test: the body of a child process that the tests beside it start"]
async fn a_racer() {
    let (Some(root), Ok(me)) = (std::env::var_os("TEST_ROOT"), std::env::var("TEST_ME")) else { return };
    let root = Path::new(&root);
    let store = store(root, Symlinks::Follow);
    std::fs::write(root.join(format!("ready-{me}")), "").expect("told");
    while !root.join("go").exists() {
        std::thread::yield_now();
    }
    if std::env::var_os("TEST_ADD").is_some() {
        return add(&store).await;
    }
    for at in 0..KEYS {
        let won = store.write(&key(&format!("new/{at}")), me.clone(), WriteOptions::new().if_absent()).await;
        match won {
            Ok(_) => put(&store, &format!("won-{me}/{at}"), "").await.expect("told"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
}

/// A number as an object: each has a length of its own, since time stamps may be coarse.
fn written(number: usize) -> String {
    format!("{number:>width$}", width = number + 10)
}

/// Adds one to a number, over and over, each time on the condition that nobody else did.
async fn add(store: &Store) {
    let mut left = ADDITIONS;
    while left > 0 {
        let read = store.read(&key("number"), ReadOptions::new()).await.expect("it is there");
        let number: usize = String::from_utf8_lossy(&read.bytes).trim().parse().expect("a number");
        let options = WriteOptions::new().if_match(read.metadata.etag.expect("an ETag"));
        match store.write(&key("number"), written(number + 1), options).await {
            Ok(_) => left -= 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed),
        }
    }
}

/// Starts the racers, lets them go together and waits for them.
fn race(root: &Root, variable: &str) {
    let start = |me: usize| -> Child {
        Command::new(std::env::current_exe().expect("a program"))
            .args(["--exact", "a_racer", "--ignored"])
            .env("TEST_ROOT", root.path())
            .env("TEST_ME", me.to_string())
            .env(variable, "")
            .stdout(Stdio::null())
            .spawn()
            .expect("a process")
    };
    let children: Vec<Child> = (0..PROCESSES).map(start).collect();
    while !(0..PROCESSES).all(|me| root.at(&format!("ready-{me}")).exists()) {
        std::thread::yield_now();
    }
    root.file("go", "");
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
}

#[tokio::test]
async fn of_racing_processes_exactly_one_creates() {
    let root = Root::new(Symlinks::Follow);
    race(&root, "TEST_CREATE");
    for at in 0..KEYS {
        let winner =
            String::from_utf8(get(&root.store, &format!("new/{at}")).await.expect("one won")).unwrap();
        for me in 0..PROCESSES {
            let won = root.at(&format!("won-{me}/{at}")).exists();
            assert_eq!(won, winner == me.to_string(), "{me} of {at}, won by {winner}");
        }
    }
    assert!(root.leftovers().is_empty());
}

/// Everybody adds, nobody overwrites: no update is lost.
#[tokio::test]
async fn conditional_writes_of_racing_processes_lose_no_update() {
    let root = Root::new(Symlinks::Follow);
    root.file("number", written(0));
    race(&root, "TEST_ADD");
    assert_eq!(get(&root.store, "number").await.expect("there"), written(PROCESSES * ADDITIONS).as_bytes());
    assert!(root.leftovers().is_empty());
}

/// A write under a condition and a rename of the same object: one of them comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_conditional_write_does_not_bring_back_what_was_renamed() {
    let root = Root::new(Symlinks::Follow);
    for round in 0..300 {
        let (from, to) = (key(&format!("a/{round}")), key(&format!("b/{round}")));
        let etag = root.store.write(&from, "old", WriteOptions::new()).await.expect("written").etag;
        let write = tokio::spawn({
            let (store, from) = (root.store.clone(), from.clone());
            async move { store.write(&from, "new", WriteOptions::new().if_match(etag.expect("one"))).await }
        });
        root.store.rename(&from, &to, RenameOptions::new()).await.expect("renamed");
        let written = write.await.expect("no panic");
        assert_eq!(root.content(from.as_str()), None, "round {round}, {written:?}");
        let moved = if written.is_ok() { "new" } else { "old" };
        assert_eq!(root.content(to.as_str()).as_deref(), Some(moved.as_bytes()));
    }
}

/// Directories are made by the way, so their going by the way is no reason for a write to fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_those_who_remove_empty_directories_get_on() {
    let root = Root::new(Symlinks::Follow);
    let stop = Arc::new(AtomicBool::new(false));
    let remover = std::thread::spawn({
        let (root, stop) = (root.path(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                for directory in ["a/b/c", "a/b", "a"] {
                    let _ = std::fs::remove_dir(root.join(directory));
                }
                // In turns: who does nothing else could keep anybody from making a directory.
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        }
    });
    let mut failed = Vec::new();
    for round in 0..300 {
        let name = format!("a/b/c/{round}");
        failed.extend(put(&root.store, &name, "x").await.err());
        root.store.delete(key(&name)).await.expect("deleted");
    }
    stop.store(true, Ordering::Relaxed);
    remover.join().expect("no panic");
    assert!(failed.is_empty(), "{} of 300 failed: {}", failed.len(), failed[0]);
}

/// What is acknowledged stands at its key, not in a directory that once had its name.
#[tokio::test]
async fn a_directory_that_is_moved_away_fails_the_write() {
    for replaced in [false, true] {
        let root = Root::new(Symlinks::Follow);
        root.file("other/a", "old");
        let to = key("d/a");
        let mut writer = root.store.writer(&to, WriteOptions::new().part_size(1)).await.expect("a writer");
        writer.write("content").await.expect("taken");
        while root.leftovers().is_empty() {
            tokio::task::yield_now().await;
        }
        std::fs::rename(root.at("d"), root.outside().join("moved")).expect("moved");
        if replaced {
            root.link("other", "d");
        }
        let finished = writer.finish().await;
        assert!(finished.is_err(), "nothing is at the key");
        assert!(!root.outside().join("moved/a").exists(), "written outside the root");
        assert!(common::leftovers(&root.outside()).is_empty());
        assert_eq!(root.content("other/a").as_deref(), Some(&b"old"[..]));
    }
}

#[tokio::test]
async fn a_directory_that_is_removed_fails_the_write() {
    let root = Root::new(Symlinks::Follow);
    let to = key("d/a");
    let mut writer = root.store.writer(&to, WriteOptions::new().part_size(1)).await.expect("a writer");
    writer.write("content").await.expect("taken");
    while root.leftovers().is_empty() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_dir_all(root.at("d")).expect("removed");
    assert!(writer.finish().await.is_err());
    root.store.cleanup(&prefix("")).await.expect("cleaned");
}

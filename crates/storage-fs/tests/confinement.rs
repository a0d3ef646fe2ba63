//! Nothing outside the root is read, changed, made or deleted (clause KEY-4).

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Root, get, key, list, prefix, put};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use storage_core::{
    Change, CopyOptions, ErrorKind, ListOptions, RenameOptions, StatOptions, UnixAttributes, WriteOptions,
};
use storage_fs::Symlinks;

const POLICIES: [Symlinks; 3] = [Symlinks::Follow, Symlinks::Preserve, Symlinks::Skip];
const CANARY: &str = "canary";
const LEFT: &str = ".haul-0123456789abcdef.tmp";

/// What must stay as it is.
fn canaries(root: &Root) -> Vec<String> {
    let outside = root.outside();
    std::fs::create_dir_all(outside.join("directory/empty")).expect("directories");
    for name in ["file", "x", "directory/file", "directory/x", LEFT, "directory/target"] {
        std::fs::write(outside.join(name), CANARY).expect("a canary");
    }
    state(&outside)
}

/// Everything about a tree that an operation could have changed.
fn state(path: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).expect("it is there").flatten() {
        let found = entry.metadata().expect("it is there");
        all.push(format!(
            "{:?} {:o} {} {}.{} {} {}",
            entry.path(),
            found.mode(),
            found.ino(),
            found.mtime(),
            found.mtime_nsec(),
            found.size(),
            found.uid(),
        ));
        if found.is_dir() {
            all.extend(state(&entry.path()));
        }
    }
    all.sort();
    all
}

/// Every operation on a name; none may succeed in reading a canary.
async fn everything(root: &Root, name: &str) {
    let store = &root.store;
    let (at, free) = (key(name), key("free"));
    if let Ok(read) = get(store, name).await {
        assert_ne!(read, CANARY.as_bytes(), "read {name}");
    }
    let _ = store.stat(&at, StatOptions::new()).await;
    let (_, _) = list(store, name, ListOptions::new()).await;
    let directory = prefix(&format!("{}/", name.trim_end_matches('/')));
    let (names, _) = list(store, directory.as_str(), ListOptions::new()).await;
    assert!(!names.iter().any(|n| n.ends_with("/target")), "listed {names:?}");
    if store.copy(&at, &free, CopyOptions::new()).await.is_ok() {
        assert_ne!(get(store, "free").await.ok().as_deref(), Some(CANARY.as_bytes()), "copied {name}");
    }
    let change = Change::new()
        .modified(std::time::UNIX_EPOCH)
        .unix(UnixAttributes { mode: 0o777, uid: 0, gid: 0 }, false);
    let _ = store.update(&at, change.clone()).await;
    let _ = store.update_dir(&directory, change).await;
    let _ = store.create_dir(&directory).await;
    let _ = store.remove_dir(&directory).await;
    let _ = store.cleanup(&directory).await;
    let _ = store.cleanup(&prefix(name)).await;
    let _ = store.rename(&at, &key("renamed"), RenameOptions::new()).await;
    let _ = put(store, "free", "free").await;
    let _ = store.rename(&free, &at, RenameOptions::new()).await;
    let _ = store.delete(at.clone()).await;
    let _ = put(store, name, "written").await;
    let mut writer = store.writer(&at, WriteOptions::new().part_size(1)).await.expect("a writer");
    let _ = writer.write("written in parts").await;
    let _ = writer.finish().await;
    let _ = store.write(&at, "absent", WriteOptions::new().if_absent()).await;
}

#[tokio::test]
async fn no_name_leads_outside() {
    for policy in POLICIES {
        let root = Root::new(policy);
        let before = canaries(&root);
        let outside = root.outside().display().to_string();
        let names = [
            "..",
            "../outside/file",
            "../x",
            "a/../../outside/file",
            "./../outside/x",
            "a/..",
            "/",
            "//",
            "/etc/passwd",
            "../outside",
            "a/../../outside/directory/file",
        ];
        root.file("a/x", "inside");
        for name in names.into_iter().chain([outside.as_str(), &format!("{outside}/file")]) {
            everything(&root, name).await;
            let refused = get(&root.store, name).await.expect_err("it leads outside");
            assert_eq!(refused.kind(), ErrorKind::InvalidKey, "{name}");
            let refused = put(&root.store, name, "x").await.expect_err("it leads outside");
            assert_eq!(refused.kind(), ErrorKind::InvalidKey, "{name}");
        }
        assert_eq!(state(&root.outside()), before);
    }
}

#[tokio::test]
async fn no_link_leads_outside_wherever_it_stands() {
    for policy in POLICIES {
        let root = Root::new(policy);
        let before = canaries(&root);
        for name in [
            "last",
            "first/file",
            "first/directory/file",
            "a/middle/file",
            "a/middle/directory/x",
            "chain/file",
        ] {
            // Operations may replace links, so each name gets fresh ones.
            for (target, link) in [
                (root.outside().join("file"), "last"),
                (root.outside(), "first"),
                ("../../outside".into(), "a/middle"),
                ("a/middle".into(), "chain"),
            ] {
                let _ = std::fs::remove_file(root.at(link));
                root.link(target, link);
            }
            everything(&root, name).await;
        }
        // The same names by lists from above, and links as temporary files.
        let _ = std::fs::remove_file(root.at("first"));
        root.link(root.outside(), "first");
        root.link(root.outside().join(LEFT), LEFT);
        root.link("/proc/self/root/etc", "magic");
        let (names, _) = list(&root.store, "", ListOptions::new()).await;
        assert!(
            !names.iter().any(|name| name.starts_with("first/") || name.starts_with("magic/")),
            "{names:?}"
        );
        root.store.cleanup(&prefix("")).await.expect("cleaned");
        assert!(get(&root.store, "magic/passwd").await.is_err());
        assert_eq!(state(&root.outside()), before);
    }
}

/// A directory and a file change places with links to the outside, for as long as every operation is tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_leads_outside_that_is_put_in_place_meanwhile() {
    for policy in POLICIES {
        let root = Root::new(policy);
        let before = canaries(&root);
        root.file("swapped/file", "inside");
        root.file("swapped/directory/file", "inside");
        root.link(root.outside(), "link");
        root.file("file", "inside");
        root.link(root.outside().join("file"), "file link");
        let stop = Arc::new(AtomicBool::new(false));
        let swapper = std::thread::spawn({
            let (root, stop) = (root.path(), stop.clone());
            move || {
                let mut swaps = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    for (one, other) in [("swapped", "link"), ("file", "file link")] {
                        let swapped =
                            renameat_with(CWD, root.join(one), CWD, root.join(other), RenameFlags::EXCHANGE);
                        swaps += u64::from(swapped.is_ok());
                        if swapped.is_err() {
                            // An operation took one of them away.
                            let _ = std::os::unix::fs::symlink("../outside", root.join(other));
                            let _ = std::fs::create_dir(root.join(one));
                        }
                    }
                }
                swaps
            }
        });
        for round in 0..25 {
            root.file("plain", "inside");
            for name in ["swapped/file", "swapped/directory/file", "file", "swapped"] {
                everything(&root, name).await;
            }
            let (names, _) = list(&root.store, "", ListOptions::new()).await;
            assert!(!names.iter().any(|name| name.ends_with("/target")), "round {round}: {names:?}");
            let _ = root.store.cleanup(&prefix("")).await;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(swapper.join().expect("no panic") > 0);
        assert_eq!(state(&root.outside()), before);
    }
}

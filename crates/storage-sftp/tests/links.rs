//! Links, and what is no file: nothing outside the root is reached, and nothing waits for ever (clause KEY-4).

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use common::{Outcome, Root, get, key, list, prefix, put, run, trial};
use futures_util::StreamExt;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use storage_core::{
    Change, CopyOptions, ErrorKind, ListOptions, RenameOptions, StatOptions, UnixAttributes, WriteOptions,
};

const CANARY: &str = "canary";
const LEFT: &str = ".haul-0123456789abcdef.tmp";

fn main() -> ExitCode {
    run(vec![
        trial("no-link-leads-outside-wherever-it-stands", no_link_leads_outside),
        trial("a-directory-swapped-for-a-link-during-a-listing", swapped_during_a_listing),
        trial("a-directory-swapped-for-a-link-during-a-write", swapped_during_a_write),
        trial("a-link-is-what-it-leads-to", followed),
        trial("a-skipped-link-is-nothing", skipped),
        trial("a-linked-directory-is-refused", linked_directory),
        trial("loops-are-errors-of-their-kind", loops),
        trial("links-that-lead-to-no-object-are-entries-in-error", entries_in_error),
        trial("a-link-is-not-renamed-over-its-own-target", over_its_target),
        trial("a-file-may-be-renamed-over-a-link-to-it", over_a_link),
        trial("hard-links-are-renamed-onto-each-other", hard_links),
        trial("fifos-and-devices-are-no-objects", no_files),
        trial("a-clean-up-takes-nothing-but-files", cleanup_of_files),
        trial("a-linked-root", linked_root),
        trial("names-that-are-no-text", no_text),
        trial("without-permission", without_permission),
    ])
}

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
    let directory = prefix(&format!("{name}/"));
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
    let mut writer = store.writer(&at, WriteOptions::new().part_size(8)).await.expect("a writer");
    let _ = writer.write("written in parts").await;
    let _ = writer.finish().await;
    let _ = store.write(&at, "absent", WriteOptions::new().if_absent()).await;
}

async fn no_link_leads_outside() -> Outcome {
    for root in [Root::new().await, Root::skipping().await] {
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
                let _ = std::fs::remove_dir_all(root.at(link));
                root.link(target, link);
            }
            everything(&root, name).await;
            assert_eq!(state(&root.outside()), before, "after work on {name}");
        }
    }
    Ok(())
}

/// A listing may take long: what was a directory when its name was read is a link when it is entered.
async fn swapped_during_a_listing() -> Outcome {
    let root = Root::new().await;
    canaries(&root);
    for at in 0..1100 {
        root.file(&format!("a{at:04}"), "");
    }
    root.file("z/inside", "");
    let mut listing = root.store.list(&prefix(""), ListOptions::new());
    listing.next().await.expect("an entry").expect("an object");
    std::fs::rename(root.at("z"), root.at("y")).expect("moved");
    root.link(root.outside(), "z");
    while let Some(entry) = listing.next().await {
        if let Ok(entry) = entry {
            assert!(!entry.name().starts_with("z/"), "outside the root: {}", entry.name());
        }
    }
    Ok(())
}

async fn swapped_during_a_write() -> Outcome {
    let root = Root::new().await;
    let before = canaries(&root);
    let mut writer =
        root.store.writer(&key("d/file"), WriteOptions::new().part_size(8)).await.expect("a writer");
    writer.write("longer than a part").await.expect("taken");
    std::fs::rename(root.at("d"), root.at("e")).expect("moved");
    root.link(root.outside(), "d");
    writer.write("longer than a part").await.expect("the file is open");
    writer.finish().await.expect_err("its directory is another one");
    assert_eq!(state(&root.outside()), before);
    Ok(())
}

async fn followed() -> Outcome {
    let root = Root::new().await;
    root.file("a/target", "content");
    root.link("a/target", "link");
    root.link(root.at("a/target"), "absolute");
    for name in ["link", "absolute"] {
        assert_eq!(get(&root.store, name).await.expect("it is there"), b"content");
        let found = root.store.stat(&key(name), StatOptions::new()).await.expect("a file");
        assert_eq!(found.size, 7);
        root.store.copy(&key(name), &key("copy"), CopyOptions::new()).await.expect("copied");
        assert!(root.at("copy").symlink_metadata().expect("there").is_file());
    }
    put(&root.store, "link", "new").await.expect("written");
    assert_eq!(get(&root.store, "link").await.expect("it is there"), b"new");
    root.store.delete(key("absolute")).await.expect("deleted");
    assert!(root.at("absolute").symlink_metadata().is_err());
    assert!(root.content("a/target").is_some());
    Ok(())
}

/// Where links are skipped, they are nothing, so nothing happens to them.
async fn skipped() -> Outcome {
    let root = Root::skipping().await;
    root.file("target", "content");
    root.link("target", "link");
    root.link("gone", "dangling");
    let before = state(&root.path());
    let store = &root.store;
    for name in ["link", "dangling"] {
        let link = key(name);
        let change = Change::new().modified(std::time::UNIX_EPOCH);
        let refused = [
            get(store, name).await.map(drop),
            store.stat(&link, StatOptions::new()).await.map(drop),
            store.copy(&link, &key("copied"), CopyOptions::new()).await.map(drop),
            store.rename(&link, &key("moved"), RenameOptions::new()).await,
            store.update(&link, change).await,
        ];
        for (at, result) in refused.into_iter().enumerate() {
            let error = result.expect_err(&format!("operation {at} on {name}"));
            assert_eq!(error.kind(), ErrorKind::NotFound, "operation {at} on {name}: {error}");
        }
        store.delete(link).await.expect("there is nothing");
    }
    assert_eq!(state(&root.path()), before);
    assert_eq!(list(store, "", ListOptions::new()).await.0, ["target"]);
    Ok(())
}

async fn linked_directory() -> Outcome {
    let root = Root::new().await;
    root.file("real/x", "content");
    root.file("other", "content");
    root.link("real", "linked");
    let (linked, other, store) = (key("linked"), key("other"), &root.store);
    let within = key("linked/x");
    for (at, result) in [
        get(store, "linked/x").await.map(drop),
        put(store, "linked/x", "new").await,
        store.copy(&within, &key("copied"), CopyOptions::new()).await.map(drop),
        store.copy(&other, &within, CopyOptions::new()).await.map(drop),
        store.rename(&other, &within, RenameOptions::new()).await,
        store.rename(&within, &key("moved"), RenameOptions::new()).await,
        store.create_dir(&prefix("linked/new/")).await,
        store.create_dir(&prefix("linked/")).await,
    ]
    .into_iter()
    .enumerate()
    {
        let error = result.expect_err(&format!("operation {at}"));
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "operation {at}: {error}");
    }
    let moved = store.rename(&linked, &key("moved"), RenameOptions::new()).await;
    assert_eq!(moved.expect_err("a directory is no object").kind(), ErrorKind::NotFound);
    store.delete(linked).await.expect("a directory is no object, and so there is none");
    store.delete(within).await.expect("there is no such object");
    assert_eq!(root.content("linked/x").as_deref(), Some(&b"content"[..]));
    assert!(root.leftovers().is_empty());
    Ok(())
}

async fn loops() -> Outcome {
    let root = Root::new().await;
    root.link("loop", "loop");
    root.link("two", "one");
    root.link("one", "two");
    for name in ["loop", "one"] {
        let error = get(&root.store, name).await.expect_err("it leads nowhere");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let below = format!("{name}/x");
        let error = get(&root.store, &below).await.expect_err("a link is no directory");
        assert!(matches!(error.kind(), ErrorKind::InvalidKey | ErrorKind::NotFound), "{error}");
        let error = put(&root.store, &below, "x").await.expect_err("a link is no directory");
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{error}");
        root.store.delete(key(&below)).await.expect("there is nothing");
        assert!(list(&root.store, &below, ListOptions::new()).await.1.is_empty());
    }
    let (names, errors) = list(&root.store, "", ListOptions::new()).await;
    assert!(names.is_empty());
    assert_eq!(errors.len(), 3, "{errors:?}");
    Ok(())
}

async fn entries_in_error() -> Outcome {
    let root = Root::new().await;
    canaries(&root);
    root.file("a", "");
    root.file("directory/x", "");
    root.file("z", "");
    root.link("gone", "dangling");
    root.link("gone/further", "dangling-deep");
    root.link(root.outside().join("file"), "outside");
    root.link(root.outside().join("missing"), "outside-missing");
    root.link(root.outside(), "outside-directory");
    root.link("directory", "within");
    let (names, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!(names, ["a", "directory/x", "z"]);
    assert_eq!(errors.len(), 6, "{errors:?}");
    for error in errors {
        assert_eq!(error.scope(), storage_core::Scope::Entry, "{error}");
        assert!(!error.to_string().contains("canary"));
    }
    Ok(())
}

/// A link that takes the name of what it leads to would lead to itself.
async fn over_its_target() -> Outcome {
    let root = Root::new().await;
    root.file("target", "content");
    root.link("target", "link");
    let _ = root.store.rename(&key("link"), &key("target"), RenameOptions::new()).await;
    assert_eq!(get(&root.store, "target").await.expect("it is there"), b"content");
    // A relative link leads elsewhere from another directory: what was an object would be none.
    root.file("a/target", "content");
    root.link("target", "a/link");
    let name = match root.store.rename(&key("a/link"), &key("b/link"), RenameOptions::new()).await {
        Ok(()) => "b/link",
        Err(_) => "a/link",
    };
    assert_eq!(get(&root.store, name).await.expect("one of the names"), b"content");
    Ok(())
}

async fn over_a_link() -> Outcome {
    let root = Root::new().await;
    root.file("target", "content");
    root.link("target", "link");
    root.store.rename(&key("target"), &key("link"), RenameOptions::new()).await.expect("renamed");
    assert_eq!(get(&root.store, "link").await.expect("it is there"), b"content");
    assert_eq!(root.content("target"), None);
    Ok(())
}

/// The system's rename leaves both names of one file, and says that it did what was asked.
async fn hard_links() -> Outcome {
    let root = Root::new().await;
    root.file("a/one", "content");
    root.file("b/keep", "");
    std::fs::hard_link(root.at("a/one"), root.at("b/two")).expect("a hard link");
    let renamed = root.store.rename(&key("a/one"), &key("b/two"), RenameOptions::new()).await;
    assert_eq!(renamed.is_ok(), root.content("a/one").is_none(), "{renamed:?}");
    assert_eq!(root.content("b/two").as_deref(), Some(&b"content"[..]));
    Ok(())
}

async fn no_files() -> Outcome {
    let root = Root::new().await;
    root.file("a", "");
    let fifo = |name: &str| mknodat(CWD, root.at(name), FileType::Fifo, Mode::from_raw_mode(0o644), 0);
    fifo("fifo").expect("a FIFO");
    root.link("fifo", "linked");
    let _socket = std::os::unix::net::UnixListener::bind(root.at("socket"));
    let within = Duration::from_secs(10);
    for name in ["fifo", "linked"] {
        let at = key(name);
        let work = async {
            for (step, result) in [
                get(&root.store, name).await.map(drop),
                root.store.stat(&at, StatOptions::new()).await.map(drop),
                root.store.copy(&at, &key("copied"), CopyOptions::new()).await.map(drop),
                root.store.rename(&at, &key("moved"), RenameOptions::new()).await,
            ]
            .into_iter()
            .enumerate()
            {
                let error = result.expect_err(&format!("step {step} on {name}"));
                assert_eq!(error.kind(), ErrorKind::NotFound, "step {step} on {name}: {error}");
            }
        };
        tokio::time::timeout(within, work).await.expect("nothing waits for a writer");
    }
    let (names, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!(names, ["a"]);
    assert_eq!(errors.len(), 3, "{errors:?}");
    Ok(())
}

async fn cleanup_of_files() -> Outcome {
    let root = Root::new().await;
    root.file(&format!("directory/{LEFT}/file"), "a user's");
    root.file("fifo/x", "");
    mknodat(CWD, root.at(&format!("fifo/{LEFT}")), FileType::Fifo, Mode::from_raw_mode(0o644), 0)
        .expect("a FIFO");
    root.link("gone", &format!("link/{LEFT}"));
    root.file(&format!("zoo/{LEFT}"), "left");
    let report = root.store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use, report.bytes), (1, 0, 4));
    assert!(root.at(&format!("fifo/{LEFT}")).exists());
    assert!(root.at(&format!("link/{LEFT}")).symlink_metadata().is_ok());
    assert!(root.at(&format!("directory/{LEFT}/file")).exists());
    Ok(())
}

/// The way to the root may be a link: it is the user's word.
async fn linked_root() -> Outcome {
    let root = Root::new().await;
    root.file("a/b", "content");
    root.link("a", "to-a");
    let linked = common::config(&root.at("to-a"));
    let store = storage_core::Store::new(storage_sftp::Sftp::open(linked).await.expect("it opens"));
    assert_eq!(get(&store, "b").await.expect("there"), b"content");
    put(&store, "c/d", "new").await.expect("written");
    assert_eq!(root.content("a/c/d").as_deref(), Some(&b"new"[..]));
    // One that leads nowhere is refused when something is to be written, or when it is opened.
    root.link("gone", "to-nothing");
    if let Ok(open) = storage_sftp::Sftp::open(common::config(&root.at("to-nothing"))).await {
        let store = storage_core::Store::new(open);
        put(&store, "x", "x").await.expect_err("it leads nowhere");
        assert!(!root.at("gone").exists());
    }
    // A missing one is made.
    let missing = common::config(&root.at("x/y/z"));
    let store = storage_core::Store::new(storage_sftp::Sftp::open(missing).await.expect("it opens"));
    assert!(list(&store, "", ListOptions::new()).await.0.is_empty());
    put(&store, "c/d", "new").await.expect("written");
    assert_eq!(root.content("x/y/z/c/d").as_deref(), Some(&b"new"[..]));
    Ok(())
}

/// What may not be looked at is no missing object (clause READ-6).
async fn without_permission() -> Outcome {
    if rustix::process::geteuid().is_root() {
        return Err("root, and so the server, may look at everything".to_owned());
    }
    let root = Root::new().await;
    root.file("a", "content");
    root.file("closed/x", "content");
    root.file("open/x", "content");
    let set = |name: &str, mode| {
        std::fs::set_permissions(root.at(name), PermissionsExt::from_mode(mode)).expect("a mode");
    };
    set("a", 0o000);
    set("closed", 0o000);
    set("open", 0o555);
    let store = &root.store;
    let stat = store.stat(&key("closed/x"), StatOptions::new()).await.map(drop);
    for (at, result) in [
        get(store, "a").await.map(drop),
        store.copy(&key("a"), &key("b"), CopyOptions::new()).await.map(drop),
        stat,
        get(store, "closed/x").await.map(drop),
        put(store, "closed/y", "new").await,
        store.delete(key("closed/x")).await,
        put(store, "open/x", "new").await,
        store.delete(key("open/x")).await,
        store.rename(&key("open/x"), &key("moved"), RenameOptions::new()).await,
    ]
    .into_iter()
    .enumerate()
    {
        let error = result.expect_err(&format!("operation {at}"));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "operation {at}: {error}");
    }
    let (_, errors) = list(store, "", ListOptions::new()).await;
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::PermissionDenied), "{errors:?}");
    assert!(!errors.is_empty(), "a directory was left out in silence");
    set("closed", 0o755);
    root.is_clean().await;
    Ok(())
}

async fn no_text() -> Outcome {
    let root = Root::new().await;
    root.file("a", "");
    root.file("z", "");
    std::fs::write(root.path().join(OsStr::from_bytes(b"m\xff")), "").expect("a file");
    std::fs::create_dir(root.path().join(OsStr::from_bytes(b"n\xff"))).expect("a directory");
    root.link(OsStr::from_bytes(b"m\xff"), "link");
    root.file(&format!("deep/{LEFT}"), "left");
    let report = root.store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!(report.removed, 1);
    let (names, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!(names, ["a", "z"]);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors.iter().all(|e| e.scope() == storage_core::Scope::Entry));
    for name in
        ["a\nb", "a\"b'c`d$e", ".hidden", "-rf", " a ", "~", "a\\b", "*?[x]", "\u{1b}[31m", "é", "e\u{301}"]
    {
        put(&root.store, name, name).await.expect("written");
        assert_eq!(root.content(name).as_deref(), Some(name.as_bytes()));
        assert_eq!(get(&root.store, name).await.expect("there"), name.as_bytes());
        let (names, _) = list(&root.store, name, ListOptions::new()).await;
        assert!(names.contains(&name.to_owned()), "{names:?}");
        root.store.delete(key(name)).await.expect("deleted");
    }
    Ok(())
}

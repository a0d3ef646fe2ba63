//! One object under several names: hard links, symbolic links, and directories that are reached by two paths.

mod common;

use common::{Root, get, key, put};
use rustix::fs::{Mode, chmod};
use storage_core::{CopyOptions, DeleteTarget, ErrorKind, RenameOptions, StatOptions, WriteOptions};
use storage_fs::Symlinks;

/// REN-1: at no moment are both names gone, also where both are names of one entry.
#[tokio::test]
async fn a_rename_through_a_linked_directory_onto_itself_keeps_the_object() {
    let root = Root::new(Symlinks::Follow);
    root.file("real/x", "content");
    root.link("real", "linked");
    let _ = root.store.rename(&key("linked/x"), &key("real/x"), RenameOptions::new()).await;
    assert_eq!(root.content("real/x").as_deref(), Some(&b"content"[..]));
    let absent = root.store.rename(&key("real/x"), &key("linked/x"), RenameOptions::new().if_absent()).await;
    assert_eq!(absent.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    assert_eq!(root.content("real/x").as_deref(), Some(&b"content"[..]));
}

#[tokio::test]
async fn a_copy_through_a_linked_directory_onto_itself_keeps_the_object() {
    let root = Root::new(Symlinks::Follow);
    root.file("real/x", "content");
    root.link("real", "linked");
    root.store.copy(&key("linked/x"), &key("real/x"), CopyOptions::new()).await.expect("a copy");
    assert_eq!(root.content("real/x").as_deref(), Some(&b"content"[..]));
    assert!(root.leftovers().is_empty());
}

#[tokio::test]
async fn a_rename_of_one_hard_link_to_another_leaves_the_new_name() {
    for symlinks in [Symlinks::Follow, Symlinks::Preserve, Symlinks::Skip] {
        let root = Root::new(symlinks);
        root.file("a/one", "content");
        root.file("b/keep", "");
        std::fs::hard_link(root.at("a/one"), root.at("b/two")).expect("a hard link");
        root.store.rename(&key("a/one"), &key("b/two"), RenameOptions::new()).await.expect("renamed");
        assert_eq!(root.content("a/one"), None);
        assert_eq!(root.content("b/two").as_deref(), Some(&b"content"[..]));
    }
}

/// A link that takes the name of what it leads to would lead to itself.
#[tokio::test]
async fn a_link_is_not_renamed_over_its_own_target() {
    let root = Root::new(Symlinks::Follow);
    root.file("target", "content");
    root.link("target", "link");
    let _ = root.store.rename(&key("link"), &key("target"), RenameOptions::new()).await;
    assert_eq!(get(&root.store, "target").await.expect("it is there"), b"content");
}

/// A relative link leads elsewhere from another directory: what was an object would be none.
#[tokio::test]
async fn a_relative_link_is_moved_whole_or_not_at_all() {
    let root = Root::new(Symlinks::Follow);
    root.file("a/target", "content");
    root.link("target", "a/link");
    root.file("b/keep", "");
    let name = match root.store.rename(&key("a/link"), &key("b/link"), RenameOptions::new()).await {
        Ok(()) => "b/link",
        Err(_) => "a/link",
    };
    assert_eq!(get(&root.store, name).await.expect("one of the names"), b"content");
}

#[tokio::test]
async fn a_file_may_be_renamed_over_a_link_to_it() {
    let root = Root::new(Symlinks::Follow);
    root.file("target", "content");
    root.link("target", "link");
    root.store.rename(&key("target"), &key("link"), RenameOptions::new()).await.expect("renamed");
    assert_eq!(get(&root.store, "link").await.expect("it is there"), b"content");
    assert_eq!(root.content("target"), None);
}

/// KEY-2: where links are followed, a link to a directory is a directory.
#[tokio::test]
async fn a_linked_directory_is_not_replaced_by_a_file() {
    let root = Root::new(Symlinks::Follow);
    root.file("real/x", "content");
    root.file("other", "content");
    root.link("real", "linked");
    let (linked, other) = (key("linked"), key("other"));
    let refused = [
        put(&root.store, "linked", "new").await,
        root.store.copy(&other, &linked, CopyOptions::new()).await.map(drop),
        root.store.rename(&other, &linked, RenameOptions::new()).await,
    ];
    for result in refused {
        assert_eq!(result.expect_err("a directory is there").kind(), ErrorKind::InvalidKey);
    }
    let moved = root.store.rename(&linked, &key("moved"), RenameOptions::new()).await;
    assert_eq!(moved.expect_err("a directory is no object").kind(), ErrorKind::NotFound);
    root.store.delete(linked).await.expect("a directory is no object, and so there is none");
    assert_eq!(get(&root.store, "linked/x").await.expect("it is there"), b"content");
    assert!(root.leftovers().is_empty());
}

/// A condition is on the object that a stat tells of.
#[tokio::test]
async fn conditions_hold_on_a_followed_link() {
    let root = Root::new(Symlinks::Follow);
    root.file("a/target", "content");
    root.link("a/target", "link");
    let etag =
        root.store.stat(&key("link"), StatOptions::new()).await.expect("a file").etag.expect("an ETag");
    let write = WriteOptions::new().if_match(etag);
    root.store.write(&key("link"), "new", write.clone()).await.expect("the ETag is the same");
    let again = root.store.write(&key("link"), "newer", write).await;
    assert_eq!(again.expect_err("another ETag").kind(), ErrorKind::PreconditionFailed);
    assert_eq!(get(&root.store, "link").await.expect("it is there"), b"new");

    root.link("../a/target", "b/link");
    let etag = root.store.stat(&key("b/link"), StatOptions::new()).await.expect("a file").etag;
    let gone = DeleteTarget::new(key("b/link")).if_match(etag.expect("an ETag"));
    root.store.delete(gone).await.expect("the ETag is the same");
    assert!(root.at("b/link").symlink_metadata().is_err());
    assert_eq!(root.content("a/target").as_deref(), Some(&b"content"[..]));
}

/// What replaces a private object is as private.
#[tokio::test]
async fn what_replaces_a_followed_link_keeps_the_permissions_of_the_object() {
    let root = Root::new(Symlinks::Follow);
    root.file("target", "secret");
    chmod(root.at("target"), Mode::from_raw_mode(0o600)).expect("private");
    root.link("target", "link");
    put(&root.store, "link", "secret, too").await.expect("written");
    let mode =
        root.store.stat(&key("link"), StatOptions::new()).await.expect("there").unix.expect("a mode").mode;
    assert_eq!(mode, 0o600);
}

/// Where links are skipped, they are nothing, so nothing happens to them.
#[tokio::test]
async fn a_skipped_link_is_no_source_and_not_deleted() {
    let root = Root::new(Symlinks::Skip);
    root.file("target", "content");
    root.link("target", "link");
    let renamed = root.store.rename(&key("link"), &key("moved"), RenameOptions::new()).await;
    assert_eq!(renamed.expect_err("a link is nothing").kind(), ErrorKind::NotFound);
    root.store.delete(key("link")).await.expect("there is nothing");
    assert!(root.at("link").symlink_metadata().is_ok());
}

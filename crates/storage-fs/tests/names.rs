//! Names that a file system has and a key cannot be, and the other way round (clauses KEY-2 and KEY-3).

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::{Root, get, key, list, prefix, put};
use storage_core::{ErrorKind, ListOptions, RenameOptions, Scope};
use storage_fs::Symlinks;

#[tokio::test]
async fn segments_have_at_most_255_bytes() {
    let root = Root::new(Symlinks::Follow);
    // Bytes, not characters.
    for longest in ["x".repeat(255), format!("{}x", "é".repeat(127))] {
        let name = format!("{longest}/{longest}");
        put(&root.store, &name, "content").await.expect("it fits");
        assert_eq!(get(&root.store, &name).await.expect("it is there"), b"content");
        assert_eq!(list(&root.store, &format!("{longest}/"), ListOptions::new()).await.0, [name]);
    }
    for long in ["x".repeat(256), "é".repeat(128)] {
        for name in [long.clone(), format!("new/{long}"), format!("{long}/a")] {
            assert_eq!(
                put(&root.store, &name, "x").await.expect_err("too long").kind(),
                ErrorKind::InvalidKey
            );
            assert!(list(&root.store, &format!("{name}/"), ListOptions::new()).await.0.is_empty());
        }
    }
    assert!(!root.at("new").exists(), "a directory of a refused key");
}

#[tokio::test]
async fn names_that_are_no_text_are_entry_errors_in_their_place() {
    let root = Root::new(Symlinks::Follow);
    let odd = OsStr::from_bytes(b"b\xff\xfe");
    std::fs::write(root.path().join(odd), "").expect("a file");
    std::fs::create_dir(root.path().join(OsStr::from_bytes(b"c\xff"))).expect("a directory");
    std::fs::write(root.path().join(OsStr::from_bytes(b"c\xff/below")), "").expect("a file");
    std::os::unix::fs::symlink("a", root.path().join(OsStr::from_bytes(b"l\xff"))).expect("a link");
    for name in ["a", "d/x", "z"] {
        root.file(name, "");
    }
    for (options, d) in [(ListOptions::new(), "d/x"), (ListOptions::new().delimiter('/'), "d/")] {
        let (names, errors) = list(&root.store, "", options).await;
        assert_eq!(names, ["a", d, "z"]);
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors.iter().all(|error| error.scope() == Scope::Entry));
    }
    // Where they are not asked for, they are no errors either.
    let (names, errors) = list(&root.store, "d", ListOptions::new()).await;
    assert_eq!((names, errors.len()), (vec!["d/x".to_owned()], 0));
    root.store.cleanup(&prefix("")).await.expect("cleaned");
}

/// A file and a directory of one name exclude each other, on every way to make one.
#[tokio::test]
async fn a_file_and_a_directory_exclude_each_other() {
    let root = Root::new(Symlinks::Follow);
    root.file("file", "content");
    root.file("directory/x", "content");
    root.link("nothing", "dangling");
    for name in ["file/a", "file/a/b", "directory", "dangling/a", "dangling/a/b"] {
        let refused = [
            put(&root.store, name, "x").await,
            root.store.copy(&key("directory/x"), &key(name), Default::default()).await.map(drop),
            root.store.rename(&key("directory/x"), &key(name), RenameOptions::new()).await,
            root.store.rename(&key("directory/x"), &key(name), RenameOptions::new().if_absent()).await,
        ];
        for result in refused {
            assert_eq!(result.expect_err(name).kind(), ErrorKind::InvalidKey, "{name}");
        }
        assert_eq!(get(&root.store, name).await.expect_err(name).kind(), ErrorKind::NotFound, "{name}");
        root.store.delete(key(name)).await.expect("there is none");
    }
    for name in ["file/", "dangling/", "file/below/"] {
        let refused = root.store.create_dir(&prefix(name)).await;
        assert_eq!(refused.expect_err(name).kind(), ErrorKind::InvalidKey, "{name}");
    }
    assert_eq!(get(&root.store, "file").await.expect("untouched"), b"content");
    assert_eq!(get(&root.store, "directory/x").await.expect("untouched"), b"content");
    assert!(root.leftovers().is_empty());
}

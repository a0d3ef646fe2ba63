//! What the processes do that the trials start: it fails by a panic.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use storage_core::{CopyOptions, ErrorKind, ListOptions, RenameOptions, Scope, Store};
use storage_fs::Symlinks;

use crate::common::{get, key, list, prefix, put, store};

pub(crate) fn run(role: &OsStr) -> ExitCode {
    let root = PathBuf::from(std::env::var_os("TEST_ROOT").expect("a root"));
    let store = store(&root, Symlinks::Follow);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match role.to_str() {
        Some("another-user") => runtime.block_on(another_user(&store)),
        Some("few-files") => runtime.block_on(few_files(&store)),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

async fn another_user(store: &Store) {
    // Denied is not missing (READ-6).
    for name in ["secret", "closed/file", "closed/missing"] {
        assert_eq!(get(store, name).await.expect_err(name).kind(), ErrorKind::PermissionDenied, "{name}");
    }
    let refused = [
        put(store, "readable/file", "new").await,
        put(store, "readable/new", "new").await,
        put(store, "new/file", "new").await,
        put(store, "closed/file", "new").await,
        store.delete(key("readable/file")).await,
        store.delete(key("closed/file")).await,
        store.copy(&key("secret"), &key("writable/copied"), CopyOptions::new()).await.map(drop),
        store.copy(&key("writable/file"), &key("readable/copied"), CopyOptions::new()).await.map(drop),
        store.rename(&key("readable/file"), &key("writable/moved"), RenameOptions::new()).await,
        store.rename(&key("writable/file"), &key("readable/moved"), RenameOptions::new()).await,
        store.create_dir(&prefix("readable/new/")).await,
    ];
    for (at, result) in refused.into_iter().enumerate() {
        assert_eq!(result.expect_err("denied").kind(), ErrorKind::PermissionDenied, "operation {at}");
    }
    let (names, errors) = list(store, "", ListOptions::new()).await;
    assert_eq!(names, ["readable/file", "secret", "writable/file", "zoo/file"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].kind(), errors[0].scope()), (ErrorKind::PermissionDenied, Scope::Entry));
    assert_eq!(errors[0].key(), Some("closed/"));
    put(store, "writable/file", "new").await.expect("its directory may be written");
    store.cleanup(&prefix("")).await.expect("what is not ours is passed by");
}

async fn few_files(store: &Store) {
    // Writing and reading need few files, however deep.
    let deep = "d/".repeat(300) + "file";
    put(store, &deep, "content").await.expect("written");
    put(store, "e", "content").await.expect("written");
    assert_eq!(get(store, &deep).await.expect("there"), b"content");
    // A listing has one file open per level. What it cannot reach it says.
    let (names, errors) = list(store, "", ListOptions::new()).await;
    assert!(!errors.is_empty() || names == [deep.clone(), "e".to_owned()], "{names:?}");
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unavailable), "{errors:?}");
    let from_deep = list(store, &"d/".repeat(290), ListOptions::new()).await;
    assert_eq!((from_deep.0, from_deep.1.len()), (vec![deep], 0));
}

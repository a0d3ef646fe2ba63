//! What the tests of the file system have in common.
#![allow(dead_code)] // each test file uses some of it

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use storage_core::{Error, Key, ListOptions, Prefix, ReadOptions, Result, Store, WriteOptions};
use storage_fs::{Config, Fs, Symlinks};
use tempfile::TempDir;

/// A root of its own, with a place beside it that no operation may touch.
pub(crate) struct Root {
    whole: TempDir,
    pub(crate) store: Store,
}

impl Root {
    pub(crate) fn new(symlinks: Symlinks) -> Self {
        let whole = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(whole.path().join("root")).expect("a root");
        std::fs::create_dir(whole.path().join("outside")).expect("a directory outside");
        let store = store(&whole.path().join("root"), symlinks);
        Self { whole, store }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.whole.path().join("root")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.whole.path().join("outside")
    }

    /// Puts a file there without the store.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::fs::write(path, content).expect("the file");
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::os::unix::fs::symlink(target, path).expect("the link");
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.at(name)).ok()
    }

    /// Everything below the root that looks like an unfinished write.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        leftovers(&self.path())
    }
}

/// A store on `path` that does not sync: whether synced writes survive a loss of power no test here can tell.
pub(crate) fn store(path: &Path, symlinks: Symlinks) -> Store {
    let config = Config::new(path).symlinks(symlinks).fsync(false);
    Store::new(Fs::open(config).expect("the root opens"))
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

pub(crate) fn prefix(name: &str) -> Prefix {
    Prefix::new(name).expect("a prefix")
}

pub(crate) async fn put(store: &Store, name: &str, content: &str) -> Result<()> {
    store.write(&key(name), content.to_owned(), WriteOptions::new()).await.map(drop)
}

pub(crate) async fn get(store: &Store, name: &str) -> Result<Vec<u8>> {
    store.read(&key(name), ReadOptions::new()).await.map(|found| found.bytes.to_vec())
}

/// A whole listing: the names in order, and the errors of entries.
pub(crate) async fn list(store: &Store, start: &str, options: ListOptions) -> (Vec<String>, Vec<Error>) {
    let mut listing = store.list(&prefix(start), options);
    let (mut names, mut errors) = (Vec::new(), Vec::new());
    while let Some(entry) = listing.next().await {
        match entry {
            Ok(entry) => names.push(entry.name().to_owned()),
            Err(error) => errors.push(error),
        }
    }
    (names, errors)
}

pub(crate) fn leftovers(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(path) else { return found };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(b".haul-") {
            found.push(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}

//! What a case works with.

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{
    Capabilities, Entry, Error, Key, ListOptions, Metadata, Prefix, ReadOptions, StatOptions, Store,
    WriteOptions,
};

use crate::failure::Failure;
use crate::mode::Mode;

/// A fresh store, and shorthands for what most cases do.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The store under test, as the mode sees it. Empty.
    pub(crate) store: Store,
    /// The store as it was opened: in mode `prefixed` the one around `store`.
    pub(crate) opened: Store,
    /// What `store` can do.
    pub(crate) can: Capabilities,
}

impl Context {
    pub(crate) fn new(opened: Store, mode: &Mode) -> Result<Self, Error> {
        let store = (mode.enter)(&opened)?;
        let can = store.capabilities();
        Ok(Self { store, opened, can })
    }

    /// Writes with default options.
    pub(crate) async fn put(&self, name: &str, body: impl Into<Bytes>) -> Result<Metadata, Error> {
        self.store.write(&Key::new(name)?, body, WriteOptions::new()).await
    }

    /// Reads the whole object.
    pub(crate) async fn get(&self, name: &str) -> Result<Bytes, Error> {
        Ok(self.store.read(&Key::new(name)?, ReadOptions::new()).await?.bytes)
    }

    pub(crate) async fn stat(&self, name: &str) -> Result<Metadata, Error> {
        self.store.stat(&Key::new(name)?, StatOptions::new()).await
    }

    /// All entries of a listing, or its first error.
    pub(crate) async fn entries(&self, prefix: &str, options: ListOptions) -> Result<Vec<Entry>, Error> {
        self.store.list(&Prefix::new(prefix)?, options).try_collect().await
    }

    /// The names of a listing in the order in which they came.
    pub(crate) async fn names(&self, prefix: &str, options: ListOptions) -> Result<Vec<String>, Error> {
        Ok(self.entries(prefix, options).await?.iter().map(|e| e.name().to_owned()).collect())
    }

    /// Writes small objects whose content is their name.
    pub(crate) async fn fill(&self, names: &[&str]) -> Result<(), Failure> {
        for name in names {
            self.put(name, (*name).to_owned()).await?;
        }
        Ok(())
    }
}

/// Bytes that differ from one offset and from one `seed` to the next, so that a shift, a splice or a repetition shows.
pub(crate) fn pattern(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 11).to_le_bytes()[..5]);
    }
    bytes.truncate(len);
    bytes.into()
}

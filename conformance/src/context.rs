//! What a case works with.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{
    Capabilities, Entry, Error, ErrorKind, Key, ListOptions, Metadata, Prefix, ReadOptions, StatOptions,
    Store, WriteOptions, Writer,
};

use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;
use crate::wire::Line;

/// A fresh store, and shorthands for what most cases do.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The store under test, as the mode sees it. Empty.
    pub(crate) store: Store,
    /// The store as it was opened: in mode `prefixed` the one around `store`.
    pub(crate) opened: Store,
    /// What `store` can do.
    pub(crate) can: Capabilities,
    /// In mode `wire`: the proxy, and the store behind it.
    pub(crate) line: Option<Line>,
}

impl Context {
    pub(crate) fn new(opened: Store, store: Store) -> Self {
        let can = store.capabilities();
        Self { store, opened, can, line: None }
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
    pub(crate) async fn fill(&self, names: &[&str]) -> Result<(), Error> {
        for name in names {
            self.put(name, (*name).to_owned()).await?;
        }
        Ok(())
    }

    /// As `fill`, without the names that the backend cannot hold; gives those that it took, sorted.
    pub(crate) async fn fill_possible<'a>(&self, names: &[&'a str]) -> Result<Vec<&'a str>, Error> {
        let mut taken = Vec::new();
        for name in names {
            match self.put(name, (*name).to_owned()).await {
                Ok(_) => taken.push(*name),
                Err(error) if error.kind() == ErrorKind::InvalidKey => {}
                Err(error) => return Err(error),
            }
        }
        taken.sort_unstable();
        Ok(taken)
    }

    /// The object is there with this content.
    pub(crate) async fn contains(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        same_bytes(format!("the content of `{name}`"), &self.get(name).await?, content)
    }

    /// There is no such object.
    pub(crate) async fn lacks(&self, name: &str) -> Result<(), Failure> {
        fails(format!("stat of `{name}`"), self.stat(name).await, ErrorKind::NotFound).map(drop)
    }
}

impl Context {
    /// A part as small as the backend takes, so that few megabytes make several.
    pub(crate) fn part_size(&self) -> usize {
        self.can.limits.part_min.max(64 << 10) as usize
    }

    /// A body for this way of writing: parts want one of several parts and a rest.
    pub(crate) fn body(&self, way: Way, seed: u64) -> Bytes {
        match way {
            Way::OneShot => pattern(seed, 1000),
            Way::Parts => pattern(seed, self.part_size() * 5 / 2 + 1),
        }
    }

    /// Writes by this way.
    pub(crate) async fn write_by(
        &self,
        way: Way,
        name: &str,
        body: Bytes,
        options: WriteOptions,
    ) -> Result<Metadata, Error> {
        match way {
            Way::OneShot => self.store.write(&Key::new(name)?, body, options).await,
            Way::Parts => {
                let mut writer = self.begin(name, options).await?;
                self.feed(&mut writer, body).await?;
                writer.finish().await
            }
        }
    }

    /// Starts a write in small parts.
    pub(crate) async fn begin(&self, name: &str, options: WriteOptions) -> Result<Writer, Error> {
        self.store.writer(&Key::new(name)?, options.part_size(self.part_size() as u64)).await
    }

    /// Gives a writer these bytes in chunks that fit no part.
    pub(crate) async fn feed(&self, writer: &mut Writer, mut body: Bytes) -> Result<(), Error> {
        while !body.is_empty() {
            let chunk = body.split_to(body.len().min(self.part_size() / 3 + 7));
            writer.write(chunk).await?;
        }
        Ok(())
    }

    /// Nothing of an interrupted write is left: sooner or later a clean-up finds nothing to remove and nothing in use.
    pub(crate) async fn nothing_left_over(&self) -> Result<(), Failure> {
        let root = Prefix::root();
        let mut last = self.store.cleanup(&root).await?;
        for _ in 0..100 {
            if (last.removed, last.in_use) == (0, 0) {
                break;
            }
            // A dropped writer aborts in the background.
            tokio::time::sleep(Duration::from_millis(50)).await;
            last = self.store.cleanup(&root).await?;
        }
        same("leftovers removed and in use after 5 s of clean-ups", (last.removed, last.in_use), (0, 0))
    }

    /// The object holds this and is the only one, and no leftover is in the way.
    pub(crate) async fn is_alone(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.contains(name, content).await?;
        same("listing", self.names("", ListOptions::new()).await?, [name])?;
        self.nothing_left_over().await?;
        self.contains(name, content).await?;
        same("listing after a clean-up", self.names("", ListOptions::new()).await?, [name])
    }
}

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In one request.
    OneShot,
    /// In several parts.
    Parts,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::OneShot, Self::Parts];
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

/// Polls a future at most so often, then drops it.
pub(crate) async fn polled<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let once = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(value) = once {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

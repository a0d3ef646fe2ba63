//! What the tests of transfers have in common: objects in memory behind a backend that counts and can be odd.
#![allow(dead_code)] // each test file uses some of it

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use storage_core::{
    Backend, BoxFuture, Budget, Capabilities, Change, Checksum, CleanupReport, Condition, CopyRequest,
    CopyTarget, DeleteTarget, Key, ListRequest, Lister, Metadata, Part, Payload, Prefix, ReadRequest,
    ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, Store, TakenPart, Target, Upload,
    Window, WriteRequest,
};
use storage_memory::Memory;

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

/// Bytes of which no two stretches are the same.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

/// The bytes of a budget that nobody holds.
pub(crate) fn free(budget: &Budget) -> u64 {
    field(&format!("{budget:?}"), "free: ")
}

/// The requests that a window counts.
pub(crate) fn in_flight(window: &Window) -> u64 {
    field(&format!("{window:?}"), "in_flight: ")
}

fn field(text: &str, name: &str) -> u64 {
    let (_, rest) = text.split_once(name).expect("it is told");
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

/// What is odd about a backend.
#[derive(Clone, Default)]
pub(crate) struct Oddities {
    /// Tells no ETags.
    pub(crate) nameless: bool,
    /// Tells this checksum of everything.
    pub(crate) checksum: Option<Checksum>,
    /// Keeps another last byte of each part than it was sent.
    pub(crate) damages: bool,
    /// Answers to `copy_from` in turn; then it is that of a copy in memory.
    pub(crate) copies: Arc<Mutex<Vec<Answer>>>,
}

/// One answer to `copy_from`, by the number of objects asked for.
pub(crate) type Answer = fn(usize) -> Result<Option<Vec<Result<Metadata>>>>;

/// What was going on.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Parts on their way now.
    pub(crate) parts: AtomicUsize,
    /// Uploads that were given up.
    pub(crate) aborts: AtomicUsize,
    /// Parts that were on their way when an upload was given up.
    pub(crate) parts_at_abort: AtomicUsize,
}

/// Objects in memory.
#[derive(Clone)]
pub(crate) struct Odd {
    pub(crate) inner: Memory,
    pub(crate) oddities: Oddities,
    pub(crate) counts: Arc<Counts>,
    pub(crate) capabilities: Capabilities,
}

impl Odd {
    pub(crate) fn new(declare: impl FnOnce(&mut Capabilities)) -> Self {
        let inner = Memory::unversioned();
        let mut capabilities = inner.capabilities();
        declare(&mut capabilities);
        Self { inner, oddities: Oddities::default(), counts: Arc::default(), capabilities }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Oddities)) -> Self {
        change(&mut self.oddities);
        self
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.clone())
    }

    fn told(&self, mut metadata: Metadata) -> Metadata {
        if self.oddities.nameless {
            metadata.etag = None;
        }
        if let Some(checksum) = self.oddities.checksum {
            metadata.checksums.insert(checksum);
        }
        metadata
    }
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Odd").finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for Odd {
    fn name(&self) -> &str {
        "odd"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { Ok(self.told(self.inner.stat(key, request).await?)) })
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(async move {
            let mut response = self.inner.read(key, request).await?;
            response.metadata = self.told(response.metadata);
            Ok(response)
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { Ok(self.told(self.inner.write(key, body, request).await?)) })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            let inner = self.inner.upload(key, request).await?;
            Ok(Box::new(OddUpload { inner, odd: self.clone() }) as Box<dyn Upload>)
        })
    }

    fn resume<'a>(
        &'a self,
        _: &'a Key,
        _: &'a WriteRequest,
        _: &'a str,
        _: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        self.inner.list(request)
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        self.inner.delete(targets)
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        self.inner.copy(from, to, request)
    }

    fn copy_from<'a>(
        &'a self,
        source: &'a dyn Backend,
        copies: &'a [CopyTarget],
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        let known = (source as &dyn Any).is::<Self>() && self.capabilities.limits.copy_batch > 1;
        Box::pin(async move {
            let mut answers = self.oddities.copies.lock().expect("no holder panics").clone();
            if !known {
                return Ok(None);
            }
            if !copies.is_empty() && !answers.is_empty() {
                let answer = answers.remove(0);
                *self.oddities.copies.lock().expect("no holder panics") = answers;
                return answer(copies.len());
            }
            let mut done = Vec::new();
            for copy in copies {
                done.push(self.inner.copy(&copy.from, &copy.to, request).await);
            }
            Ok(Some(done))
        })
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        self.inner.rename(from, to, condition)
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        self.inner.update(target, change)
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        self.inner.create_dir(directory)
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        self.inner.remove_dir(directory)
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        self.inner.cleanup(prefix)
    }

    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        self.inner.presign(key, request)
    }
}

#[derive(Debug)]
struct OddUpload {
    inner: Box<dyn Upload>,
    odd: Odd,
}

/// A part on its way, for as long as its request lasts.
struct OnItsWay(Arc<Counts>);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.parts.fetch_sub(1, Ordering::Relaxed);
    }
}

#[deny(clippy::missing_trait_methods)]
impl Upload for OddUpload {
    fn part(&self, mut part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.odd.counts.parts.fetch_add(1, Ordering::Relaxed);
            let _on_its_way = OnItsWay(self.odd.counts.clone());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            if self.odd.oddities.damages {
                let mut bytes = part.body.into_bytes().to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last = !*last;
                }
                part.body = bytes.into();
            }
            self.inner.part(part).await
        })
    }

    fn takes_parts_twice(&self) -> bool {
        self.inner.takes_parts_twice()
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move { Ok(self.odd.told(self.inner.finish(size).await?)) })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        let counts = &self.odd.counts;
        counts.aborts.fetch_add(1, Ordering::Relaxed);
        counts.parts_at_abort.fetch_add(counts.parts.load(Ordering::Relaxed), Ordering::Relaxed);
        self.inner.abort()
    }
}

//! What the tests of transfers have in common: objects in memory behind a backend that counts and can be odd.
#![allow(dead_code)] // each test file uses some of it

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;
use storage_core::{
    Backend, BoxFuture, Budget, ByteRange, ByteStream, Capabilities, Change, Checksum, CleanupReport,
    Condition, CopyRequest, CopyTarget, DeleteTarget, Entry, Error, ErrorKind, Key, ListRequest, Lister,
    Metadata, Page, Part, Payload, Prefix, ReadRequest, ReadResponse, Result, Resumed, SignRequest,
    SignedRequest, StatRequest, Store, TakenPart, Target, Upload, Window, WriteRequest,
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
    /// What becomes of a read, by its number.
    pub(crate) reads: Option<Script>,
    /// Takes parts twice.
    pub(crate) twice: bool,
    /// Gives pages of so many entries, each after a while.
    pub(crate) pages: Option<(usize, Duration)>,
    /// In pages, names that end so are no keys, and are told under a name that comes last.
    pub(crate) no_key: Option<&'static str>,
}

/// What becomes of a read, by its number.
pub(crate) type Script = Arc<dyn Fn(usize) -> Slow + Send + Sync>;

/// What becomes of one read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slow {
    /// The answer comes this much later.
    pub(crate) answer: Duration,
    /// It is this error.
    pub(crate) fails: Option<ErrorKind>,
    /// After so many bytes the body waits so long.
    pub(crate) stall: Option<(u64, Duration)>,
    /// After the wait it goes on with this error.
    pub(crate) breaks: Option<ErrorKind>,
    /// The answer tells of a range one byte shorter.
    pub(crate) misplaced: bool,
}

impl Slow {
    pub(crate) fn answer(wait: Duration) -> Self {
        Self { answer: wait, ..Self::default() }
    }

    pub(crate) fn stall(after: u64, wait: Duration) -> Self {
        Self { stall: Some((after, wait)), ..Self::default() }
    }
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
    /// Reads on their way now, with their bodies.
    pub(crate) reads: AtomicUsize,
    /// Bytes of bodies that somebody holds.
    pub(crate) held: AtomicUsize,
    /// The most that were held at a time.
    pub(crate) held_most: AtomicUsize,
    /// Pages of listings on their way now.
    pub(crate) listing: AtomicUsize,
    /// Pages that were asked for.
    pub(crate) pages: AtomicUsize,
    /// What reads asked for.
    pub(crate) asked: Mutex<Vec<ByteRange>>,
}

impl Counts {
    pub(crate) fn asked(&self) -> Vec<ByteRange> {
        self.asked.lock().expect("no holder panics").clone()
    }

    /// Reads on their way now.
    pub(crate) fn reading(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

/// A listing in short pages, which are counted.
struct ShortPages {
    inner: Box<dyn Lister>,
    waiting: VecDeque<Result<Entry>>,
    is_over: bool,
    given: usize,
    size: usize,
    wait: Duration,
    counts: Arc<Counts>,
    no_key: Option<&'static str>,
}

impl ShortPages {
    fn shown(&self, entry: Result<Entry>) -> Result<Entry> {
        let entry = entry?;
        match self.no_key {
            Some(end) if entry.name().ends_with(end) => {
                Err(Error::new(ErrorKind::InvalidKey, "no key").with_name("~").for_entry())
            }
            _ => Ok(entry),
        }
    }
}

impl Lister for ShortPages {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let _on_its_way = OnItsWay::new(&self.counts, |counts| &counts.listing);
            self.counts.pages.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.wait).await;
            while self.waiting.len() <= self.size && !self.is_over {
                let page = self.inner.next_page().await?;
                self.waiting.extend(page.entries);
                self.is_over = page.next.is_none();
            }
            let entries: Vec<_> = self.waiting.drain(..self.size.min(self.waiting.len())).collect();
            let entries = entries.into_iter().map(|entry| self.shown(entry)).collect();
            self.given += 1;
            Ok(Page::new(entries, (!self.waiting.is_empty()).then(|| self.given.to_string())))
        })
    }
}

/// Bytes that are counted for as long as somebody holds them.
struct Counted(Bytes, Arc<Counts>);

impl Counted {
    fn of(bytes: &Bytes, counts: &Arc<Counts>) -> Bytes {
        let held = counts.held.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        counts.held_most.fetch_max(held, Ordering::Relaxed);
        Bytes::from_owner(Self(bytes.clone(), counts.clone()))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.held.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// Something on its way, for as long as it lasts.
struct OnItsWay(Arc<Counts>, fn(&Counts) -> &AtomicUsize);

impl OnItsWay {
    fn new(counts: &Arc<Counts>, which: fn(&Counts) -> &AtomicUsize) -> Self {
        which(counts).fetch_add(1, Ordering::Relaxed);
        Self(counts.clone(), which)
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body as slow as it is to be, whose bytes are counted.
fn slowed(body: ByteStream, slow: Slow, on_its_way: OnItsWay) -> ByteStream {
    let state = (body, Bytes::new(), 0, slow, on_its_way);
    Box::pin(try_unfold(state, |(mut body, mut waiting, given, mut slow, on_its_way)| async move {
        if waiting.is_empty() {
            waiting = body.next().await.transpose()?.unwrap_or_default();
        }
        let mut left = waiting.len() as u64;
        if let Some((after, wait)) = slow.stall {
            if given < after {
                left = left.min(after - given);
            } else {
                tokio::time::sleep(wait).await;
                slow.stall = None;
                if let Some(kind) = slow.breaks {
                    return Err(Error::new(kind, "a fault on purpose"));
                }
            }
        }
        let chunk = waiting.split_to(left as usize);
        if chunk.is_empty() {
            return Ok(None);
        }
        let chunk = Counted::of(&chunk, &on_its_way.0);
        Ok(Some((chunk, (body, waiting, given + left, slow, on_its_way))))
    }))
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
            let on_its_way = OnItsWay::new(&self.counts, |counts| &counts.reads);
            let number = {
                let mut asked = self.counts.asked.lock().expect("no holder panics");
                asked.push(request.range);
                asked.len() - 1
            };
            let slow = self.oddities.reads.as_ref().map_or_else(Slow::default, |script| script(number));
            if !slow.answer.is_zero() {
                tokio::time::sleep(slow.answer).await;
            }
            if let Some(kind) = slow.fails {
                return Err(Error::new(kind, "a fault on purpose"));
            }
            let mut response = self.inner.read(key, request).await?;
            response.metadata = self.told(response.metadata);
            response.range.end -= u64::from(slow.misplaced);
            response.body = slowed(response.body, slow, on_its_way);
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
        let inner = self.inner.list(request);
        let Some((size, wait)) = self.oddities.pages else { return inner };
        let (waiting, counts) = (VecDeque::new(), self.counts.clone());
        let no_key = self.oddities.no_key;
        Box::new(ShortPages { inner, waiting, is_over: false, given: 0, size, wait, counts, no_key })
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

#[deny(clippy::missing_trait_methods)]
impl Upload for OddUpload {
    fn part(&self, mut part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let _on_its_way = OnItsWay::new(&self.odd.counts, |counts| &counts.parts);
            tokio::time::sleep(Duration::from_millis(10)).await;
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
        self.odd.oddities.twice
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

//! Streaming one version of one object, resumed where it broke (clauses READ-1, READ-2 and READ-4).

use std::fmt;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::try_unfold;

use super::Store;
use super::ahead::Ahead;
use crate::backend::{ByteStream, Handle, ReadResponse};
use crate::checksum::{Checksum, Hasher};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{ReadOptions, ReadRequest};
use crate::progress::Event;
use crate::range::ByteRange;
use crate::retry::{Attempts, Repeat};

/// The bytes of one read as a stream.
///
/// The stream yields exactly `range()` of exactly one version and ends, or yields one error and ends. A body that
/// breaks off is continued from its own byte, of the same version; a slow consumer is no stall. Dropping the reader
/// ends the request.
///
/// ```
/// use futures_util::TryStreamExt;
/// use storage_core::{Key, ReadOptions, Store, WriteOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> storage_core::Result<()> {
/// # let store = Store::new(storage_memory::Memory::new());
/// # let key = Key::new("a")?;
/// # store.write(&key, "some bytes", WriteOptions::new()).await?;
/// let mut reader = store.reader(&key, ReadOptions::new()).await?;
/// let mut seen = 0;
/// while let Some(chunk) = reader.try_next().await? {
///     seen += chunk.len() as u64;
/// }
/// assert_eq!(seen, reader.metadata().size);
/// # Ok(()) }
/// ```
pub struct Reader {
    metadata: Metadata,
    range: Range<u64>,
    chunks: ByteStream,
}

impl Reader {
    /// Of the version that is read.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The bytes that are read, clipped to the object.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Whatever is left, in one piece.
    ///
    /// # Errors
    /// The stream's.
    pub async fn collect(mut self) -> Result<Bytes> {
        let Some(first) = self.chunks.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunks.next().await.transpose()? else { return Ok(first) };
        // The announced length is believed only so far: memory grows with bytes that came.
        let announced = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let mut whole = Vec::with_capacity(announced.min(64 << 20));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.chunks.next().await.transpose()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }
}

impl Stream for Reader {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next_unpin(context)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("metadata", &self.metadata)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens an object for streaming. The first request is already the data; its answer gives metadata and version.
    ///
    /// # Errors
    /// `NotFound`, `RangeNotSatisfiable`, `InvalidKey`; `PreconditionFailed` and `NotModified` as the options ask;
    /// `Unsupported` for a version where none are kept; `InvalidData` if the answer is not what was asked for.
    pub async fn reader(&self, key: &Key, options: ReadOptions) -> Result<Reader> {
        let explain = |error| self.explain(error, Operation::Read, key.as_str());
        self.admit_version(options.request.version.as_ref()).map_err(explain)?;
        let full = self.full(key).map_err(explain)?;
        if options.request.range.is_empty() {
            return self.empty_reader(&full, &options.request).await.map_err(explain);
        }
        let (body, range) = self.open_first(key, &full, &options).await.map_err(explain)?;
        let metadata = body.metadata().clone();
        let proof = Proof::of(&metadata, &range);
        let stream = if body.end == range.end {
            Box::pin(try_unfold((body, proof), Body::next)) as ByteStream
        } else {
            let concurrency = options.concurrency;
            Box::pin(try_unfold((Ahead::new(body, range.end, concurrency), proof), Ahead::next))
        };
        Ok(Reader { metadata, range, chunks: stream })
    }

    /// Opens an object. Gives the first range of it where the rest is worth reading side by side, and the whole range that
    /// was asked for.
    ///
    /// What is surely long is asked for by its first range alone. What may be short is asked for whole, since services tell
    /// a checksum only of that; if it turns out to be long, the body is left where the second range begins.
    pub(super) async fn open_first(
        &self,
        name: &Key,
        key: &Key,
        options: &ReadOptions,
    ) -> Result<(Body, Range<u64>)> {
        let preferred =
            if options.concurrency == Some(1) { 0 } else { self.declared().limits.range_preferred };
        let mut request = options.request.clone();
        request.range = first_of(request.range, preferred, options.size_hint);
        let mut response = self.open(key, &request).await?;
        let range = options.request.range.resolve(response.metadata.size)?;
        let can_go_on = response.handle.is_some() || is_pinned(&response.metadata);
        if response.range != range && !can_go_on {
            // No further request could be sure to read the same object.
            response = self.open(key, &options.request).await?;
        }
        let range = options.request.range.resolve(response.metadata.size)?;
        let long = preferred > 0 && range.end - range.start > preferred.saturating_mul(2);
        let is_cut = response.range == range && long && can_go_on;
        let source = Source {
            store: self.clone(),
            name: name.clone(),
            key: key.clone(),
            metadata: response.metadata,
            handle: response.handle,
        };
        let body = Body {
            source: Arc::new(source),
            attempts: self.attempts(),
            position: response.range.start,
            end: if is_cut { range.start + preferred } else { response.range.end },
            is_cut,
            body: Some(response.body),
            waiting: Bytes::new(),
        };
        Ok((body, range))
    }

    /// A range without bytes needs no data: a stat tells whether the object is there and meets the conditions.
    async fn empty_reader(&self, key: &Key, request: &ReadRequest) -> Result<Reader> {
        let stat = crate::options::StatRequest { version: request.version.clone() };
        let metadata = self.stat_full(key, &stat).await?;
        request.conditions.check(&metadata)?;
        let range = request.range.resolve(metadata.size)?;
        Ok(Reader { metadata, range, chunks: Box::pin(futures_util::stream::empty()) })
    }

    async fn open(&self, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
        let response = self
            .attempt(Operation::Read, Repeat::Idempotent, self.silence(), || {
                Box::pin(self.hedged(|| self.backend().read(key, request)))
            })
            .await?;
        verify_opening(request, &response)?;
        Ok(response)
    }
}

fn verify_opening(request: &ReadRequest, response: &ReadResponse) -> Result<()> {
    request.conditions.check(&response.metadata)?;
    let expected = request.range.resolve(response.metadata.size)?;
    if expected != response.range {
        let message = format!(
            "asked for bytes {}..{}, was sent bytes {}..{}",
            expected.start, expected.end, response.range.start, response.range.end
        );
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    match &request.version {
        Some(asked) if response.metadata.version.as_ref() != Some(asked) => {
            Err(Error::new(ErrorKind::InvalidData, "was sent another version than asked for"))
        }
        _ => Ok(()),
    }
}

/// The part of `range` to ask for first, if what is asked for is surely long.
fn first_of(range: ByteRange, preferred: u64, size_hint: Option<u64>) -> ByteRange {
    match range {
        ByteRange::Full if preferred > 0 && size_hint.is_some_and(|size| size > preferred) => {
            ByteRange::Bounded { start: 0, end: preferred }
        }
        ByteRange::Bounded { start, end } if preferred > 0 && end - start > preferred => {
            ByteRange::Bounded { start, end: start + preferred }
        }
        range => range,
    }
}

/// Whether several requests can be sure to read one version.
pub(super) fn is_pinned(metadata: &Metadata) -> bool {
    metadata.etag.is_some() || metadata.version.is_some()
}

/// The checksum that the service tells of a whole object, if it does, and that of what came of it.
pub(super) struct Proof(Option<(Checksum, Hasher)>);

impl Proof {
    /// By the cheapest checksum that is known, if all of the object is read.
    fn of(metadata: &Metadata, range: &Range<u64>) -> Self {
        let known = || super::write::PROOF.iter().find_map(|algorithm| metadata.checksums.get(*algorithm));
        let expected = if *range == (0..metadata.size) { known() } else { None };
        Self(expected.map(|expected| (expected, expected.algorithm().hasher())))
    }

    pub(super) fn see(&mut self, chunk: &[u8]) {
        if let Some((_, hasher)) = &mut self.0 {
            hasher.update(chunk);
        }
    }

    /// Has the last word when nothing more comes.
    pub(super) fn verify(self) -> Result<()> {
        let Some((expected, hasher)) = self.0 else { return Ok(()) };
        let found = hasher.finish();
        if found == expected {
            return Ok(());
        }
        let message = format!("the store tells {expected} and {found} came; the object is damaged");
        Err(Error::new(ErrorKind::InvalidData, message))
    }
}

/// One version of one object, which is read in one piece or in many.
struct Source {
    store: Store,
    name: Key,
    key: Key,
    metadata: Metadata,
    handle: Option<Arc<dyn Handle>>,
}

/// A body being read: some range of one version.
pub(super) struct Body {
    source: Arc<Source>,
    attempts: Attempts,
    position: u64,
    pub(super) end: u64,
    /// The body that came goes on past the end.
    is_cut: bool,
    body: Option<ByteStream>,
    /// What came and may not go on yet.
    waiting: Bytes,
}

impl Body {
    async fn next((mut body, mut proof): (Self, Proof)) -> Result<Option<(Bytes, (Self, Proof))>> {
        match body.chunk().await.map_err(|error| body.explain(error))? {
            Some(chunk) => {
                proof.see(&chunk);
                Ok(Some((chunk, (body, proof))))
            }
            None => proof.verify().map(|()| None).map_err(|error| body.explain(error)),
        }
    }

    /// All that a handle reads, which nothing was asked for yet.
    pub(super) fn of_handle(store: &Store, name: &Key, handle: Arc<dyn Handle>, metadata: Metadata) -> Self {
        let end = metadata.size;
        let source = Source {
            store: store.clone(),
            name: name.clone(),
            key: name.clone(),
            metadata,
            handle: Some(handle),
        };
        Self {
            source: Arc::new(source),
            attempts: store.attempts(),
            position: 0,
            end,
            is_cut: false,
            body: None,
            waiting: Bytes::new(),
        }
    }

    /// Another range of the same version. Nothing is asked for before it is polled.
    pub(super) fn another(&self, range: Range<u64>) -> Self {
        Self {
            source: self.source.clone(),
            attempts: self.store().attempts(),
            position: range.start,
            end: range.end,
            is_cut: false,
            body: None,
            waiting: Bytes::new(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.source.store
    }

    /// Of the version that is read.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.source.metadata
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The error of a read as its caller is to see it.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.store().explain(error, Operation::Read, self.source.name.as_str())
    }

    /// The next bytes, as fast as they may come, or nothing after the last.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if self.waiting.is_empty() {
            match self.receive().await? {
                Some(chunk) => self.waiting = chunk,
                None => return Ok(None),
            }
        }
        let piece = self.store().piece(self.waiting.len() as u64);
        self.store().bytes_allowed(piece).await;
        Ok(Some(self.waiting.split_to(piece as usize)))
    }

    async fn receive(&mut self) -> Result<Option<Bytes>> {
        loop {
            let error = match self.poll_body().await {
                Ok(Some(chunk)) => return self.take(chunk).map(Some),
                Ok(None) if self.position == self.end => return Ok(None),
                Ok(None) => self.ended_early(),
                // What came is wrong, and some of it is with the reader already: the rest would not mend it.
                Err(error) if error.kind() == ErrorKind::InvalidData && self.body.is_some() => {
                    return Err(error);
                }
                Err(error) => error,
            };
            self.body = None;
            let (store, attempts) = (&self.source.store, &mut self.attempts);
            store.pause(Operation::Read, attempts, error, Repeat::Idempotent).await?;
        }
    }

    /// The next chunk of the body, of a new request if the last one broke off, or of a second one if it is late.
    async fn poll_body(&mut self) -> Result<Option<Bytes>> {
        let left = self.position..self.end;
        let mut body = match self.body.take() {
            Some(body) => body,
            None => Box::pin(self.source.open(left.clone())).await?,
        };
        let (chunk, other) = self.source.chunk(&mut body, left).await;
        if let Some(other) = other {
            (body, self.is_cut) = (other, false);
        }
        self.body = Some(body);
        chunk
    }

    fn take(&mut self, mut chunk: Bytes) -> Result<Bytes> {
        let left = self.end - self.position;
        if self.is_cut && chunk.len() as u64 >= left {
            chunk.truncate(left as usize);
            self.body = None;
        }
        let count = chunk.len() as u64;
        if count > left {
            let message = format!("was sent more than the bytes up to {}", self.end);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.position += count;
        self.attempts.progressed();
        let (operation, key) = (Operation::Read, &self.source.name);
        self.store().shared.progress.event(Event::Bytes { operation, key, count });
        Ok(chunk)
    }

    fn ended_early(&self) -> Error {
        let message = format!("the body ended at byte {} of {}", self.position, self.end);
        Error::new(ErrorKind::Unavailable, message)
    }
}

impl Source {
    /// The next chunk of `body`; if it is late, of a second request for what is `left`, which is then the body to go on
    /// with.
    async fn chunk(
        &self,
        body: &mut ByteStream,
        left: Range<u64>,
    ) -> (Result<Option<Bytes>>, Option<ByteStream>) {
        let mut chunk = pin!(self.listen(body));
        let can_ask = self.handle.is_none() && is_pinned(&self.metadata);
        let late = if can_ask { self.store.late_after() } else { None };
        let Some(late) = late else { return (chunk.await, None) };
        if let Ok(chunk) = tokio::time::timeout(late, &mut chunk).await {
            return (chunk, None);
        }
        if !self.store.may_ask_again() {
            return (chunk.await, None);
        }
        // What is rare is boxed: this future is part of that of every copy, which is moved about.
        Box::pin(self.race(chunk, left)).await
    }

    /// The next chunk of a body that is late, or of a second request.
    async fn race(
        &self,
        late: Pin<&mut (impl Future<Output = Result<Option<Bytes>>> + Send)>,
        left: Range<u64>,
    ) -> (Result<Option<Bytes>>, Option<ByteStream>) {
        let second = async {
            let mut body = self.open(left).await?;
            Ok::<_, Error>((self.listen(&mut body).await?, body))
        };
        // A body that is late may still bring all of a version that nobody can ask for any more: how a second request
        // fails is no word on it.
        match select(late, pin!(second)).await {
            Either::Left((Err(error), second)) if error.is_retryable() => match second.await {
                Ok((chunk, body)) => (Ok(chunk), Some(body)),
                Err(_) => (Err(error), None),
            },
            Either::Left((chunk, _)) => (chunk, None),
            Either::Right((Ok((chunk, body)), _)) => (Ok(chunk), Some(body)),
            Either::Right((Err(_), chunk)) => (chunk.await, None),
        }
    }

    async fn listen(&self, body: &mut ByteStream) -> Result<Option<Bytes>> {
        let next = async {
            loop {
                match body.next().await.transpose()? {
                    // An empty chunk is no progress; who sends them for ever is silent.
                    Some(chunk) if chunk.is_empty() => tokio::task::yield_now().await,
                    chunk => return Ok(chunk),
                }
            }
        };
        self.store.listen(self.store.silence(), next).await
    }

    /// A new request for this range, pinned to the version that was begun.
    async fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            // All bytes came and only the end was lost.
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        if let Some(handle) = &self.handle {
            return Ok(handle.read(range));
        }
        let mut request = ReadRequest {
            range: ByteRange::Bounded { start: range.start, end: range.end },
            version: self.metadata.version.clone(),
            ..ReadRequest::default()
        };
        request.conditions.if_match = self.metadata.etag.clone();
        if request.conditions.if_match.is_none() && request.version.is_none() {
            return Err(Error::unsupported("the body broke off, and the store names no version to resume"));
        }
        let asked = self.store.hedged(|| self.store.backend().read(&self.key, &request));
        let response = self.store.within(self.store.silence(), asked).await.map_err(changed_if_gone)?;
        verify_opening(&request, &response).map_err(changed_if_gone)?;
        let same =
            response.metadata.size == self.metadata.size && response.metadata.etag == self.metadata.etag;
        if same { Ok(response.body) } else { Err(changed()) }
    }
}

pub(super) fn changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the object changed while it was read")
}

pub(super) fn changed_if_gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::PreconditionFailed | ErrorKind::NotFound | ErrorKind::RangeNotSatisfiable => {
            changed().with_source(error)
        }
        _ => error,
    }
}

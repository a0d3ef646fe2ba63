//! Streaming one version of one object, resumed where it broke (clauses READ-1, READ-2 and READ-4).

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;

use super::Store;
use crate::backend::{ByteStream, ReadResponse};
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
        let response = self.open(&full, &options.request).await.map_err(explain)?;
        let (metadata, range) = (response.metadata.clone(), response.range.clone());
        let state = Body {
            store: self.clone(),
            name: key.clone(),
            key: full,
            attempts: self.attempts(),
            metadata: metadata.clone(),
            position: range.start,
            end: range.end,
            body: Some(response.body),
        };
        Ok(Reader { metadata, range, chunks: Box::pin(futures_util::stream::try_unfold(state, Body::next)) })
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
                self.backend().read(key, request)
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

/// A body being read.
struct Body {
    store: Store,
    name: Key,
    key: Key,
    attempts: Attempts,
    metadata: Metadata,
    position: u64,
    end: u64,
    body: Option<ByteStream>,
}

impl Body {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        match self.chunk().await {
            Ok(Some(chunk)) => Ok(Some((chunk, self))),
            Ok(None) => Ok(None),
            Err(error) => Err(self.store.explain(error, Operation::Read, self.name.as_str())),
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
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
            self.store.pause(Operation::Read, &mut self.attempts, error, Repeat::Idempotent).await?;
        }
    }

    /// The next chunk of the body, of a new request if the last one broke off.
    async fn poll_body(&mut self) -> Result<Option<Bytes>> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let body = self.resume().await?;
                self.body.insert(body)
            }
        };
        self.store
            .within(self.store.silence(), async {
                loop {
                    match body.next().await.transpose()? {
                        // An empty chunk is no progress; who sends them for ever is silent.
                        Some(chunk) if chunk.is_empty() => tokio::task::yield_now().await,
                        chunk => return Ok(chunk),
                    }
                }
            })
            .await
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes> {
        let count = chunk.len() as u64;
        if count > self.end - self.position {
            let message = format!("was sent more than the bytes up to {}", self.end);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.position += count;
        self.attempts.progressed();
        self.store.shared.progress.event(Event::Bytes { operation: Operation::Read, key: &self.name, count });
        Ok(chunk)
    }

    fn ended_early(&self) -> Error {
        let message = format!("the body ended at byte {} of {}", self.position, self.end);
        Error::new(ErrorKind::Unavailable, message)
    }

    /// A new request for the rest, pinned to the version that was begun.
    async fn resume(&mut self) -> Result<ByteStream> {
        if self.position == self.end {
            // All bytes came and only the end was lost.
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let mut request = ReadRequest {
            range: ByteRange::Bounded { start: self.position, end: self.end },
            version: self.metadata.version.clone(),
            ..ReadRequest::default()
        };
        request.conditions.if_match = self.metadata.etag.clone();
        if request.conditions.if_match.is_none() && request.version.is_none() {
            return Err(Error::unsupported("the body broke off, and the store names no version to resume"));
        }
        let response =
            self.store.within(self.store.silence(), self.store.backend().read(&self.key, &request)).await;
        let response = response.map_err(changed_if_gone)?;
        verify_opening(&request, &response).map_err(changed_if_gone)?;
        let same =
            response.metadata.size == self.metadata.size && response.metadata.etag == self.metadata.etag;
        if same { Ok(response.body) } else { Err(changed()) }
    }
}

fn changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the object changed while it was read")
}

fn changed_if_gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::PreconditionFailed | ErrorKind::NotFound | ErrorKind::RangeNotSatisfiable => {
            changed().with_source(error)
        }
        _ => error,
    }
}

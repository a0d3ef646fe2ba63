//! Writing a stream of unknown length in parts that travel side by side (clauses WRITE-1, WRITE-2 and WRITE-5).

use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::task::{JoinError, JoinSet};

use super::Store;
use super::parts::{Pace, PartPlan};
use super::sink::Sink;
use super::write::Digest;
use crate::backend::Payload;
use crate::checksum::Checksums;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{WriteOptions, WriteRequest};

/// An object being written.
///
/// Nothing is visible before [`finish`](Writer::finish) returns; readers see the old object or none. Memory stays
/// within the store's [`Budget`](crate::Budget), plus one part on its way and one that fills.
///
/// Dropping a writer without finishing it aborts the upload in the background and leaves the old object as it was.
/// Dropping the future of [`write`](Writer::write) half-way leaves it unknown how much was taken: the writer then
/// refuses everything but [`abort`](Writer::abort).
///
/// ```
/// use storage_core::{Algorithm, Key, Store, WriteOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> storage_core::Result<()> {
/// # let store = Store::new(storage_memory::Memory::new());
/// let mut writer = store.writer(&Key::new("log")?, WriteOptions::new().checksum(Algorithm::Sha256)).await?;
/// for line in ["one\n", "two\n"] {
///     writer.write(line).await?;
/// }
/// let metadata = writer.finish().await?;
/// assert_eq!(metadata.size, 8);
/// assert!(metadata.checksums.get(Algorithm::Sha256).is_some());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Writer {
    store: Store,
    name: Key,
    key: Key,
    request: WriteRequest,
    digest: Option<Digest>,
    pending: Payload,
    plan: PartPlan,
    pace: Pace,
    sink: Option<Sink>,
    in_flight: JoinSet<Result<()>>,
    /// Set while a call runs; stays set if its future was dropped or it failed.
    broken: bool,
}

impl Store {
    /// Starts writing an object whose length need not be known. Short objects go out in one request at the end.
    ///
    /// # Errors
    /// `Unsupported` and `InvalidKey`, before a byte is sent.
    pub async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Writer> {
        let digest = self.digest(&options);
        let (part_size, concurrency) = (options.part_size, options.concurrency);
        let (full, request) = self
            .prepare_write(key, options)
            .map_err(|error| self.explain(error, Operation::Write, key.as_str()))?;
        let limits = &self.declared().limits;
        Ok(Writer {
            store: self.clone(),
            name: key.clone(),
            key: full,
            plan: PartPlan::of(self, part_size, request.size),
            pace: Pace::new(self, if limits.parallel_parts { concurrency } else { Some(1) }),
            request,
            digest: Some(digest),
            pending: Payload::new(),
            sink: None,
            in_flight: JoinSet::new(),
            broken: false,
        })
    }
}

impl Writer {
    /// Takes the next bytes. May wait until earlier parts have left.
    ///
    /// # Errors
    /// Whatever kept a part from being taken; `InvalidData` if more bytes come than were promised. After an error
    /// nothing will be published: finish fails too.
    pub async fn write(&mut self, data: impl Into<Bytes>) -> Result<()> {
        self.enter()?;
        let taken = self.take(data.into()).await;
        self.leave(taken)
    }

    /// Writes all that comes and publishes it, or gives up before it tells what went wrong: who hears of it may end the
    /// program.
    pub(super) async fn write_all(
        mut self,
        chunks: impl Stream<Item = Result<Bytes>> + Send,
    ) -> Result<Metadata> {
        let mut chunks = pin!(chunks);
        let written = loop {
            match chunks.next().await {
                Some(Ok(chunk)) => match self.write(chunk).await {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        match written {
            Ok(()) => self.finish().await,
            Err(error) => {
                let _ = Box::pin(self.abort()).await;
                Err(error)
            }
        }
    }

    /// Publishes the object, and tells of it as a later stat would.
    ///
    /// # Errors
    /// As [`Store::write`]. After an error the parts are removed, or left to [`Store::cleanup`].
    pub async fn finish(mut self) -> Result<Metadata> {
        self.enter()?;
        let published = self.publish().await;
        if published.is_err() {
            // The first error is the one to tell; what abort cannot remove is left to a clean-up.
            let _ = self.stop().await;
        }
        self.leave(published)
    }

    /// Gives up: the old object stays as it was, and what was sent is removed.
    ///
    /// # Errors
    /// Whatever keeps the parts from being removed; they are left to [`Store::cleanup`].
    pub async fn abort(mut self) -> Result<()> {
        let stopped = self.stop().await;
        self.leave(stopped)
    }

    fn enter(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            let message = "an earlier write of this writer failed or was cancelled; nothing can be published";
            let error = Error::new(ErrorKind::Cancelled, message);
            return Err(self.store.explain(error, Operation::Write, self.name.as_str()));
        }
        Ok(())
    }

    fn leave<T>(&mut self, result: Result<T>) -> Result<T> {
        self.broken = result.is_err();
        result.map_err(|error| self.store.explain(error, Operation::Write, self.name.as_str()))
    }

    async fn take(&mut self, data: Bytes) -> Result<()> {
        let digest =
            self.digest.as_mut().expect("because only finish takes the digest, and it consumes the writer");
        digest.update(&data);
        if let Some(promised) = self.request.size
            && digest.size() > promised
        {
            let message = format!("more than the promised {promised} bytes came");
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.pending.push(data);
        while let Some(length) = self.plan.full_part(self.pending.len()) {
            let body = self.pending.split_to(length);
            Box::pin(self.send(body)).await?;
        }
        Ok(())
    }

    async fn send(&mut self, body: Payload) -> Result<()> {
        if self.sink.is_none() {
            self.sink = Some(Sink::begin(&self.store, &self.name, &self.key, &self.request).await?);
        }
        // A part that failed is told of at once, not when there is no room any more.
        while let Some(ended) = self.in_flight.try_join_next() {
            of_task(ended)?;
        }
        let leave = loop {
            match self.pace.next(self.in_flight.len(), body.len()) {
                Some(leave) => break leave,
                None => self.join_one().await?,
            }
        };
        let part = self.plan.next(body)?;
        let count = part.body.len();
        let sender = self.sink.as_ref().expect("because it was begun above").sender();
        self.in_flight.spawn(async move {
            sender.part(part).await?;
            leave.finished(count);
            Ok(())
        });
        Ok(())
    }

    async fn join_one(&mut self) -> Result<()> {
        self.in_flight.join_next().await.map_or(Ok(()), of_task)
    }

    async fn publish(&mut self) -> Result<Metadata> {
        let digest = self.digest.take().expect("because finish consumes the writer");
        let size = digest.size();
        let checksums = digest.verify(&self.request, size)?;
        let fits_one_request = self.pending.len() <= self.store.declared().limits.write_max;
        let rest = std::mem::take(&mut self.pending);
        if self.sink.is_none() && fits_one_request {
            return self.store.write_once(&self.name, &self.key, rest, &self.request, checksums).await;
        }
        Box::pin(self.publish_parts(rest, size, checksums)).await
    }

    async fn publish_parts(&mut self, rest: Payload, size: u64, checksums: Checksums) -> Result<Metadata> {
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.sink.iter().for_each(Sink::ends);
        while !self.in_flight.is_empty() {
            self.join_one().await?;
        }
        match &mut self.sink {
            Some(sink) => sink.finish(size, checksums).await,
            None => unreachable!("an object that does not fit one request has bytes, and they were sent"),
        }
    }

    async fn stop(&mut self) -> Result<()> {
        self.in_flight.shutdown().await;
        self.pending = Payload::new();
        match &mut self.sink {
            Some(sink) => sink.abort().await,
            None => Ok(()),
        }
    }
}

/// What came of the task of a part.
fn of_task(ended: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    ended.unwrap_or_else(|gone| {
        Err(Error::new(ErrorKind::Other, "the task of a part ended early").with_source(gone))
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(sink) = &mut self.sink {
            let mut in_flight = std::mem::take(&mut self.in_flight);
            sink.abort_behind(async move { in_flight.shutdown().await });
        }
    }
}

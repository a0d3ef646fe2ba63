//! Writing a stream of unknown length in parts that travel side by side (clauses WRITE-1, WRITE-2 and WRITE-5).

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::Store;
use super::write::{Digest, verify_written};
use crate::backend::{Part, Payload, Upload};
use crate::capabilities::Limits;
use crate::checksum::Checksums;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{WriteOptions, WriteRequest};
use crate::progress::Event;
use crate::retry::Repeat;

/// Parts in flight unless the options say otherwise.
const DEFAULT_CONCURRENCY: usize = 4;
/// Parts double in size each time this share of the allowed number is used up, so that the number always suffices.
const GROWTH_STEPS: u64 = 10;

/// An object being written.
///
/// Nothing is visible before [`finish`](Writer::finish) returns; readers see the old object or none. Memory stays
/// under the part size times the concurrency, plus one part.
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
    concurrency: usize,
    upload: Option<Arc<dyn Upload>>,
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
        let digest = Digest::new(&options);
        let (part_size, concurrency) = (options.part_size, options.concurrency);
        let (full, request) = self
            .prepare_write(key, options)
            .map_err(|error| self.explain(error, Operation::Write, key.as_str()))?;
        let limits = &self.declared().limits;
        let concurrency = if limits.parallel_parts { concurrency.unwrap_or(DEFAULT_CONCURRENCY) } else { 1 };
        Ok(Writer {
            store: self.clone(),
            name: key.clone(),
            key: full,
            plan: PartPlan::new(limits, part_size, request.size),
            request,
            digest: Some(digest),
            pending: Payload::new(),
            concurrency: concurrency.max(1),
            upload: None,
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
        self.upload = None;
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
            self.send(body).await?;
        }
        Ok(())
    }

    async fn send(&mut self, body: Payload) -> Result<()> {
        let upload = self.upload().await?;
        while self.in_flight.len() >= self.concurrency {
            self.join_one().await?;
        }
        let part = self.plan.next(body)?;
        self.in_flight.spawn(send_part(self.store.clone(), self.name.clone(), upload, part));
        Ok(())
    }

    async fn upload(&mut self) -> Result<Arc<dyn Upload>> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let (store, key, request) = (&self.store, &self.key, &self.request);
        // An upload begun twice is two uploads: the lost one shows nothing and is removed by a clean-up.
        let begun = store.attempt_upload(|| store.backend().upload(key, request)).await?;
        Ok(self.upload.insert(Arc::from(begun)).clone())
    }

    async fn join_one(&mut self) -> Result<()> {
        match self.in_flight.join_next().await {
            None => Ok(()),
            Some(Ok(sent)) => sent,
            Some(Err(gone)) => {
                Err(Error::new(ErrorKind::Other, "the task of a part ended early").with_source(gone))
            }
        }
    }

    async fn publish(&mut self) -> Result<Metadata> {
        let digest = self.digest.take().expect("because finish consumes the writer");
        let size = digest.size();
        let checksums = digest.verify(&self.request, size)?;
        let fits_one_request = self.pending.len() <= self.store.declared().limits.write_max;
        if self.upload.is_none() && fits_one_request {
            let body = std::mem::take(&mut self.pending);
            return self.store.write_once(&self.name, &self.key, body, &self.request, checksums).await;
        }
        self.publish_upload(size, checksums).await
    }

    async fn publish_upload(&mut self, size: u64, checksums: Checksums) -> Result<Metadata> {
        if !self.pending.is_empty() {
            let rest = std::mem::take(&mut self.pending);
            self.send(rest).await?;
        }
        while !self.in_flight.is_empty() {
            self.join_one().await?;
        }
        let upload = self.upload().await?;
        let repeat = self.store.write_repeat(&self.request);
        let limit = Some(self.store.shared.timeouts.work);
        let sent = self.store.attempt(Operation::Write, repeat, limit, || upload.finish(size)).await;
        let metadata = self.store.settle(&self.key, &self.request, sent).await?;
        verify_written(metadata, size, checksums)
    }

    async fn stop(&mut self) -> Result<()> {
        self.in_flight.shutdown().await;
        self.pending = Payload::new();
        match self.upload.take() {
            // What is left behind costs the user money: an abort is worth several tries.
            Some(upload) => self.store.attempt_upload(|| upload.abort()).await,
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a runtime the upload is only dropped: a backend removes what it can, a clean-up the rest.
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let mut in_flight = std::mem::take(&mut self.in_flight);
            runtime.spawn(async move {
                in_flight.shutdown().await;
                let _ = upload.abort().await;
            });
        }
    }
}

async fn send_part(store: Store, name: Key, upload: Arc<dyn Upload>, part: Part) -> Result<()> {
    let count = part.body.len();
    let limit = Some(store.shared.timeouts.for_body(count));
    store.attempt(Operation::Write, Repeat::Idempotent, limit, || upload.part(part.clone())).await?;
    store.shared.progress.event(Event::Bytes { operation: Operation::Write, key: &name, count });
    Ok(())
}

/// Where parts are cut.
#[derive(Debug)]
struct PartPlan {
    size: u64,
    max: u64,
    parts_max: u64,
    number: u64,
    offset: u64,
}

impl PartPlan {
    fn new(limits: &Limits, asked: Option<u64>, total: Option<u64>) -> Self {
        let enough = total.map_or(0, |total| total.div_ceil(limits.parts_max.max(1)));
        let size = asked.unwrap_or(limits.part_preferred).max(enough).max(limits.part_min).max(1);
        let max = limits.part_max.max(limits.part_min).max(1);
        Self { size: size.min(max), max, parts_max: limits.parts_max, number: 0, offset: 0 }
    }

    /// The length of the next part, if that much is there. A part is cut only when more follows, or the last part
    /// might come out empty; so one part's worth may wait until the end.
    fn full_part(&self, available: u64) -> Option<u64> {
        (available > self.size).then_some(self.size)
    }

    fn next(&mut self, body: Payload) -> Result<Part> {
        if self.number >= self.parts_max {
            let message = format!("the object needs more than the {} parts allowed", self.parts_max);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let length = body.len();
        let part = Part::new(self.number, self.offset, body);
        self.number += 1;
        self.offset += length;
        if self.number.is_multiple_of((self.parts_max / GROWTH_STEPS).max(1)) {
            self.size = self.size.saturating_mul(2).min(self.max);
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::PartPlan;
    use crate::backend::Payload;
    use crate::capabilities::Limits;

    #[test]
    fn ten_thousand_parts_hold_five_tebibytes_of_unknown_length() {
        let mut plan = PartPlan::new(&Limits::default(), None, None);
        let mut total = 0u64;
        for _ in 0..10_000 {
            total += plan.size;
            plan.next(Payload::new()).expect("within the limit");
        }
        assert!(total > 5 << 40, "{total}");
        assert!(plan.next(Payload::new()).is_err());
    }

    #[test]
    fn a_known_size_chooses_parts_that_suffice() {
        let plan = PartPlan::new(&Limits::default(), Some(1), Some(100_000_000));
        assert_eq!(plan.size, 10_000);
    }
}

//! The end that writes: a backend around the one that holds the objects.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use storage_core::{
    Algorithm, Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Error, ErrorKind, Key, Level, ListRequest, Lister, Metadata, Part, Payload, Prefix,
    ReadRequest, ReadResponse, Result, Resumed, Retry, SignRequest, SignedRequest, StatRequest, Store,
    TakenPart, Target, Timeouts, Upload, WriteRequest,
};
use tokio::time::timeout;

use crate::waiting::{Open, Outcome, Waiting};
use crate::{Capacity, Receiver};

/// A request that ends, whether anybody waits for it or not: who gave up waiting must not leave it to change what others write
/// later.
async fn to_its_end<T: Send + 'static>(
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let ended = |gone| {
        Error::new(ErrorKind::Other, "a request of the channel ended early").with_source(gone).maybe_applied()
    };
    tokio::spawn(request).await.map_err(ended)?
}

async fn within<T>(patience: Duration, request: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || {
        let error = Error::new(ErrorKind::TimedOut, "no answer of what holds the objects");
        error.with_retry(Retry::Backoff).maybe_applied()
    };
    timeout(patience, request).await.unwrap_or_else(|_| Err(late()))
}

/// How long the backend may take for a request with so many bytes once there is room, as a `Store` has it by default: the time
/// that is waited for room is nobody's fault, and counts for none of it.
fn patience(bytes: u64) -> Duration {
    let by_default = Timeouts::default();
    by_default.silence + Duration::from_secs(bytes / by_default.slowest.max(1))
}

/// How long it may take for what it has to work for.
fn finishing() -> Duration {
    Timeouts::default().work
}

fn of_write(written: &Result<Metadata>, size: u64) -> Outcome {
    match written {
        Ok(_) => Outcome::Stands(size),
        Err(error) if error.may_have_been_applied() => Outcome::PerhapsWritten,
        Err(_) => Outcome::Unchanged,
    }
}

/// What was written, with a checksum of what the backend holds where the write is to be verified and nobody else can: `Store`
/// would read it when the receiver has taken it already.
async fn proven(inner: &dyn Backend, key: &Key, verify: bool, mut written: Metadata) -> Result<Metadata> {
    let can = inner.capabilities();
    let proof = can.told_checksum.unwrap_or(Algorithm::Crc64Nvme);
    if !verify || can.verified_writes || written.checksums.get(proof).is_some() {
        return Ok(written);
    }
    let mut read = ReadRequest::default();
    read.version.clone_from(&written.version);
    let mut answer = inner.read(key, &read).await.map_err(Error::maybe_applied)?;
    let mut hasher = proof.hasher();
    while let Some(chunk) = answer.body.next().await {
        hasher.update(&chunk.map_err(Error::maybe_applied)?);
    }
    written.checksums.insert(hasher.finish());
    Ok(written)
}

fn of_deletes(key: &Key, targets: &[DeleteTarget], deleted: &Result<Vec<Result<()>>>) -> Outcome {
    let answers = targets.iter().enumerate().filter(|(_, target)| target.key == *key);
    let mut outcomes = answers.map(|(at, target)| match deleted {
        Ok(results) => of_delete(target, results.get(at)),
        Err(error) if error.may_have_been_applied() => Outcome::Doubtful,
        Err(_) => Outcome::Unchanged,
    });
    let first = outcomes.next().unwrap_or(Outcome::Doubtful);
    if outcomes.all(|outcome| outcome == first) { first } else { Outcome::Doubtful }
}

fn of_delete(target: &DeleteTarget, deleted: Option<&Result<()>>) -> Outcome {
    match deleted {
        // Where a version goes another one may be the object now.
        Some(Ok(())) if target.version.is_none() => Outcome::Gone,
        Some(Err(error)) if !error.may_have_been_applied() => Outcome::Unchanged,
        _ => Outcome::Doubtful,
    }
}

/// A backend whose objects wait for a [`Receiver`]. [`channel`](crate::channel) makes a store of one.
///
/// Writes wait for room here, so a `Store` around it needs [timeouts](storage_core::Timeouts) that bear that.
#[derive(Debug)]
pub struct Channel {
    inner: Arc<dyn Backend>,
    open: Arc<Open>,
}

impl Channel {
    /// Both ends. What stands in `inner` already waits first, in the order of the listing.
    ///
    /// # Errors
    /// Those of listing it.
    pub async fn open(inner: Arc<dyn Backend>, capacity: Capacity) -> Result<(Self, Receiver)> {
        let waiting = Arc::new(Waiting::new(capacity));
        let receiver = Receiver::new(Store::from_arc(inner.clone()), waiting.clone());
        receiver.look(|waiting, object| waiting.found(&object.key, object.metadata.size)).await?;
        Ok((Self { inner, open: Arc::new(Open(waiting)) }, receiver))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for Channel {
    fn name(&self) -> &str {
        "channel"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = self.inner.capabilities();
        // What they make has to wait for room, as any write: `Store` makes them of writes.
        can.copy = Level::None;
        can.rename = Level::None;
        // Whoever has a signed request writes past the channel.
        can.signed_urls = None;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        self.inner.stat(key, request)
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        self.inner.read(key, request)
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let size = body.len();
            let mut claim = self.open.0.enter(vec![key.clone()], Some(size)).await?;
            let (inner, key, request) = (self.inner.clone(), key.clone(), request.clone());
            to_its_end(async move {
                let write = async {
                    let written = inner.write(&key, body, &request).await?;
                    proven(&*inner, &key, request.verify, written).await
                };
                let written = within(patience(size), write).await;
                claim.outcome(of_write(&written, size));
                written
            })
            .await
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            let upload = within(patience(0), self.inner.upload(key, request)).await?.into();
            let (inner, open, key) = (self.inner.clone(), self.open.clone(), key.clone());
            let upload: Box<dyn Upload> =
                Box::new(Sending { upload, inner, open, key, verify: request.verify });
            Ok(upload)
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
        Box::pin(async move {
            let keys: BTreeSet<&Key> = targets.iter().map(|target| &target.key).collect();
            let mut claim = self.open.0.enter(keys.into_iter().cloned().collect(), None).await?;
            let (inner, targets) = (self.inner.clone(), targets.to_vec());
            to_its_end(async move {
                let deleted = within(patience(0), inner.delete(&targets)).await;
                claim.outcomes(|key| of_deletes(key, &targets, &deleted));
                deleted
            })
            .await
        })
    }

    fn copy<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a CopyRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(std::future::ready(Err(Error::unsupported("a copy through a channel is a write"))))
    }

    fn copy_from<'a>(
        &'a self,
        _: &'a dyn Backend,
        _: &'a [CopyTarget],
        _: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn rename<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("a rename in a channel is a write"))))
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

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(std::future::ready(Err(Error::unsupported("a signed request would write past the channel"))))
    }
}

/// A write in parts, which waits for room when all of it is there: two that each wait for the other's room would wait for ever.
#[derive(Debug)]
struct Sending {
    upload: Arc<dyn Upload>,
    inner: Arc<dyn Backend>,
    open: Arc<Open>,
    key: Key,
    verify: bool,
}

#[deny(clippy::missing_trait_methods)]
impl Upload for Sending {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(within(patience(part.body.len()), self.upload.part(part)))
    }

    fn takes_parts_twice(&self) -> bool {
        self.upload.takes_parts_twice()
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move {
            let mut claim = self.open.0.enter(vec![self.key.clone()], Some(size)).await?;
            let (upload, inner, key, verify) =
                (self.upload.clone(), self.inner.clone(), self.key.clone(), self.verify);
            to_its_end(async move {
                let write = async {
                    let written = upload.finish(size).await?;
                    proven(&*inner, &key, verify, written).await
                };
                let written = within(finishing() + patience(size), write).await;
                claim.outcome(of_write(&written, size));
                written
            })
            .await
        })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, number: u64) -> String {
        self.upload.receipt(number)
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(within(finishing(), self.upload.abort()))
    }
}

//! One upload in parts, whoever makes the parts: begun once, each part sent until it is taken, finished or given up.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Store;
use super::hedged::first_success;
use crate::backend::{BoxFuture, Part, Resumed, Upload};
use crate::checksum::Checksums;
use crate::error::{Error, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::WriteRequest;
use crate::progress::Event;
use crate::retry::Repeat;
use crate::transfer::{Record, Usual};

/// Sends parts of one upload.
#[derive(Debug)]
pub(super) struct Sender {
    store: Store,
    name: Key,
    upload: Arc<dyn Upload>,
    tail: Arc<Tail>,
}

/// The end of an upload, where nothing is left to do but to wait for its last parts.
#[derive(Debug, Default)]
struct Tail {
    begun: watch::Sender<bool>,
    usual: Mutex<Usual>,
}

impl Tail {
    /// Waits until a part that was sent at `sent` is late, which none is before the end of its upload.
    async fn late(&self, sent: Instant) {
        // Cannot fail: the other end is here.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
        let late = self.usual().late_after();
        match late {
            Some(late) => tokio::time::sleep_until(sent + late).await,
            None => std::future::pending().await,
        }
    }

    fn usual(&self) -> MutexGuard<'_, Usual> {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Sends one part until it is taken.
    pub(super) async fn part(&self, part: Part) -> Result<()> {
        let (store, count) = (&self.store, part.body.len());
        store.bytes_allowed(count).await;
        let limit = Some(store.shared.timeouts.for_body(count));
        let sent = Instant::now();
        let send = || -> BoxFuture<'_, Result<()>> { Box::pin(self.hedged(part.clone())) };
        store.attempt(Operation::Write, Repeat::Idempotent, limit, send).await?;
        self.tail.usual().note(sent.elapsed());
        store.shared.hedge.earn();
        store.shared.progress.event(Event::Bytes { operation: Operation::Write, key: &self.name, count });
        Ok(())
    }

    /// Sends a part; if it is late at the end of an upload, once more beside it.
    async fn hedged(&self, part: Part) -> Result<()> {
        if !self.store.may_hedge() || !self.upload.takes_parts_twice() {
            return self.upload.part(part).await;
        }
        let first = self.upload.part(part.clone());
        let first = match select(first, pin!(self.tail.late(Instant::now()))).await {
            Either::Left((done, _)) => return done,
            Either::Right(((), first)) => first,
        };
        if !self.store.may_ask_again() {
            return first.await;
        }
        first_success(first, self.upload.part(part)).await
    }

    /// What another process needs to know of a part.
    pub(super) fn receipt(&self, number: u64) -> String {
        self.upload.receipt(number)
    }

    /// The error of a write as its caller is to see it.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.store.explain(error, Operation::Write, self.name.as_str())
    }
}

/// An upload that was begun. Dropped without an end, it is given up in the background.
#[derive(Debug)]
pub(super) struct Sink {
    store: Store,
    name: Key,
    key: Key,
    request: WriteRequest,
    upload: Option<Arc<dyn Upload>>,
    tail: Arc<Tail>,
    /// It is to outlive this process, unless it is given up.
    kept: bool,
}

impl Sink {
    /// Begins an upload. One begun twice is two uploads: the lost one shows nothing and is removed by a clean-up.
    pub(super) async fn begin(store: &Store, name: &Key, key: &Key, request: &WriteRequest) -> Result<Self> {
        let begun = store.attempt_upload(|| store.backend().upload(key, request)).await?;
        Ok(Self::of(store, name, key, request, begun))
    }

    fn of(store: &Store, name: &Key, key: &Key, request: &WriteRequest, upload: Box<dyn Upload>) -> Self {
        Self {
            store: store.clone(),
            name: name.clone(),
            key: key.clone(),
            request: request.clone(),
            upload: Some(Arc::from(upload)),
            tail: Arc::default(),
            kept: false,
        }
    }

    /// Goes on with a kept upload, if it is still there: with the numbers of the parts that stand.
    pub(super) async fn resume(
        store: &Store,
        name: &Key,
        key: &Key,
        request: &WriteRequest,
        kept: &Record,
    ) -> Result<Option<(Self, Vec<u64>)>> {
        // What was taken may have to be read back.
        let limit = Some(store.shared.timeouts.work);
        let ask = || store.backend().resume(key, request, &kept.upload, &kept.taken);
        let found = store.attempt(Operation::Write, Repeat::Idempotent, limit, ask).await?;
        let Some(Resumed { upload, parts }) = found else { return Ok(None) };
        Ok(Some((Self::of(store, name, key, request, upload), parts)))
    }

    /// Lets the upload outlive this process. Gives its name, if that can be.
    pub(super) fn keep(&mut self) -> Option<String> {
        let name = self.upload().keep();
        self.kept = name.is_some();
        name
    }

    /// What sends parts, for a task of its own.
    pub(super) fn sender(&self) -> Sender {
        Sender {
            store: self.store.clone(),
            name: self.name.clone(),
            upload: self.upload(),
            tail: self.tail.clone(),
        }
    }

    /// Tells that all parts are on their way.
    pub(super) fn ends(&self) {
        self.tail.begun.send_replace(true);
    }

    /// Publishes. No part may be in flight.
    pub(super) async fn finish(&mut self, size: u64, checksums: Checksums) -> Result<Metadata> {
        let (store, upload) = (&self.store, self.upload());
        let repeat = store.write_repeat(&self.request);
        let limit = Some(store.shared.timeouts.work);
        let sent = store.attempt(Operation::Write, repeat, limit, || upload.finish(size)).await;
        let metadata = store.settle(&self.key, &self.request, sent).await?;
        // What is published cannot be given up any more.
        self.upload = None;
        store.accept(&self.name, &self.request, metadata, size, checksums).await
    }

    /// Gives the upload up. No part may be in flight.
    pub(super) async fn abort(&mut self) -> Result<()> {
        match self.upload.take() {
            // What is left behind costs the user money: an abort is worth several tries.
            Some(upload) => self.store.attempt_upload(|| upload.abort()).await,
            None => Ok(()),
        }
    }

    /// Gives the upload up once `before` is over, without anybody waiting.
    pub(super) fn abort_behind(&mut self, before: impl Future<Output = ()> + Send + 'static) {
        if self.kept {
            return;
        }
        // Without a runtime the upload is only dropped: a backend removes what it can, a clean-up the rest.
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                before.await;
                let _ = upload.abort().await;
            });
        }
    }

    fn upload(&self) -> Arc<dyn Upload> {
        self.upload.clone().expect("because nothing is asked of an upload that was finished or given up")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.abort_behind(std::future::ready(()));
    }
}

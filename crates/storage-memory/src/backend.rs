//! The backend: each request is one step on the state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, ErrorKind, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix,
    ReadRequest, ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target,
    Upload, WriteRequest, body,
};

use crate::list::MemoryLister;
use crate::state::State;
use crate::upload::MemoryUpload;

/// A body comes in pieces of this size, so that what works on memory works on a stream.
const CHUNK: usize = 64 << 10;

/// Objects in memory. A clone shares them.
#[derive(Clone, Debug)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

impl Memory {
    /// An empty store that keeps versions.
    pub fn new() -> Self {
        Self::with_versions(true)
    }

    /// An empty store that keeps the newest version only.
    pub fn unversioned() -> Self {
        Self::with_versions(false)
    }

    fn with_versions(keep_versions: bool) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(keep_versions))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("because no holder of the lock panics")
    }

    fn read_now(&self, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
        let state = self.state();
        let stored = state.find(key.as_str(), request.version.as_ref())?;
        if request.conditions.if_match.is_some() && stored.metadata.etag != request.conditions.if_match {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"));
        }
        let range = request.range.resolve(stored.metadata.size)?;
        let wanted = if range.is_empty() {
            Bytes::new()
        } else {
            stored.body.slice(range.start as usize..range.end as usize)
        };
        let pieces = (0..wanted.len()).step_by(CHUNK);
        let chunks: Vec<Bytes> = pieces.map(|at| wanted.slice(at..wanted.len().min(at + CHUNK))).collect();
        Ok(ReadResponse::new(stored.metadata.clone(), range, body(chunks)))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

fn ready<'a, T: Send + 'a>(result: Result<T>) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(result))
}

impl Backend for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = Durability::Process;
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Atomic;
        can.delete_if_match = Level::Atomic;
        can.copy = Level::Atomic;
        can.rename = Level::Atomic;
        can.list_sorted = true;
        can.list_delimiter = true;
        can.list_start_after = true;
        can.versions = self.state().keep_versions;
        can.delete_markers = can.versions;
        can.user_metadata = true;
        can.content_headers = true;
        can.set_modified = true;
        can.modified_precision = Some(Duration::from_nanos(1));
        can.unix_attributes = true;
        can.symlinks = true;
        can.directories = true;
        can.write_token = true;
        can.cleanup = true;
        can.limits.delete_batch = 1000;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        ready(self.state().find(key.as_str(), request.version.as_ref()).map(|s| s.metadata.clone()))
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        ready(self.read_now(key, request))
    }

    // Changes happen when the future runs, not when it is made: a future dropped unpolled has done nothing.
    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { self.state().put(key.as_str(), body.into_bytes(), request) })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        ready(Ok(Box::new(MemoryUpload {
            state: self.state.clone(),
            key: key.clone(),
            request: request.clone(),
            parts: Mutex::new(BTreeMap::new()),
        })))
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
        Box::new(MemoryLister::new(self.state.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move { Ok(targets.iter().map(|target| self.state().delete(target)).collect()) })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { self.state().copy(from.as_str(), to.as_str(), request) })
    }

    fn copy_from<'a>(
        &'a self,
        _: &'a dyn Backend,
        _: &'a [CopyTarget],
        _: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.state().rename(from.as_str(), to.as_str(), condition) })
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.state().update(target, change) })
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.state().create_dir(directory.as_str());
            Ok(())
        })
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.state().remove_dir(directory.as_str()) })
    }

    fn cleanup<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        // Parts belong to their upload and go with it: nothing can be left behind.
        ready(Ok(CleanupReport::default()))
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(std::future::ready(Err(Error::unsupported("memory has no URLs to sign"))))
    }
}

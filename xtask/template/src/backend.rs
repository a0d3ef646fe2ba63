//! The backend. Replace the map by requests to your service, one method at a time; the suite stays green on the way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use storage_core::{Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget, DeleteTarget, ETag, Error, ErrorKind, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest, ReadResponse, Result, Resumed, StatRequest, TakenPart, Target, Upload, WriteRequest, body, SignRequest, SignedRequest};

use crate::list::TemplateLister;
use crate::upload::TemplateUpload;

/// A stored object: its bytes and what a stat tells of it.
pub(crate) type Stored = (Payload, Metadata);

/// Objects on template. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Template {
    objects: Arc<Mutex<BTreeMap<Key, Stored>>>,
    writes: Arc<AtomicU64>,
}

impl Template {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Stored>> {
        self.objects.lock().expect("because no holder of the lock panics")
    }

    fn find(&self, key: &Key) -> Result<Stored> {
        let found = self.objects().get(key).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object"))
    }

    pub(crate) fn put(&self, key: &Key, body: Payload) -> Metadata {
        let mut metadata = Metadata::new(body.len());
        metadata.modified = Some(SystemTime::now());
        // An ETag names the content; a real service gives one. Not the time: two writes may share a tick of the clock.
        metadata.etag = Some(ETag::new(format!("{:x}", self.writes.fetch_add(1, Ordering::Relaxed))));
        // In one piece: each read of a range would else put the whole together.
        let body = Payload::from(body.into_bytes());
        self.objects().insert(key.clone(), (body, metadata.clone()));
        metadata
    }
}

impl Backend for Template {
    fn name(&self) -> &str {
        "template"
    }

    // Declare a capability when the service keeps it, never earlier: the suite then proves it.
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.list_sorted = true;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { Ok(self.find(key)?.1) })
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(async move {
            let (content, metadata) = self.find(key)?;
            if request.conditions.if_match.is_some() && request.conditions.if_match != metadata.etag {
                return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"));
            }
            let range = request.range.resolve(metadata.size)?;
            let bytes = content.into_bytes().slice(range.start as usize..range.end as usize);
            Ok(ReadResponse::new(metadata, range, body([bytes])))
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        _: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move { Ok(self.put(key, body)) })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        _: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            Ok(Box::new(TemplateUpload::new(self.clone(), key.clone())) as Box<dyn Upload>)
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
        Box::new(TemplateLister::new(self.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let remove = |target: &DeleteTarget| {
                self.objects().remove(&target.key);
                Ok(())
            };
            Ok(targets.iter().map(remove).collect())
        })
    }

    // What is not declared is never called; it says so all the same.

    fn copy<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a CopyRequest) -> BoxFuture<'a, Result<Metadata>> {
        refuse("copy")
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
        refuse("rename")
    }

    fn update<'a>(&'a self, _: &'a Target, _: &'a Change) -> BoxFuture<'a, Result<()>> {
        refuse("update")
    }

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        refuse("create directories")
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        refuse("remove directories")
    }

    fn cleanup<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        refuse("clean up")
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        refuse("sign")
    }
}

fn refuse<'a, T: Send + 'a>(what: &'static str) -> BoxFuture<'a, Result<T>> {
    Box::pin(async move { Err(Error::unsupported(format!("template cannot {what}"))) })
}

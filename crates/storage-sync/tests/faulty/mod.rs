//! A store that has lost an object after it listed it.

use std::sync::Arc;

use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, DeleteTarget, Error,
    ErrorKind, Key, Layer, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest, ReadResponse, Result,
    StatRequest, Target, Upload, WriteRequest,
};

/// The object that cannot be read.
#[derive(Debug)]
pub(crate) struct Vanishing(pub(crate) Key);

impl Layer for Vanishing {
    fn wrap(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Faulty { gone: self.0.clone(), inner })
    }
}

#[derive(Debug)]
struct Faulty {
    gone: Key,
    inner: Arc<dyn Backend>,
}

#[deny(clippy::missing_trait_methods)]
impl Backend for Faulty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        self.inner.stat(key, request)
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        if *key == self.gone {
            return Box::pin(async { Err(Error::new(ErrorKind::NotFound, "it vanished")) });
        }
        self.inner.read(key, request)
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        self.inner.write(key, body, request)
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        self.inner.upload(key, request)
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
}

//! A layer that hides capabilities, so that `Store` refuses or emulates on any backend.

use std::sync::Arc;

use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Key, Layer, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest,
    ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target, Upload,
    WriteRequest,
};

/// What is hidden.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mask {
    /// What `Store` can do in the backend's place.
    Emulated,
    /// Everything that can be refused.
    Everything,
}

impl Mask {
    fn hide(self, mut can: Capabilities) -> Capabilities {
        if let Self::Everything = self {
            let mut bare = Capabilities::none();
            bare.publish = can.publish;
            bare.limits = can.limits;
            return bare;
        }
        can.copy = Level::None;
        can.rename = Level::None;
        can.list_delimiter = false;
        can.list_start_after = false;
        // Everything longer than a part travels in ranges and parts, and batches are small.
        can.limits.write_max = can.limits.part_min.max(64 << 10);
        can.limits.part_preferred = can.limits.write_max;
        can.limits.range_preferred = can.limits.write_max;
        can.limits.delete_batch = can.limits.delete_batch.min(2);
        can
    }
}

impl Layer for Mask {
    fn wrap(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let capabilities = self.hide(inner.capabilities());
        Arc::new(Masked { inner, capabilities })
    }
}

#[derive(Debug)]
struct Masked {
    inner: Arc<dyn Backend>,
    capabilities: Capabilities,
}

#[deny(clippy::missing_trait_methods)]
impl Backend for Masked {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
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
        self.inner.write(key, body, request)
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        self.inner.upload(key, request)
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

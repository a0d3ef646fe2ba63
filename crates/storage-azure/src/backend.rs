//! The backend: capabilities, and each method's way to its own file.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest,
    ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target, Upload,
    WriteRequest,
};

use crate::auth::Auth;
use crate::client::Service;
use crate::config::Config;
use crate::list::AzureLister;
use crate::{copy, delete, read, sas, sign, upload, write};

/// The most blocks of a blob, and the most of one.
const BLOCKS_MAX: u64 = 50_000;
const BLOCK_MAX: u64 = 4000 << 20;

/// Ranges of a large object: long enough that a request is nothing beside its bytes.
const RANGE: u64 = 8 << 20;
/// A container.
#[derive(Clone)]
pub struct Azure(Arc<Container>);

/// What all requests share.
pub(crate) struct Container {
    pub(crate) service: Service,
    pub(crate) config: Config,
}

impl Azure {
    /// Opens a container. Credentials are looked for, but nothing is asked of the service yet.
    ///
    /// # Errors
    /// `InvalidConfig` for an account, endpoint, key or certificate file that cannot be used, `Unauthenticated` for
    /// credentials that cannot.
    pub async fn open(config: Config) -> Result<Self> {
        let (service, config) = Service::new(config)?;
        Ok(Self(Arc::new(Container { service, config })))
    }

    pub(crate) fn container(&self) -> &Container {
        &self.0
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Azure").field(&self.0.config).finish()
    }
}

impl Backend for Azure {
    fn name(&self) -> &str {
        "azure"
    }

    fn capabilities(&self) -> Capabilities {
        let container = &self.0;
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = Durability::Stable;
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Atomic;
        can.delete_if_match = Level::Atomic;
        can.copy = Level::Atomic;
        can.list_sorted = container.config.sorted;
        can.list_delimiter = true;
        can.versions = container.config.versions;
        can.user_metadata = true;
        can.content_headers = true;
        can.modified_precision = Some(Duration::from_secs(1));
        can.write_token = true;
        let signs = matches!(container.service.auth, Auth::Key(_) | Auth::Token(_));
        can.signed_urls = signs.then_some(sas::LONGEST);
        let part = container.config.part_size.clamp(1, BLOCK_MAX);
        can.limits.range_preferred = RANGE;
        can.limits.write_max = part;
        can.limits.part_min = 1;
        can.limits.part_max = BLOCK_MAX;
        can.limits.part_preferred = part;
        can.limits.parts_max = BLOCKS_MAX;
        can.limits.delete_batch = 100;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(read::stat(&self.0, key, request))
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(read::read(&self.0, key, request))
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(write::write(&self.0, key, body, request))
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(std::future::ready(upload::start(&self.0, key, request)))
    }

    fn resume<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
        _: &'a str,
        parts: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(upload::resume(&self.0, key, request, parts))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(AzureLister::new(self.0.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(delete::delete(&self.0, targets))
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        let from = copy::From { container: &self.0, key: from };
        Box::pin(copy::copy(&self.0, from, to, request))
    }

    fn copy_from<'a>(
        &'a self,
        source: &'a dyn Backend,
        copies: &'a [CopyTarget],
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        let source = (source as &dyn Any).downcast_ref::<Self>();
        Box::pin(async move {
            let Some(source) = source.filter(|source| source.0.config.shares_service(&self.0.config)) else {
                return Ok(None);
            };
            let mut done = Vec::with_capacity(copies.len());
            for CopyTarget { from, to, .. } in copies {
                let from = copy::From { container: &source.0, key: from };
                done.push(copy::copy(&self.0, from, to, request).await);
            }
            Ok(Some(done))
        })
    }

    fn rename<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Azure Blob Storage has no rename"))))
    }

    fn update<'a>(&'a self, _: &'a Target, _: &'a Change) -> BoxFuture<'a, Result<()>> {
        let message = "Azure Blob Storage sets times itself and has no permissions of files";
        Box::pin(std::future::ready(Err(Error::unsupported(message))))
    }

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Azure Blob Storage has no directories"))))
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Azure Blob Storage has no directories"))))
    }

    fn cleanup<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        let message = "Azure drops unfinished uploads by itself, after a week, and has no request that would";
        Box::pin(std::future::ready(Err(Error::unsupported(message))))
    }

    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(sign::presign(&self.0, key, request))
    }
}

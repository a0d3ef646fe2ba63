//! The backend: capabilities, and each method's way to its own file.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use storage_core::{
    Algorithm, Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest,
    ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target, Upload,
    WriteRequest,
};

use crate::client::{Service, customer_headers};
use crate::config::{Config, Uploads};
use crate::list::GcsLister;
use crate::{cleanup, compose, copy, delete, name, read, resumable, sign, write};

/// The largest object, and with that the largest part.
const OBJECT_MAX: u64 = 5 << 40;
/// What parts put together may be at most.
const PIECES_MAX: u64 = 10_000;
/// Ranges of a large object: long enough that a request is nothing beside its bytes.
const RANGE: u64 = 8 << 20;
/// The longest that a signature may hold.
const SIGNED_URLS: Duration = Duration::from_secs(7 * 24 * 3600);

/// A bucket.
#[derive(Clone)]
pub struct Gcs(Arc<Bucket>);

/// What all requests share.
pub(crate) struct Bucket {
    pub(crate) service: Service,
    pub(crate) config: Config,
    /// Uploads of this process that still go on, by their tokens.
    uploads: Mutex<HashSet<String>>,
}

impl Gcs {
    /// Opens a bucket. Credentials are looked for, but nothing is asked of the service yet. Needs a tokio runtime, which
    /// has to live as long as the backend: tokens are renewed on it.
    ///
    /// # Errors
    /// `InvalidConfig` for an endpoint, key or certificate file that cannot be used, `Unauthenticated` for credentials
    /// that cannot.
    pub async fn open(config: Config) -> Result<Self> {
        config.check()?;
        let service = Service::new(&config)?;
        Ok(Self(Arc::new(Bucket { service, config, uploads: Mutex::default() })))
    }
}

impl fmt::Debug for Gcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gcs").field(&self.0.config).finish()
    }
}

impl Bucket {
    /// The path of an object in the JSON interface.
    pub(crate) fn object(&self, key: &Key) -> String {
        format!("/storage/v1/b/{}/o/{}", name::encode(&self.config.bucket), name::encode(key.as_str()))
    }

    /// The customer's own key, if there is one, for requests that touch content.
    pub(crate) fn customer(&self) -> HeaderMap {
        customer_headers(self.config.customer_key.as_ref(), false)
    }

    /// Whether this upload is one of this process that still goes on.
    pub(crate) fn is_ongoing(&self, token: &str) -> bool {
        self.uploads.lock().expect("because no holder of the lock panics").contains(token)
    }

    /// Whether there is something to sign with, and nothing that its holder would have to be given as well: a
    /// customer's own key goes with every request.
    fn signs(&self) -> bool {
        self.service.auth.signer().is_some() && self.config.customer_key.is_none()
    }
}

/// An upload that goes on, until this goes: then nobody writes to it any more, and a clean-up may take it.
pub(crate) struct Ongoing {
    bucket: Arc<Bucket>,
    token: String,
}

impl Ongoing {
    pub(crate) fn new(bucket: &Arc<Bucket>, token: &str) -> Self {
        bucket.uploads.lock().expect("because no holder of the lock panics").insert(token.to_owned());
        Self { bucket: bucket.clone(), token: token.to_owned() }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.bucket.uploads.lock().expect("because no holder of the lock panics").remove(&self.token);
    }
}

impl Backend for Gcs {
    fn name(&self) -> &str {
        "gcs"
    }

    fn capabilities(&self) -> Capabilities {
        let bucket = &self.0;
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = Durability::Stable;
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Atomic;
        can.delete_if_match = Level::Atomic;
        can.copy = Level::Atomic;
        can.list_sorted = true;
        can.list_delimiter = true;
        can.list_start_after = true;
        can.versions = bucket.config.versions;
        can.user_metadata = true;
        can.content_headers = true;
        can.modified_precision = Some(Duration::from_secs(1));
        can.write_token = true;
        can.told_checksum = Some(Algorithm::Crc32c);
        can.cleanup = true;
        can.signed_urls = bucket.signs().then_some(SIGNED_URLS);
        let part = bucket.config.part_size.clamp(resumable::QUANTUM, OBJECT_MAX);
        let part = part.next_multiple_of(resumable::QUANTUM);
        can.limits.range_preferred = RANGE;
        can.limits.write_max = part;
        can.limits.part_min = resumable::QUANTUM;
        can.limits.part_max = OBJECT_MAX;
        can.limits.part_preferred = part;
        match bucket.config.uploads {
            Uploads::Compose => can.limits.parts_max = PIECES_MAX,
            Uploads::Resumable => {
                can.limits.parts_max = OBJECT_MAX / resumable::QUANTUM;
                can.limits.parallel_parts = false;
            }
        }
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
        match self.0.config.uploads {
            Uploads::Resumable => Box::pin(resumable::start(&self.0, key, request)),
            Uploads::Compose => Box::pin(std::future::ready(compose::start(&self.0, key, request))),
        }
    }

    fn resume<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
        name: &'a str,
        parts: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        match self.0.config.uploads {
            Uploads::Resumable => Box::pin(resumable::resume(&self.0, key, request, name, parts)),
            Uploads::Compose => Box::pin(compose::resume(&self.0, key, request, name, parts)),
        }
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(GcsLister::new(self.0.clone(), request))
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
        let from = copy::From { bucket: &self.0, key: from };
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
                let from = copy::From { bucket: &source.0, key: from };
                done.push(copy::copy(&self.0, from, to, request).await);
            }
            Ok(Some(done))
        })
    }

    fn rename<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Google Cloud Storage renames by copying"))))
    }

    fn update<'a>(&'a self, _: &'a Target, _: &'a Change) -> BoxFuture<'a, Result<()>> {
        let message = "Google Cloud Storage sets times itself and has no permissions of files";
        Box::pin(std::future::ready(Err(Error::unsupported(message))))
    }

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Google Cloud Storage has no directories"))))
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("Google Cloud Storage has no directories"))))
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        Box::pin(cleanup::cleanup(&self.0, prefix))
    }

    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(sign::presign(&self.0, key, request))
    }
}

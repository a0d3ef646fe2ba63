//! The backend: capabilities, and each method's way to its own file.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::Client;
use storage_core::{
    Algorithm, Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest,
    ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target, Upload,
    WriteRequest,
};

use crate::checksum::{Custom, Customs};
use crate::config::{ChecksumMode, Conditions, Config, Credentials, Encryption};
use crate::list::S3Lister;
use crate::wire::Wire;
use crate::{cleanup, client, copy, delete, read, sign, upload, write};

/// What a part may have; the last one, less. One request may write as much as a part.
const PART_MIN: u64 = 5 << 20;
const PART_MAX: u64 = 5 << 30;
/// Ranges of a large object: long enough that a request is nothing beside its bytes.
const RANGE: u64 = 8 << 20;
/// The longest that signature version 4 allows.
const SIGNED_URLS: Duration = Duration::from_secs(7 * 24 * 3600);

/// A bucket.
#[derive(Clone)]
pub struct S3(Arc<Bucket>);

/// What all requests share.
pub(crate) struct Bucket {
    /// For what is rare.
    pub(crate) client: Client,
    /// For what every object needs.
    pub(crate) wire: Wire,
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) conditions: Conditions,
    /// Whether every object travels with its CRC-64/NVME.
    pub(crate) checksums: Customs,
    /// Whether the signature of a request covers its body.
    pub(crate) signs_bodies: bool,
    /// Set once the service has said that it deletes one key at a time.
    pub(crate) single_deletes: AtomicBool,
    /// Uploads of this process that still go on.
    pub(crate) uploads: Mutex<HashSet<String>>,
}

impl S3 {
    /// Opens a bucket. Credentials are looked for, but nothing is asked of the service yet.
    ///
    /// # Errors
    /// `InvalidConfig` for an endpoint or certificate file that cannot be used.
    pub async fn open(config: Config) -> Result<Self> {
        let service = client::connect(&config).await?;
        let default = if service.is_aws { Conditions::ALL } else { Conditions::NONE };
        let checksums = match config.checksums {
            ChecksumMode::Auto if !service.is_aws => Customs::new(Custom::perhaps),
            ChecksumMode::Auto | ChecksumMode::Crc64Nvme => Customs::new(Custom::always),
            ChecksumMode::Off => Customs::new(Custom::never),
        };
        Ok(Self(Arc::new(Bucket {
            client: service.client,
            wire: service.wire,
            name: config.bucket.clone(),
            conditions: config.conditions.unwrap_or(default),
            checksums,
            // Where requests travel encrypted, that adds nothing.
            signs_bodies: config.sign_bodies.unwrap_or(!service.is_tls),
            config,
            single_deletes: AtomicBool::new(false),
            uploads: Mutex::default(),
        })))
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.0.config).finish()
    }
}

impl Bucket {
    /// The newest version unless another is asked for; none where the bucket keeps none.
    pub(crate) fn versions(&self) -> bool {
        self.config.versions
    }

    /// Whether there is something to sign with, and nothing that its holder would have to be given as well: a
    /// customer's own key goes with every request.
    fn signs(&self) -> bool {
        !matches!(self.config.credentials, Credentials::Anonymous)
            && !matches!(self.config.encryption, Encryption::Customer(_))
    }
}

/// An upload that goes on, until this goes: then nobody writes to it any more, and a clean-up may take it.
pub(crate) struct Ongoing {
    bucket: Arc<Bucket>,
    pub(crate) id: String,
}

impl Ongoing {
    pub(crate) fn new(bucket: &Arc<Bucket>, id: &str) -> Self {
        bucket.uploads.lock().expect("because no holder of the lock panics").insert(id.to_owned());
        Self { bucket: bucket.clone(), id: id.to_owned() }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.bucket.uploads.lock().expect("because no holder of the lock panics").remove(&self.id);
    }
}

fn level(kept: bool) -> Level {
    if kept { Level::Atomic } else { Level::None }
}

impl Backend for S3 {
    fn name(&self) -> &str {
        "s3"
    }

    fn capabilities(&self) -> Capabilities {
        let bucket = &self.0;
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = Durability::Stable;
        can.create_if_absent = level(bucket.conditions.create);
        can.replace_if_match = level(bucket.conditions.replace);
        can.delete_if_match = level(bucket.conditions.delete);
        can.copy = Level::Atomic;
        can.list_sorted = bucket.config.sorted;
        can.list_delimiter = true;
        // In another order, what comes after a name is for `Store` to tell.
        can.list_start_after = bucket.config.sorted;
        can.versions = bucket.versions();
        can.delete_markers = bucket.versions();
        can.user_metadata = true;
        can.content_headers = true;
        can.modified_precision = Some(Duration::from_secs(1));
        can.write_token = true;
        can.told_checksum = bucket.checksums.are_tried().then_some(Algorithm::Crc64Nvme);
        can.cleanup = true;
        can.signed_urls = bucket.signs().then_some(SIGNED_URLS);
        let part = bucket.config.part_size.clamp(PART_MIN, PART_MAX);
        can.limits.range_preferred = RANGE;
        can.limits.write_max = part;
        can.limits.part_min = PART_MIN;
        can.limits.part_max = PART_MAX;
        can.limits.part_preferred = part;
        can.limits.parts_max = 10_000;
        can.limits.delete_batch = 1000;
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
        Box::pin(upload::start(&self.0, key, request))
    }

    fn resume<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
        name: &'a str,
        parts: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(upload::resume(&self.0, key, request, name, parts))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(S3Lister::new(self.0.clone(), request))
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
        let from = copy::From { bucket: &self.0, key: from, seen: None };
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
            for target in copies {
                let seen = target.size.zip(target.etag.as_ref());
                let from = copy::From { bucket: &source.0, key: &target.from, seen };
                done.push(copy::copy(&self.0, from, &target.to, request).await);
            }
            Ok(Some(done))
        })
    }

    fn rename<'a>(&'a self, _: &'a Key, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("S3 has no rename"))))
    }

    fn update<'a>(&'a self, _: &'a Target, _: &'a Change) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("S3 sets times itself and has no permissions"))))
    }

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("S3 has no directories"))))
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Err(Error::unsupported("S3 has no directories"))))
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        Box::pin(cleanup::cleanup(&self.0, prefix))
    }

    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(sign::presign(&self.0, key, request))
    }
}

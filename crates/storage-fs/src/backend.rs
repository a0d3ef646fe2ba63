//! The backend: each request is one step on a blocking thread.

use std::any::Any;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, FileKind, Key, KeyPath, Level, ListRequest, Lister, Metadata, Payload,
    Prefix, ReadRequest, ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart,
    Target, Upload, WriteRequest,
};

use crate::blocking::Cancel;
use crate::config::{Config, Symlinks};
use crate::list::FsLister;
use crate::root::Root;
use crate::stage::Staged;
use crate::upload::FsUpload;
use crate::{attributes, blocking, change, cleanup, copy, link, read};

/// A local directory as a store. A clone shares it.
#[derive(Clone, Debug)]
pub struct Fs {
    root: Arc<Root>,
    has_xattrs: bool,
}

impl Fs {
    /// Opens a root directory.
    ///
    /// # Errors
    /// `NotFound` if it is missing and not to be made; `InvalidInput` if it is no directory; `PermissionDenied`.
    pub fn open(config: Config) -> Result<Self> {
        let root = Root::open(config)?;
        let has_xattrs = attributes::supported(root.fd().as_fd());
        Ok(Self { root: Arc::new(root), has_xattrs })
    }

    /// The root as it was given.
    pub fn root(&self) -> &Path {
        &self.root.config.root
    }

    /// Runs one step on a blocking thread. Nothing happens before the future is polled.
    fn run<'a, T: Send + 'static>(
        &self,
        step: impl FnOnce(Arc<Root>, &Cancel) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'a, Result<T>> {
        let root = self.root.clone();
        Box::pin(async move { blocking::run(move |cancel| step(root, cancel)).await })
    }
}

impl Backend for Fs {
    fn name(&self) -> &str {
        "fs"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = if self.root.config.fsync { Durability::Stable } else { Durability::System };
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Emulated;
        can.delete_if_match = Level::Emulated;
        can.copy = Level::Atomic;
        can.rename = Level::Atomic;
        can.list_sorted = true;
        can.list_delimiter = true;
        can.list_start_after = true;
        can.user_metadata = self.has_xattrs;
        can.content_headers = self.has_xattrs;
        can.set_modified = true;
        can.modified_precision = Some(Duration::from_nanos(1));
        can.unix_attributes = true;
        can.symlinks = self.root.config.symlinks == Symlinks::Preserve;
        can.directories = true;
        can.hierarchical = true;
        can.verified_writes = true;
        can.cleanup = true;
        can.limits.range_preferred = 4 << 20;
        can.limits.write_max = 8 << 20;
        can.limits.part_preferred = 1 << 20;
        can.limits.part_max = 1 << 30;
        can.limits.parts_max = u64::MAX;
        can.limits.copy_batch = 64;
        can.limits.delete_batch = 256;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        let key = key.clone();
        self.run(move |root, _| read::metadata(&root, &key))
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root, _| read::open(&root, &key, &request))
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root, cancel| match request.kind {
            FileKind::Symlink => link::write(&root, &key, &body, &request, cancel),
            _ => write_file(&root, &key, &body, &request, cancel),
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root, _| Ok(Box::new(FsUpload::start(root, key, request)?) as Box<dyn Upload>))
    }

    fn resume<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
        name: &'a str,
        parts: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        let (key, request, name, parts) = (key.clone(), request.clone(), name.to_owned(), parts.to_vec());
        self.run(move |root, cancel| crate::upload::resume(root, key, request, &name, &parts, cancel))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(FsLister::new(self.root.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        let targets = targets.to_vec();
        self.run(move |root, cancel| {
            Ok(targets.iter().map(|target| change::delete(&root, target, cancel)).collect())
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        let (from, to, request) = (from.clone(), to.clone(), request.clone());
        let has_xattrs = self.has_xattrs;
        self.run(move |root, cancel| {
            let place = copy::To { root: &root, key: &to, has_xattrs };
            copy::copy(&root, &from, place, &request, cancel)
        })
    }

    fn copy_from<'a>(
        &'a self,
        source: &'a dyn Backend,
        copies: &'a [CopyTarget],
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        let Some(source) = (source as &dyn Any).downcast_ref::<Self>() else {
            return Box::pin(std::future::ready(Ok(None)));
        };
        let (source, copies, request) = (source.root.clone(), copies.to_vec(), request.clone());
        let has_xattrs = self.has_xattrs;
        self.run(move |root, cancel| {
            let one = |target: &CopyTarget| {
                let place = copy::To { root: &root, key: &target.to, has_xattrs };
                copy::copy(&source, &target.from, place, &request, cancel)
            };
            Ok(Some(copies.iter().map(one).collect()))
        })
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        let (from, to, condition) = (from.clone(), to.clone(), condition.clone());
        self.run(move |root, cancel| change::rename(&root, &from, &to, &condition, cancel))
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        let (target, change) = (target.clone(), change.clone());
        self.run(move |root, _| change::update(&root, &target, &change))
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        let directory = directory.clone();
        self.run(move |root, _| root.make_directory(KeyPath::directory(&directory)?).map(drop))
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        let directory = directory.clone();
        self.run(move |root, _| change::remove_dir(&root, KeyPath::directory(&directory)?))
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        let prefix = prefix.clone();
        self.run(move |root, cancel| cleanup::cleanup(&root, &prefix, cancel))
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(std::future::ready(Err(Error::unsupported("a directory has no URLs to sign"))))
    }
}

fn write_file(
    root: &Root,
    key: &Key,
    body: &Payload,
    request: &WriteRequest,
    cancel: &Cancel,
) -> Result<Metadata> {
    let place = KeyPath::of(key)?;
    let staged = Staged::create(root, place, request.unix.is_some(), request.verify)?;
    staged.write_at(body, 0)?;
    staged.finish(root, place, body.len(), request, cancel)
}

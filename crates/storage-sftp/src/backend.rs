//! The backend: capabilities, and each method's way to its own file.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget,
    DeleteTarget, Durability, Error, ErrorKind, Key, KeyPath, Level, ListRequest, Lister, Metadata, Payload,
    Prefix, ReadRequest, ReadResponse, Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart,
    Target, Upload, WriteRequest,
};

use crate::attributes::{is_directory, is_link};
use crate::config::{Config, Symlinks};
use crate::error::is_missing;
use crate::list::SftpLister;
use crate::pool::Pool;
use crate::root::Root;
use crate::session::Session;
use crate::stage::Staged;
use crate::upload::SftpUpload;
use crate::{change, cleanup, copy, read};

const MIB: u64 = 1 << 20;

/// A directory on another machine.
#[derive(Clone)]
pub struct Sftp(Arc<Shared>);

/// What all operations share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) root: Root,
    /// What the server can do, as the first connection told.
    can: Extensions,
    /// Paths of unfinished files of this process.
    pub(crate) staged: Mutex<HashSet<String>>,
}

#[derive(Clone, Copy, Debug)]
struct Extensions {
    posix_rename: bool,
    hard_link: bool,
    copy: bool,
}

impl Sftp {
    /// Connects, and finds the root, which need not exist.
    ///
    /// # Errors
    /// `Unauthenticated` if host or user are not known, `Unavailable` and `TimedOut` if there is no connection,
    /// `InvalidConfig`.
    pub async fn open(config: Config) -> Result<Self> {
        let pool = Pool::new(config.clone());
        let session = pool.session().await?;
        let root = Root::find(&session, &config.root).await?;
        let sftp = session.sftp();
        let can = Extensions {
            posix_rename: sftp.support_posix_rename(),
            hard_link: sftp.support_hardlink(),
            copy: sftp.support_copy(),
        };
        drop(session);
        Ok(Self(Arc::new(Shared { config, pool, root, can, staged: Mutex::default() })))
    }
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sftp").field(&self.0.config).finish()
    }
}

impl Shared {
    /// Whether a write is synced before it is acknowledged.
    pub(crate) fn syncs(&self, session: &Session) -> bool {
        self.config.fsync && session.sftp().support_fsync()
    }
}

impl Backend for Sftp {
    fn name(&self) -> &str {
        "sftp"
    }

    fn capabilities(&self) -> Capabilities {
        let has = self.0.can;
        let level = |has: bool| if has { Level::Atomic } else { Level::None };
        let mut can = Capabilities::none();
        can.publish = if has.posix_rename { Level::Atomic } else { Level::Emulated };
        // The file may be synced; nothing in the protocol syncs the directory that names it.
        can.durability = Durability::System;
        can.create_if_absent = level(has.hard_link);
        can.copy = level(has.copy);
        can.rename = level(has.posix_rename);
        can.list_sorted = true;
        can.list_delimiter = true;
        can.list_start_after = true;
        can.set_modified = true;
        can.modified_precision = Some(Duration::from_secs(1));
        can.unix_attributes = true;
        can.directories = true;
        can.hierarchical = true;
        can.cleanup = true;
        can.limits.write_max = 4 * MIB;
        can.limits.part_preferred = 4 * MIB;
        can.limits.part_max = 256 * MIB;
        can.limits.parts_max = u64::MAX;
        can.limits.delete_batch = 64;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(read::stat(&self.0, key))
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
        Box::pin(async move {
            let staged = Staged::create(&self.0, key, request.unix).await?;
            staged.write(0, &body).await?;
            staged.publish(request, body.len()).await
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(SftpUpload::start(&self.0, key, request))
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
        Box::new(SftpLister::new(self.0.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let session = self.0.pool.session().await?;
            let deletes = targets.iter().map(|target| delete(&self.0, &session, target));
            Ok(futures_util::future::join_all(deletes).await)
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(copy::copy(&self.0, from, to, request))
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
        Box::pin(copy::rename(&self.0, from, to, condition))
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        Box::pin(change::update(&self.0, target, change))
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(change::create_dir(&self.0, directory))
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(change::remove_dir(&self.0, directory))
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        Box::pin(cleanup::cleanup(&self.0, prefix))
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(std::future::ready(Err(Error::unsupported("SFTP has no URLs to sign"))))
    }
}

async fn delete(shared: &Shared, session: &Session, target: &DeleteTarget) -> Result<()> {
    let place = KeyPath::of(&target.key)?;
    let path = shared.root.at(place.path);
    let mut fs = session.fs();
    let (confined, found) =
        tokio::join!(shared.root.confine(session, place.directory), fs.symlink_metadata(&path));
    match confined {
        Err(error) if error.kind() == ErrorKind::InvalidKey => return Ok(()),
        confined => confined?,
    }
    let found = match found {
        Err(error) if is_missing(&error) => return Ok(()),
        found => session.check(found)?,
    };
    if is_directory(&found) || (is_link(&found) && !leads_to_an_object(shared, session, &path).await) {
        return Ok(());
    }
    match fs.remove_file(&path).await {
        Err(error) if is_missing(&error) => Ok(()),
        removed => session.check(removed),
    }
}

/// Whether the link at `path` is there for this store. One that leads nowhere or outside may go, one that leads to a
/// directory is a directory.
async fn leads_to_an_object(shared: &Shared, session: &Session, path: &str) -> bool {
    shared.config.symlinks == Symlinks::Follow
        && !shared.root.follow(session, path).await.is_ok_and(|found| is_directory(&found))
}

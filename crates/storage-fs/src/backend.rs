//! The backend: each request is one step on a blocking thread.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, renameat, symlinkat, unlinkat, utimensat};
use rustix::io::Errno;
use storage_core::{
    Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, DeleteTarget,
    Durability, Error, ErrorKind, FileKind, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix,
    ReadRequest, ReadResponse, Result, StatRequest, Target, Upload, WriteRequest,
};

use crate::config::{Config, Symlinks};
use crate::error::{doing, finding, from_errno};
use crate::list::FsLister;
use crate::path::{self, Place, staged_name};
use crate::publish::{move_absent, replacing, under};
use crate::root::Root;
use crate::stage::Staged;
use crate::upload::FsUpload;
use crate::{attributes, blocking, cleanup, copy, read, stat};

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
        step: impl FnOnce(Arc<Root>) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'a, Result<T>> {
        let root = self.root.clone();
        Box::pin(async move { blocking::run(move || step(root)).await })
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
        can.cleanup = true;
        can.limits.write_max = 8 << 20;
        can.limits.part_preferred = 1 << 20;
        can.limits.part_max = 1 << 30;
        can.limits.parts_max = u64::MAX;
        can.limits.delete_batch = 256;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        let key = key.clone();
        self.run(move |root| read::metadata(&root, &key))
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root| read::open(&root, &key, &request))
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root| match request.kind {
            FileKind::Symlink => write_symlink(&root, &key, &body, &request),
            _ => write_file(&root, &key, &body, &request),
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        let (key, request) = (key.clone(), request.clone());
        self.run(move |root| Ok(Box::new(FsUpload::start(root, key, request)?) as Box<dyn Upload>))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(FsLister::new(self.root.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        let targets = targets.to_vec();
        self.run(move |root| Ok(targets.iter().map(|target| delete(&root, target)).collect()))
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        let (from, to, request) = (from.clone(), to.clone(), request.clone());
        self.run(move |root| copy::copy(&root, &from, &to, &request))
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        let (from, to, condition) = (from.clone(), to.clone(), condition.clone());
        self.run(move |root| rename(&root, &from, &to, &condition))
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        let (target, change) = (target.clone(), change.clone());
        self.run(move |root| update(&root, &target, &change))
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        let directory = directory.clone();
        self.run(move |root| root.make_directory(path::directory(&directory)?).map(drop))
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        let directory = directory.clone();
        self.run(move |root| remove_dir(&root, path::directory(&directory)?))
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        let prefix = prefix.clone();
        self.run(move |root| cleanup::cleanup(&root, &prefix))
    }
}

fn write_file(root: &Root, key: &Key, body: &Payload, request: &WriteRequest) -> Result<Metadata> {
    let place = Place::of(key)?;
    let staged = Staged::create(root, place, request.unix.is_some())?;
    staged.write_at(body, 0)?;
    staged.finish(root, place, body.len(), request)
}

/// Makes a symbolic link. Like a file it takes its name in one step.
pub(crate) fn write_symlink(
    root: &Root,
    key: &Key,
    body: &Payload,
    request: &WriteRequest,
) -> Result<Metadata> {
    if !request.attributes.is_empty() {
        return Err(Error::unsupported("a symbolic link has no attributes"));
    }
    let place = Place::of(key)?;
    let directory = root.make_directory(place.directory)?;
    let target = body.clone().into_bytes();
    let target = std::ffi::OsStr::from_bytes(&target);
    let staged = staged_name();
    let made = under(root, &directory, place.name, &request.condition, || {
        symlinkat(target, &directory, &staged).map_err(|errno| match errno {
            Errno::NOENT | Errno::INVAL => {
                Error::new(ErrorKind::InvalidInput, "a symbolic link needs a target without NUL")
            }
            errno => from_errno(errno, "make the link"),
        })?;
        set_link(&directory, &staged, request)?;
        match request.condition {
            Condition::IfAbsent => move_absent(&directory, &staged, &directory, place.name),
            _ => renameat(&directory, &staged, &directory, place.name).map_err(replacing),
        }
    });
    if let Err(error) = made {
        let _ = unlinkat(&directory, &staged, AtFlags::empty());
        return Err(error);
    }
    root.sync_directory(&directory)?;
    let found = root.stat_at(&directory, place.name).map_err(doing("stat the new link"))?;
    Ok(stat::metadata(&found))
}

fn set_link(directory: &impl AsFd, name: &str, request: &WriteRequest) -> Result<()> {
    if let (Some(unix), true) = (request.unix, request.set_owner) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(unix.uid), rustix::fs::Gid::from_raw(unix.gid));
        rustix::fs::chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(doing("set the owner"))?;
    }
    if let Some(time) = request.modified {
        utimensat(directory, name, &attributes::timestamps(time), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(doing("set the modification time"))?;
    }
    Ok(())
}

fn delete(root: &Root, target: &DeleteTarget) -> Result<()> {
    let place = Place::of(&target.key)?;
    let missing = |result: Result<(), Errno>| match result {
        // A directory is no object, and so there is none.
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(()),
        Err(errno) => Err(from_errno(errno, "remove the file")),
    };
    let directory = match root.parent(place) {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR) if target.if_match.is_some() => {
            return Err(Error::new(ErrorKind::PreconditionFailed, "there is no object"));
        }
        Err(errno) => return missing(Err(errno)),
    };
    let condition = target.if_match.clone().map_or(Condition::None, Condition::IfMatch);
    under(root, &directory, place.name, &condition, || {
        missing(unlinkat(&directory, place.name, AtFlags::empty()))
    })
}

fn rename(root: &Root, from: &Key, to: &Key, condition: &Condition) -> Result<()> {
    let (old, new) = (Place::of(from)?, Place::of(to)?);
    let source = root.parent(old).map_err(finding("open the directory"))?;
    let found = root.stat_at(&source, old.name).map_err(finding("stat the source"))?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Error::new(ErrorKind::NotFound, "this is a directory, not an object"));
    }
    let target = root.make_directory(new.directory)?;
    under(root, &target, new.name, condition, || {
        if *condition == Condition::IfAbsent {
            return move_absent(&source, old.name, &target, new.name);
        }
        let twins = root.stat_at(&target, new.name).is_ok_and(|there| stat::same_file(&found, &there));
        if twins {
            // Two names of one file: the system's rename would leave both.
            return unlinkat(&source, old.name, AtFlags::empty()).map_err(doing("remove the old name"));
        }
        renameat(&source, old.name, &target, new.name).map_err(replacing)
    })?;
    // The new name first: after a loss of power there may be both names, never none.
    root.sync_directory(&target)?;
    root.sync_directory(&source)
}

fn update(root: &Root, target: &Target, change: &Change) -> Result<()> {
    let (path, directory) = match target {
        Target::Object(key) => {
            Place::of(key)?;
            (key.as_str(), false)
        }
        Target::Directory(prefix) => (path::directory(prefix)?, true),
        _ => return Err(Error::unsupported("an unknown kind of target")),
    };
    // A handle on the very file: what is changed below is what was found here, whatever happens to the name.
    let mut flags = OFlags::PATH;
    if !root.follows() {
        flags |= OFlags::NOFOLLOW;
    }
    let handle = match root.open_at(path, flags) {
        Err(Errno::LOOP) if root.config.symlinks == Symlinks::Preserve => {
            return update_link(root, target, change);
        }
        result => result.map_err(finding("open the file"))?,
    };
    let found = fstat(&handle).map_err(doing("stat the file"))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => return update_link(root, target, change),
        FileType::Directory if !directory => {
            return Err(Error::new(ErrorKind::NotFound, "this is a directory, not an object"));
        }
        kind if directory && kind != FileType::Directory => {
            return Err(Error::new(ErrorKind::NotFound, "this is no directory"));
        }
        _ => {}
    }
    apply(&format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle)), change)
}

fn apply(handle: &str, change: &Change) -> Result<()> {
    if let Some(unix) = change.unix {
        if change.set_owner {
            let (uid, gid) = (rustix::fs::Uid::from_raw(unix.uid), rustix::fs::Gid::from_raw(unix.gid));
            rustix::fs::chownat(CWD, handle, Some(uid), Some(gid), AtFlags::empty())
                .map_err(doing("set the owner"))?;
        }
        rustix::fs::chmod(handle, Mode::from_raw_mode(unix.mode & 0o7777))
            .map_err(doing("set the permissions"))?;
    }
    if let Some(time) = change.modified {
        utimensat(CWD, handle, &attributes::timestamps(time), AtFlags::empty())
            .map_err(doing("set the modification time"))?;
    }
    Ok(())
}

fn update_link(root: &Root, target: &Target, change: &Change) -> Result<()> {
    let Target::Object(key) = target else {
        return Err(Error::new(ErrorKind::NotFound, "this is a symbolic link, not a directory"));
    };
    let place = Place::of(key)?;
    let directory = root.parent(place).map_err(finding("open the directory"))?;
    let mut request = WriteRequest::default();
    (request.unix, request.set_owner, request.modified) = (change.unix, change.set_owner, change.modified);
    set_link(&directory, place.name, &request)
}

fn remove_dir(root: &Root, path: &str) -> Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = match root.open_directory(parent) {
        Ok(parent) => parent,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(from_errno(errno, "open the directory")),
    };
    match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "the directory is not empty"))
        }
        Err(errno) => Err(from_errno(errno, "remove the directory")),
    }
}

//! The root directory and the ways below it. Nothing outside can be reached, also while links are swapped (KEY-4).
//!
//! The kernel itself confines every look-up (`openat2` with `RESOLVE_BENEATH`). On kernels and sandboxes without it
//! the way is walked segment by segment with `O_NOFOLLOW`, so that no link is followed at all.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, openat, statat};
use rustix::io::Errno;
use storage_core::{Error, ErrorKind, KeyPath, Result};

use crate::config::{Config, Symlinks};
use crate::error::{doing, from_errno};

/// How often a directory is made anew that others remove.
pub(crate) const ATTEMPTS: usize = 1000;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    pub(crate) config: Config,
}

impl Root {
    pub(crate) fn open(config: Config) -> Result<Self> {
        let name = |e: Error| e.with_name(config.root.display().to_string());
        if config.create {
            make_root(&config.root, config.fsync).map_err(|e| {
                name(from_errno(Errno::from_io_error(&e).unwrap_or(Errno::IO), "make the root"))
            })?;
        }
        let fd = rustix::fs::open(&config.root, DIRECTORY, Mode::empty()).map_err(|errno| {
            name(match errno {
                Errno::NOENT => Error::new(ErrorKind::NotFound, "no such directory"),
                Errno::NOTDIR => Error::new(ErrorKind::InvalidInput, "this is not a directory"),
                errno => from_errno(errno, "open the root"),
            })
        })?;
        Ok(Self { fd, config })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(crate) fn follows(&self) -> bool {
        self.config.symlinks == Symlinks::Follow
    }

    /// Opens what stands at `path` below the root; the empty path is the root.
    pub(crate) fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        self.resolve(path, flags | OFlags::CLOEXEC)
    }

    /// Opens a directory below the root.
    pub(crate) fn open_directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_at(path, DIRECTORY)
    }

    /// Opens the directory at `path`, making it and its parents where they are missing, also while others remove them.
    pub(crate) fn make_directory(&self, path: &str) -> Result<OwnedFd> {
        for _ in 1..ATTEMPTS {
            match self.try_make_directory(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => return result,
            }
        }
        self.try_make_directory(path)
    }

    /// One attempt at it; `NotFound` if somebody removes a directory meanwhile.
    pub(crate) fn try_make_directory(&self, path: &str) -> Result<OwnedFd> {
        match self.open_directory(path) {
            Err(Errno::NOENT) if !path.is_empty() => {}
            result => return result.map_err(doing("open the directory")),
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.try_make_directory(parent)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => self.sync_directory(&parent)?,
            Err(Errno::EXIST) => self.refuse_link_to_nothing(&parent, name, path)?,
            Err(errno) => return Err(from_errno(errno, "make the directory")),
        }
        self.open_directory(path).map_err(doing("open the new directory"))
    }

    /// A link that dangles is neither a directory nor can one be made in its place.
    fn refuse_link_to_nothing(&self, parent: &OwnedFd, name: &str, path: &str) -> Result<()> {
        let entry = self.stat_at(parent, name);
        let a_link = entry.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink);
        if a_link && matches!(self.stat_path(path), Err(Errno::NOENT)) {
            let message = "a symbolic link to nothing stands where the key needs a directory";
            return Err(Error::new(ErrorKind::InvalidKey, message));
        }
        Ok(())
    }

    /// Stats a name, never through a last link.
    pub(crate) fn stat_at(&self, directory: &OwnedFd, name: &str) -> Result<Stat, Errno> {
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Stats what a path leads to, through links only as the policy has it.
    pub(crate) fn stat_path(&self, path: &str) -> Result<Stat, Errno> {
        fstat(self.open_at(path, OFlags::PATH)?)
    }

    /// Opens the directory of a place.
    pub(crate) fn parent(&self, place: KeyPath<'_>) -> Result<OwnedFd, Errno> {
        self.open_directory(place.directory)
    }

    pub(crate) fn sync_directory(&self, directory: &OwnedFd) -> Result<()> {
        if !self.config.fsync {
            return Ok(());
        }
        match rustix::fs::fsync(directory) {
            // Some volumes know no sync of a directory; they order their metadata themselves.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(from_errno(errno, "sync the directory").maybe_applied()),
        }
    }

    fn resolve(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !self.follows() {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        // The kernel asks to look again when something moved meanwhile; who moves things for ever gets the error.
        for _ in 0..1000 {
            match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS | Errno::PERM) => return self.walk(path, flags),
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Segment by segment, through no link.
    fn walk(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut at = openat(&self.fd, ".", DIRECTORY, Mode::empty())?;
        if path.split('/').any(|segment| segment == "..") {
            // The kernel would not let it leave the root; here nothing else would stop it.
            return Err(Errno::XDEV);
        }
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let how = if last { flags } else { DIRECTORY };
            at = openat(&at, segment, how | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(at)
    }
}

/// Makes the root and its parents. What is written below is only as durable as their names are, so these are synced too.
fn make_root(path: &Path, fsync: bool) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_root(parent, fsync)?;
    match std::fs::create_dir(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result?,
    }
    if !fsync {
        return Ok(());
    }
    match std::fs::File::open(parent)?.sync_all() {
        // As for every other directory.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::Root;
    use crate::config::{Config, Symlinks};
    use rustix::fs::OFlags;
    use std::os::unix::fs::symlink;

    /// The walk is what kernels without `openat2` get; it must confine as well.
    #[test]
    fn the_walk_follows_no_link() -> std::io::Result<()> {
        let outside = tempfile::tempdir()?;
        std::fs::write(outside.path().join("secret"), "x")?;
        let inside = tempfile::tempdir()?;
        std::fs::create_dir_all(inside.path().join("a/b"))?;
        std::fs::write(inside.path().join("a/b/c"), "x")?;
        symlink(outside.path(), inside.path().join("out"))?;
        symlink("a", inside.path().join("in"))?;
        let root = Root::open(Config::new(inside.path()).symlinks(Symlinks::Skip)).expect("it is there");
        assert!(root.walk("a/b/c", OFlags::RDONLY).is_ok());
        for refused in ["out/secret", "in/b/c", "out", "..", "a/../../x", "a/..", "/", "/etc"] {
            assert!(root.walk(refused, OFlags::RDONLY).is_err(), "{refused}");
        }
        Ok(())
    }
}

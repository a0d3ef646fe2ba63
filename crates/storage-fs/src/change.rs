//! Deleting, renaming and updating what stands below the root.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, renameat, unlinkat, utimensat};
use rustix::io::Errno;
use storage_core::{Change, Condition, DeleteTarget, Error, ErrorKind, Key, KeyPath, Result, Target};

use crate::blocking::Cancel;
use crate::config::Symlinks;
use crate::entry::Found;
use crate::error::{doing, finding, from_errno};
use crate::lock;
use crate::publish::{move_absent, replacing, under};
use crate::root::Root;
use crate::{attributes, link, stat};

pub(crate) fn delete(root: &Root, target: &DeleteTarget, cancel: &Cancel) -> Result<()> {
    let place = KeyPath::of(&target.key)?;
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
    under(root, &directory, place, &condition, cancel, || {
        match Found::at(root, &directory, place) {
            // Where links are followed, one to a directory is no object either; where they are skipped, none is.
            Ok(found) if found.is_directory() || found.is_skipped(root) => return Ok(()),
            _ => {}
        }
        missing(unlinkat(&directory, place.name, AtFlags::empty()))
    })
}

pub(crate) fn rename(
    root: &Root,
    from: &Key,
    to: &Key,
    condition: &Condition,
    cancel: &Cancel,
) -> Result<()> {
    let (old, new) = (KeyPath::of(from)?, KeyPath::of(to)?);
    let source = root.parent(old).map_err(finding("open the directory"))?;
    // Who renames an object without having found it would rename a directory too.
    find_source(root, &source, old)?;
    let target = root.make_directory(new.directory)?;
    let stat = |directory| fstat(directory).map_err(doing("stat the directory"));
    let one_directory = stat::same_file(&stat(&source)?, &stat(&target)?);
    // (One that waits for a lock alone must hold no other.)
    if !one_directory && !matches!(condition, Condition::IfMatch(_)) {
        // What is written under a condition in the source's directory must not see its object go.
        lock::share(&source);
    }
    under(root, &target, new, condition, cancel, || {
        let found = find_source(root, &source, old)?;
        if one_directory && old.name == new.name {
            // Two ways to one entry: it has its new name already.
            return match condition {
                Condition::IfAbsent => Err(from_errno(Errno::EXIST, "rename")),
                _ => Ok(()),
            };
        }
        if found.leads_elsewhere() && !one_directory {
            return Err(Error::unsupported("a symbolic link would lead elsewhere from another directory"));
        }
        if let Ok(there) = Found::at(root, &target, new) {
            if there.is_directory() {
                return Err(from_errno(Errno::ISDIR, "look at the destination"));
            }
            if *condition != Condition::IfAbsent {
                if stat::same_file(&found.entry, &there.entry) && found.entry.st_nlink > 1 {
                    // Two names of one file: the system's rename would leave both.
                    return unlinkat(&source, old.name, AtFlags::empty())
                        .map_err(doing("remove the old name"));
                }
                if found.leads_elsewhere() && stat::same_file(&found.object, &there.object) {
                    return Err(Error::unsupported(
                        "the symbolic link would take the place of its own target",
                    ));
                }
            }
        }
        match condition {
            Condition::IfAbsent => move_absent(&source, old.name, &target, new.name),
            _ => renameat(&source, old.name, &target, new.name).map_err(replacing),
        }
    })?;
    // The new name first: after a loss of power there may be both names, never none.
    root.sync_directory(&target)?;
    root.sync_directory(&source)
}

/// The object that is to be renamed.
fn find_source(root: &Root, directory: &OwnedFd, place: KeyPath<'_>) -> Result<Found> {
    let found = Found::at(root, directory, place).map_err(finding("stat the source"))?;
    if found.is_directory() {
        return Err(Error::new(ErrorKind::NotFound, "this is a directory, not an object"));
    }
    if found.is_skipped(root) {
        return Err(from_errno(Errno::NOENT, "stat the source"));
    }
    Ok(found)
}

pub(crate) fn update(root: &Root, target: &Target, change: &Change) -> Result<()> {
    let (path, directory) = match target {
        Target::Object(key) => {
            KeyPath::of(key)?;
            (key.as_str(), false)
        }
        Target::Directory(prefix) => (KeyPath::directory(prefix)?, true),
        _ => return Err(Error::unsupported("an unknown kind of target")),
    };
    // A handle on the very file: what is changed below is what was found here, whatever happens to the name.
    let mut flags = OFlags::PATH;
    if !root.follows() {
        flags |= OFlags::NOFOLLOW;
    }
    let handle = match root.open_at(path, flags) {
        Err(Errno::LOOP) if root.config.symlinks == Symlinks::Preserve => {
            return link::update(root, target, change);
        }
        result => result.map_err(finding("open the file"))?,
    };
    let found = fstat(&handle).map_err(doing("stat the file"))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => return link::update(root, target, change),
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

pub(crate) fn remove_dir(root: &Root, path: &str) -> Result<()> {
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

//! Symbolic links as objects.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, readlinkat, renameat, symlinkat, unlinkat, utimensat};
use rustix::io::Errno;
use storage_core::{
    Change, Condition, Error, ErrorKind, Key, KeyPath, Metadata, Payload, Result, Target, WriteRequest,
    staged_name,
};

use crate::blocking::Cancel;
use crate::error::{doing, finding, from_errno};
use crate::publish::{move_absent, replacing, under};
use crate::root::Root;
use crate::{attributes, stat};

/// Makes a symbolic link. Like a file it takes its name in one step.
pub(crate) fn write(
    root: &Root,
    key: &Key,
    body: &Payload,
    request: &WriteRequest,
    cancel: &Cancel,
) -> Result<Metadata> {
    if !request.attributes.is_empty() {
        return Err(Error::unsupported("a symbolic link has no attributes"));
    }
    let place = KeyPath::of(key)?;
    let directory = root.make_directory(place.directory)?;
    let target = body.clone().into_bytes();
    let target = std::ffi::OsStr::from_bytes(&target);
    let staged = staged_name();
    let made = under(root, &directory, place, &request.condition, cancel, || {
        symlinkat(target, &directory, &staged).map_err(|errno| match errno {
            Errno::NOENT | Errno::INVAL => {
                Error::new(ErrorKind::InvalidInput, "a symbolic link needs a target without NUL")
            }
            errno => from_errno(errno, "make the link"),
        })?;
        if request.verify {
            points_to(&directory, &staged, target)?;
        }
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

/// Holds what a new link points to against what it is to point to.
fn points_to(directory: &impl AsFd, name: &str, target: &std::ffi::OsStr) -> Result<()> {
    let found = readlinkat(directory, name, Vec::new()).map_err(doing("read the new link"))?;
    if found.as_bytes() == target.as_bytes() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidData, "the new link points elsewhere; nothing is published"))
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

/// Changes owner and time of a link itself.
pub(crate) fn update(root: &Root, target: &Target, change: &Change) -> Result<()> {
    let Target::Object(key) = target else {
        return Err(Error::new(ErrorKind::NotFound, "this is a symbolic link, not a directory"));
    };
    let place = KeyPath::of(key)?;
    let directory = root.parent(place).map_err(finding("open the directory"))?;
    let mut request = WriteRequest::default();
    (request.unix, request.set_owner, request.modified) = (change.unix, change.set_owner, change.modified);
    set_link(&directory, place.name, &request)
}

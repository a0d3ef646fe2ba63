//! Giving a staged file its name, in one step, under the condition asked for (clauses WRITE-1 and WRITE-4).

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, RenameFlags, fstat, linkat, renameat, renameat_with};
use rustix::io::Errno;
use storage_core::{Condition, ETag, Error, ErrorKind, KeyPath, Result};

use crate::blocking::Cancel;
use crate::entry::Found;
use crate::error::{doing, from_errno, moving};
use crate::lock;
use crate::root::Root;
use crate::stage::Staged;
use crate::stat;

/// Moves the staged file to its place. After an error nothing has changed, unless the error says otherwise.
pub(crate) fn publish(
    root: &Root,
    staged: &Staged,
    place: KeyPath<'_>,
    condition: &Condition,
    cancel: &Cancel,
) -> Result<()> {
    let directory = &staged.directory;
    let moved = under(root, directory, place, condition, cancel, || {
        still_there(root, directory, place)?;
        match condition {
            Condition::IfAbsent => move_absent(directory, &staged.name, directory, place.name),
            _ => renameat(directory, &staged.name, directory, place.name).map_err(replacing),
        }
    });
    moved?;
    staged.forget();
    root.sync_directory(directory)
}

/// Fails if the directory was moved or replaced since it was opened: what is published there would not stand at its
/// key, and may be outside the root.
fn still_there(root: &Root, directory: &OwnedFd, place: KeyPath<'_>) -> Result<()> {
    let opened = fstat(directory).map_err(doing("stat the directory"))?;
    if root.stat_path(place.directory).is_ok_and(|there| stat::same_file(&opened, &there)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Other, "the directory was moved or removed while the object was written"))
}

/// Runs `change` on the entry at `place` while its condition holds, unless nobody waits for it any more. A condition
/// on an ETag is checked and acted on with the directory's lock held alone, everything else with a share of it: among
/// users of this library on one machine the condition is exact.
pub(crate) fn under<T>(
    root: &Root,
    directory: &OwnedFd,
    place: KeyPath<'_>,
    condition: &Condition,
    cancel: &Cancel,
    change: impl FnOnce() -> Result<T>,
) -> Result<T> {
    // The wait for a lock may be long, so the question comes after it.
    let Condition::IfMatch(expected) = condition else {
        lock::share(directory);
        let result = cancel.check().and_then(|()| change());
        lock::release(directory);
        return result;
    };
    lock::exclude(directory)?;
    let result =
        cancel.check().and_then(|()| matches(root, directory, place, expected)).and_then(|()| change());
    lock::release(directory);
    result
}

fn matches(root: &Root, directory: &OwnedFd, place: KeyPath<'_>, expected: &ETag) -> Result<()> {
    match Found::at(root, directory, place) {
        Ok(found) if stat::etag(&found.object) == *expected => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one")),
        Err(Errno::NOENT) => Err(Error::new(ErrorKind::PreconditionFailed, "there is no object")),
        Err(errno) => Err(from_errno(errno, "look at the destination")),
    }
}

/// Moves an entry to a name that must not exist.
pub(crate) fn move_absent(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> Result<()> {
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // Network volumes know no such rename, but a hard link does not replace either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            linkat(from, old, to, new, AtFlags::empty()).map_err(|errno| absent(errno, to, new))?;
            // The new name is there already.
            rustix::fs::unlinkat(from, old, AtFlags::empty())
                .map_err(|errno| doing("remove the old name")(errno).maybe_applied())
        }
        result => result.map_err(|errno| absent(errno, to, new)),
    }
}

fn absent(errno: Errno, directory: &OwnedFd, name: &str) -> Error {
    let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let a_directory = found.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
    match errno {
        Errno::EXIST if a_directory => from_errno(Errno::ISDIR, "publish"),
        errno => moving(errno),
    }
}

/// The error of a rename that may replace.
pub(crate) fn replacing(errno: Errno) -> Error {
    match errno {
        // A directory cannot be replaced by a file, whatever the volume calls it.
        Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR => from_errno(Errno::ISDIR, "publish"),
        errno => moving(errno),
    }
}

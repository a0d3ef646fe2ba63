//! Finding and removing what killed writers left behind.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, openat, statat, unlinkat};
use rustix::io::Errno;
use storage_core::{CleanupReport, Prefix, Result, is_staged_name};

use crate::blocking::Cancel;
use crate::error::{doing, from_errno};
use crate::lock;
use crate::root::Root;

/// Removes every staged file under `prefix` that no writer holds.
pub(crate) fn cleanup(root: &Root, prefix: &Prefix, cancel: &Cancel) -> Result<CleanupReport> {
    let mut report = CleanupReport::default();
    // A raw prefix: what stands in its directory, and below the directories whose names it begins.
    let (directory, start) = prefix.as_str().rsplit_once('/').unwrap_or(("", prefix.as_str()));
    let fd = match root.open_directory(directory) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(report),
        Err(errno) => return Err(from_errno(errno, "open the directory")),
    };
    sweep(fd, start.as_bytes(), &mut report, cancel)?;
    Ok(report)
}

/// Looks through one directory and then below. Only real directories are entered, never links.
fn sweep(directory: OwnedFd, start: &[u8], report: &mut CleanupReport, cancel: &Cancel) -> Result<()> {
    cancel.check()?;
    let mut below = Vec::new();
    let entries = match Dir::read_from(&directory) {
        Ok(entries) => entries,
        // It was removed since it was opened.
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(from_errno(errno, "read the directory")),
    };
    for entry in entries {
        let entry = entry.map_err(doing("read the directory"))?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if is_staged_name(name.to_bytes()) {
            remove(&directory, name, report)?;
        } else if name.to_bytes().starts_with(start)
            && matches!(entry.file_type(), FileType::Directory | FileType::Unknown)
        {
            below.push(name.to_owned());
        }
    }
    for name in below {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&directory, &name, flags, rustix::fs::Mode::empty()) {
            Ok(child) => sweep(child, b"", report, cancel)?,
            // Gone, or no directory after all, or not ours to look into: nothing of ours is in there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
            Err(errno) => return Err(from_errno(errno, "open the directory")),
        }
    }
    Ok(())
}

fn remove(directory: &OwnedFd, name: &std::ffi::CStr, report: &mut CleanupReport) -> Result<()> {
    let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(from_errno(errno, "stat the staged file")),
    };
    // The lock of the file is held until the name is gone, so that a new writer cannot begin in between.
    let held = match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => idle_directory(directory),
        FileType::RegularFile => idle_file(directory, name),
        // Nothing that this library makes.
        _ => return Ok(()),
    };
    let Some(_held) = held else {
        report.in_use += 1;
        return Ok(());
    };
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => count(report, &found),
        Err(Errno::NOENT) => {}
        // Somebody else's, in a directory that keeps people apart. Its owner removes it; nobody else has to stop for it.
        Err(Errno::ACCESS | Errno::PERM) => report.in_use += 1,
        Err(errno) => return Err(from_errno(errno, "remove the staged file")),
    }
    Ok(())
}

fn count(report: &mut CleanupReport, found: &Stat) {
    report.removed += 1;
    report.bytes += found.st_size.unsigned_abs();
}

fn idle_file(directory: &OwnedFd, name: &std::ffi::CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, rustix::fs::Mode::empty()).ok()?;
    lock::try_alone(&file).then_some(file)
}

/// A link cannot be locked; its writer shares the lock of the directory for the moment it takes.
fn idle_directory(directory: &OwnedFd) -> Option<OwnedFd> {
    let own = openat(directory, ".", OFlags::RDONLY | OFlags::DIRECTORY, rustix::fs::Mode::empty()).ok()?;
    lock::try_alone(&own).then_some(own)
}

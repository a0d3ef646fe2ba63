//! Content headers and user metadata as extended attributes; times, permissions and owner.

use std::os::fd::BorrowedFd;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use storage_core::{Attributes, Error, ErrorKind, Result, UnixAttributes};

use crate::error::{doing, from_errno};

/// The content type stands where desktop systems look for it.
const CONTENT_TYPE: &str = "user.mime_type";
const HEADER: &str = "user.haul.header.";
const USER: &str = "user.haul.meta.";

/// Whether the volume keeps extended attributes.
pub(crate) fn supported(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0u8; 1];
    !matches!(
        rustix::fs::fgetxattr(directory, "user.haul.probe", &mut value),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM)
    )
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(file: BorrowedFd<'_>) -> Result<Attributes> {
    let mut attributes = Attributes::new();
    for name in names(file)? {
        let header = if name == CONTENT_TYPE { Some("content-type") } else { name.strip_prefix(HEADER) };
        let user = name.strip_prefix(USER);
        if header.is_none() && user.is_none() {
            continue;
        }
        let Some(value) = value(file, &name)? else { continue };
        if let Some(header) = header {
            attributes.set_header(header, value);
        } else if let Some(user) = user {
            attributes.user.insert(user.to_owned(), value);
        }
    }
    Ok(attributes)
}

/// Writes the attributes to a staged file.
pub(crate) fn write(file: BorrowedFd<'_>, attributes: &Attributes) -> Result<()> {
    for (header, value) in attributes.headers() {
        let name = format!("{HEADER}{header}");
        set(file, if header == "content-type" { CONTENT_TYPE } else { &name }, value)?;
    }
    attributes.user.iter().try_for_each(|(name, value)| set(file, &format!("{USER}{name}"), value))
}

fn set(file: BorrowedFd<'_>, name: &str, value: &str) -> Result<()> {
    rustix::fs::fsetxattr(file, name, value.as_bytes(), XattrFlags::empty()).map_err(|errno| match errno {
        // No space can mean none in the file's own block, or none at all.
        Errno::NOSPC if is_full(file) => from_errno(errno, "write the attributes"),
        Errno::NOSPC | Errno::RANGE | Errno::TOOBIG => {
            Error::new(ErrorKind::InvalidInput, format!("the volume has no room for the attribute `{name}`"))
                .with_source(std::io::Error::from(errno))
        }
        errno => from_errno(errno, "write the attributes"),
    })
}

fn is_full(file: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|volume| volume.f_bavail == 0 || volume.f_favail == 0)
}

fn names(file: BorrowedFd<'_>) -> Result<Vec<String>> {
    // Most files have no attributes; then one call is enough.
    let mut buffer = vec![0u8; 512];
    loop {
        match rustix::fs::flistxattr(file, &mut buffer[..]) {
            Ok(0) => return Ok(Vec::new()),
            Ok(length) => {
                let names = buffer[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
                return Ok(names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect());
            }
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 4, 0),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => return Ok(Vec::new()),
            Err(errno) => return Err(from_errno(errno, "read the attributes")),
        }
    }
}

/// The value of an attribute, unless it went away meanwhile or is no text, and so not ours.
fn value(file: BorrowedFd<'_>, name: &str) -> Result<Option<String>> {
    let mut buffer = vec![0u8; 512];
    loop {
        match rustix::fs::fgetxattr(file, name, &mut buffer[..]) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(String::from_utf8(buffer).ok());
            }
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 4, 0),
            Err(Errno::NODATA) => return Ok(None),
            Err(errno) => return Err(from_errno(errno, "read the attributes")),
        }
    }
}

/// Sets owner, permissions and time of an open file, in the order in which one does not undo the other.
pub(crate) fn set_file(
    file: BorrowedFd<'_>,
    unix: Option<UnixAttributes>,
    owner: bool,
    modified: Option<std::time::SystemTime>,
) -> Result<()> {
    if let Some(unix) = unix {
        if owner {
            let (uid, gid) = (Uid::from_raw(unix.uid), Gid::from_raw(unix.gid));
            rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(doing("set the owner"))?;
        }
        let mode = Mode::from_raw_mode(unix.mode & 0o7777);
        rustix::fs::fchmod(file, mode).map_err(doing("set the permissions"))?;
    }
    if let Some(time) = modified {
        rustix::fs::futimens(file, &timestamps(time)).map_err(doing("set the modification time"))?;
    }
    Ok(())
}

/// A modification time with the access time left alone.
pub(crate) fn timestamps(modified: std::time::SystemTime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: crate::stat::timespec(modified),
    }
}

//! What the server tells of a file, in the terms of the contract. The protocol counts times in seconds.

use std::time::{Duration, SystemTime};

use openssh_sftp_client::UnixTimeStamp;
use openssh_sftp_client::metadata::{MetaData, MetaDataBuilder, Permissions};
use storage_core::{Change, ETag, Error, ErrorKind, FileKind, Metadata, Result, UnixAttributes};

pub(crate) fn metadata(found: &MetaData) -> Metadata {
    let size = found.len().unwrap_or(0);
    let mut metadata = Metadata::new(size);
    metadata.modified = found.modified().map(UnixTimeStamp::as_system_time);
    if is_directory(found) {
        metadata.kind = FileKind::Directory;
        metadata.size = 0;
    } else {
        let seconds = found.modified().map_or(0, UnixTimeStamp::into_raw);
        metadata.etag = Some(ETag::new(format!("\"{size:x}-{seconds:x}\"")));
    }
    if let (Some(mode), Some(uid), Some(gid)) = (found.permissions(), found.uid(), found.gid()) {
        metadata.unix = Some(UnixAttributes { mode: mode.as_raw().bits() & 0o7777, uid, gid });
    }
    metadata
}

pub(crate) fn is_directory(found: &MetaData) -> bool {
    found.file_type().is_some_and(|kind| kind.is_dir())
}

pub(crate) fn is_link(found: &MetaData) -> bool {
    found.file_type().is_some_and(|kind| kind.is_symlink())
}

/// Whether it holds content. A server that tells no types has to be believed.
pub(crate) fn is_file(found: &MetaData) -> bool {
    found.file_type().is_none_or(|kind| kind.is_file())
}

/// A change in the protocol's terms; `None` if there is nothing to change.
pub(crate) fn change(change: &Change) -> Result<Option<MetaData>> {
    let mut builder = MetaDataBuilder::default();
    if let Some(modified) = change.modified {
        // The protocol sets both times at once.
        builder.time(timestamp(SystemTime::now())?, timestamp(modified)?);
    }
    if let Some(unix) = &change.unix {
        builder.permissions(permissions(unix.mode));
        if change.set_owner {
            builder.id((unix.uid, unix.gid));
        }
    }
    let nothing = change.modified.is_none() && change.unix.is_none();
    Ok((!nothing).then(|| builder.create()))
}

/// The permissions of a file, without set-user-ID and the like: those would give the rights of whoever writes.
pub(crate) fn mode(of: &MetaData) -> Option<u32> {
    of.permissions().map(|mode| mode.as_raw().bits() & 0o777)
}

pub(crate) fn permissions(mode: u32) -> Permissions {
    Permissions::from((mode & 0o7777) as u16)
}

/// A modification time and permissions that a file takes over; `None` if it takes over nothing.
pub(crate) fn inherited(seconds: Option<u32>, mode: Option<u32>) -> Option<MetaData> {
    let mut builder = MetaDataBuilder::default();
    if let Some(time) = seconds.and_then(UnixTimeStamp::from_raw) {
        builder.time(time, time);
    }
    if let Some(mode) = mode {
        builder.permissions(permissions(mode));
    }
    (seconds.is_some() || mode.is_some()).then(|| builder.create())
}

fn timestamp(time: SystemTime) -> Result<UnixTimeStamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::MAX);
    let seconds = u32::try_from(since.as_secs()).ok().and_then(UnixTimeStamp::from_raw);
    seconds.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "SFTP keeps times from 1970 to 2106, and this is none of them")
    })
}

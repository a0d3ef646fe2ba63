//! Metadata from a stat.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};
use storage_core::{ETag, FileKind, Metadata, UnixAttributes};

/// What a stat tells, without attributes.
pub(crate) fn metadata(stat: &Stat) -> Metadata {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::File,
    };
    let size = if kind == FileKind::Directory { 0 } else { stat.st_size.unsigned_abs() };
    let mut metadata = Metadata::new(size);
    metadata.kind = kind;
    metadata.modified = Some(modified(stat));
    metadata.etag = (kind != FileKind::Directory).then(|| etag(stat));
    metadata.unix = Some(UnixAttributes { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid });
    metadata
}

/// Inode, size and the times of content and inode. The last is there since a volume gives the inode of a removed file
/// to the next one, which may have the same size and a modification time of the caller's choice.
pub(crate) fn etag(stat: &Stat) -> ETag {
    ETag::new(format!(
        "{:x}-{:x}-{:x}.{:x}-{:x}.{:x}",
        stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec
    ))
}

/// What tells that an open file was not changed in place. Its inode's time is no part of this: that changes when the
/// file is replaced or deleted, which is nothing to who has it open.
pub(crate) fn same_content(before: &Stat, after: &Stat) -> bool {
    let content = |stat: &Stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    content(before) == content(after)
}

/// Whether two names are one file.
pub(crate) fn same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn modified(stat: &Stat) -> SystemTime {
    let nanos = Duration::from_nanos(u64::from(u32::try_from(stat.st_mtime_nsec).unwrap_or(0)));
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    if stat.st_mtime >= 0 { UNIX_EPOCH + seconds + nanos } else { UNIX_EPOCH - seconds + nanos }
}

/// A time as the system wants it.
pub(crate) fn timespec(time: SystemTime) -> rustix::fs::Timespec {
    let (tv_sec, tv_nsec) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, i64::from(after.subsec_nanos())),
        Err(before) => {
            // Before 1970 the seconds round down and the nanoseconds count up from there.
            let before = before.duration();
            let borrow = i64::from(before.subsec_nanos() > 0);
            let nanos = i64::from(before.subsec_nanos());
            (-(before.as_secs() as i64) - borrow, if borrow == 1 { 1_000_000_000 - nanos } else { 0 })
        }
    };
    rustix::fs::Timespec { tv_sec, tv_nsec }
}

#[cfg(test)]
mod tests {
    use super::timespec;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_before_1970() {
        let time = timespec(UNIX_EPOCH - Duration::from_millis(1500));
        assert_eq!((time.tv_sec, time.tv_nsec), (-2, 500_000_000));
        let time = timespec(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!((time.tv_sec, time.tv_nsec), (-1, 0));
    }
}

//! Copy inside the volume: a shared extent where it can, the kernel's copy where it cannot, holes kept.

use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, Stat, fstat, seek};
use rustix::io::Errno;
use storage_core::{
    CopyRequest, Error, ErrorKind, FileKind, Key, KeyPath, Metadata, Payload, Result, UnixAttributes,
    WriteRequest,
};

use crate::blocking::Cancel;
use crate::error::{doing, from_errno};
use crate::read::Found;
use crate::root::Root;
use crate::stage::Staged;
use crate::stat;

/// Bytes that the kernel copies in one step, between which a copy can be cancelled.
const STEP: usize = 64 << 20;

pub(crate) fn copy(
    root: &Root,
    from: &Key,
    to: &Key,
    request: &CopyRequest,
    cancel: &Cancel,
) -> Result<Metadata> {
    let found = Found::find(root, from)?;
    let metadata = found.metadata()?;
    if request.source_if_match.is_some() && metadata.etag != request.source_if_match {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag of the source is another one"));
    }
    let mut write = WriteRequest::default();
    write.condition = request.condition.clone();
    write.attributes = request.attributes.clone().unwrap_or(metadata.attributes);
    match found {
        Found::Symlink { target, .. } => {
            write.kind = FileKind::Symlink;
            crate::link::write(root, to, &Payload::from(target), &write, cancel)
        }
        Found::File { file, stat } => {
            // Set-user-ID would give the rights of whoever copies, not those of the source's owner.
            write.unix = Some(UnixAttributes { mode: stat.st_mode & 0o777, uid: 0, gid: 0 });
            let place = KeyPath::of(to)?;
            let staged = Staged::create(root, place, true)?;
            staged.keep_failure(copy_content(&file, &staged, &stat, cancel))?;
            let now = fstat(&file).map_err(doing("stat the source"))?;
            if !stat::same_content(&stat, &now) {
                let message = "the source changed while it was copied";
                return Err(Error::new(ErrorKind::PreconditionFailed, message));
            }
            staged.finish(root, place, metadata.size, &write, cancel)
        }
    }
}

fn copy_content(from: &OwnedFd, staged: &Staged, stat: &Stat, cancel: &Cancel) -> Result<()> {
    // Where the volume shares extents the copy takes no time and no space; it never aliases, writes part the two.
    if rustix::fs::ioctl_ficlone(&staged.file, from).is_ok() {
        return Ok(());
    }
    let size = stat.st_size.unsigned_abs();
    rustix::fs::ftruncate(&staged.file, size).map_err(doing("set the length"))?;
    let mut at = 0;
    while at < size {
        let Some((start, end)) = next_data(from, at, size)? else { return Ok(()) };
        copy_extent(from, staged, start..end, cancel)?;
        at = end;
    }
    Ok(())
}

/// The next run of data at or after `at`; what lies between runs are holes.
fn next_data(from: &OwnedFd, at: u64, size: u64) -> Result<Option<(u64, u64)>> {
    match seek(from, SeekFrom::Data(at)) {
        Ok(start) => {
            let end = seek(from, SeekFrom::Hole(start)).map_err(doing("find the next hole"))?;
            Ok(Some((start, end.min(size))))
        }
        Err(Errno::NXIO) => Ok(None),
        // A volume that tells of no holes has none to keep.
        Err(Errno::INVAL) => Ok(Some((at, size))),
        Err(errno) => Err(from_errno(errno, "find the next data")),
    }
}

fn copy_extent(from: &OwnedFd, staged: &Staged, extent: Range<u64>, cancel: &Cancel) -> Result<()> {
    let Range { start, end } = extent;
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        cancel.check()?;
        let length = usize::try_from(end - read_at).unwrap_or(usize::MAX).min(STEP);
        let copied =
            rustix::fs::copy_file_range(from, Some(&mut read_at), &staged.file, Some(&mut write_at), length);
        match copied {
            Ok(0) => {
                return Err(Error::new(
                    ErrorKind::PreconditionFailed,
                    "the source shrank while it was copied",
                ));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return copy_by_hand(from, staged, read_at..end, cancel);
            }
            Err(errno) => return Err(from_errno(errno, "copy the content")),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &OwnedFd, staged: &Staged, extent: Range<u64>, cancel: &Cancel) -> Result<()> {
    let Range { start: mut at, end } = extent;
    let mut buffer = vec![0u8; 1 << 20];
    while at < end {
        cancel.check()?;
        let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let read = match rustix::io::pread(from, &mut buffer[..wanted], at) {
            Ok(0) => {
                return Err(Error::new(
                    ErrorKind::PreconditionFailed,
                    "the source shrank while it was copied",
                ));
            }
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(from_errno(errno, "read the source")),
        };
        staged.write_at(&Payload::from(buffer[..read].to_vec()), at)?;
        at += read as u64;
    }
    Ok(())
}

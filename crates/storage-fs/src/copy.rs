//! Copy by the machine itself: a shared extent where the volume can, the kernel's copy or large positional reads where it
//! cannot, holes kept.

use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, AtFlags, FallocateFlags, OFlags, SeekFrom, Stat, fstat, seek, statat};
use rustix::io::Errno;
use storage_core::{
    Attributes, Condition, CopyRequest, Error, ErrorKind, FileKind, Key, KeyPath, Metadata, Moved, Payload,
    Result, UnixAttributes, WriteRequest,
};

use crate::blocking::Cancel;
use crate::config::Symlinks;
use crate::direct;
use crate::error::{doing, from_errno};
use crate::read::Found;
use crate::root::Root;
use crate::stage::Staged;
use crate::stat;

/// Bytes that the kernel copies in one step, between which a copy can be cancelled.
const STEP: usize = 16 << 20;
/// Bytes read, written and read back in one step: they stay in the processor's cache.
const BUFFER: usize = 256 << 10;
/// Bytes copied in one step past the page cache.
const DIRECT: usize = 4 << 20;
/// A run of data this long is shared out among threads.
const SHARED: u64 = 32 << 20;
/// What a thread takes of it at a time.
const SHARE: u64 = 4 << 20;
/// The threads that share it, where there are as many processors.
const THREADS: usize = 4;

/// Where a copy goes.
#[derive(Clone, Copy)]
pub(crate) struct To<'a> {
    pub(crate) root: &'a Root,
    pub(crate) key: &'a Key,
    pub(crate) has_xattrs: bool,
}

/// Copies an object of `root` to a place below the same or another root.
pub(crate) fn copy(
    root: &Root,
    from: &Key,
    to: To<'_>,
    request: &CopyRequest,
    cancel: &Cancel,
) -> Result<Metadata> {
    let found = Found::find(root, from)?;
    let metadata = found.metadata()?;
    if request.source_if_match.is_some() && metadata.etag != request.source_if_match {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag of the source is another one"));
    }
    let mut write = WriteRequest::default();
    (write.condition, write.verify) = (request.condition.clone(), request.verify);
    write.attributes = request.attributes.clone().unwrap_or(metadata.attributes);
    if !to.has_xattrs {
        write.attributes = Attributes::new();
    }
    if request.preserve {
        (write.modified, write.unix, write.set_owner) = (metadata.modified, metadata.unix, request.set_owner);
    }
    match found {
        Found::Symlink { .. } if to.root.config.symlinks != Symlinks::Preserve => {
            Err(Error::unsupported("this store holds no symlinks"))
        }
        Found::Symlink { target, .. } => {
            write.kind = FileKind::Symlink;
            crate::link::write(to.root, to.key, &Payload::from(target), &write, cancel)
        }
        Found::File { file, stat } => {
            // Set-user-ID would give the rights of whoever copies, not those of the source's owner.
            let mode = UnixAttributes { mode: stat.st_mode & 0o777, uid: 0, gid: 0 };
            write.unix.get_or_insert(mode);
            let place = KeyPath::of(to.key)?;
            let staged = Staged::create(to.root, place, true, write.verify)?;
            if request.attributes.is_none() && is_onto_itself(root, from, to, &staged, &stat) {
                return unchanged(Found::File { file, stat }.metadata()?, &request.condition);
            }
            let way = Way { from: &file, staged: &staged, cancel, moved: request.moved.as_ref() };
            staged.keep_failure(way.copy(stat.st_size.unsigned_abs()))?;
            let now = fstat(&file).map_err(doing("stat the source"))?;
            if !stat::same_content(&stat, &now) {
                return Err(crate::read::changed());
            }
            crate::read::refuse_content_without_size(&file, &stat)?;
            staged.finish(to.root, place, metadata.size, &write, cancel)
        }
    }
}

/// Whether source and destination are one name in one directory, below whatever roots. A hard link is another name.
fn is_onto_itself(root: &Root, from: &Key, to: To<'_>, staged: &Staged, source: &Stat) -> bool {
    let (Ok(from), Ok(place)) = (KeyPath::of(from), KeyPath::of(to.key)) else { return false };
    let there = statat(&staged.directory, place.name, AtFlags::SYMLINK_NOFOLLOW);
    if from.name != place.name || !there.is_ok_and(|there| stat::same_file(&there, source)) {
        return false;
    }
    let directory = root.parent(from).and_then(|directory| fstat(&directory));
    let both = directory.and_then(|one| Ok((one, fstat(&staged.directory)?)));
    both.is_ok_and(|(one, other)| stat::same_file(&one, &other))
}

fn unchanged(metadata: Metadata, condition: &Condition) -> Result<Metadata> {
    match condition {
        Condition::IfAbsent => {
            Err(Error::new(ErrorKind::AlreadyExists, "source and destination are the same object"))
        }
        Condition::IfMatch(etag) if metadata.etag.as_ref() != Some(etag) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"))
        }
        _ => Ok(metadata),
    }
}

/// From one open file to another.
struct Way<'a> {
    from: &'a OwnedFd,
    staged: &'a Staged,
    cancel: &'a Cancel,
    moved: Option<&'a Moved>,
}

impl Way<'_> {
    fn copy(&self, size: u64) -> Result<()> {
        // Where the volume shares extents the copy takes no time and no space; it never aliases, writes part the two.
        if size == 0 || rustix::fs::ioctl_ficlone(&self.staged.file, self.from).is_ok() {
            return Ok(());
        }
        if size <= BUFFER as u64 {
            return self.by_hand(0..size);
        }
        rustix::fs::ftruncate(&self.staged.file, size).map_err(doing("set the length"))?;
        let mut at = 0;
        while at < size {
            let Some((start, end)) = next_data(self.from, at, size)? else { return Ok(()) };
            self.extent(start..end)?;
            at = end;
        }
        Ok(())
    }

    fn extent(&self, extent: Range<u64>) -> Result<()> {
        let staged = self.staged;
        if extent.end - extent.start >= direct::FILE_MIN
            && let (Some(_), Some(from)) = (staged.direct(), direct::reopen(self.from, OFlags::RDONLY))
        {
            return self.past_the_cache(&from, extent);
        }
        if staged.verifies() || staged.makes_holes() {
            return self.share_out(extent);
        }
        let Range { start, end } = extent;
        let (mut read_at, mut write_at) = (start, start);
        while read_at < end {
            self.cancel.check()?;
            let length = usize::try_from(end - read_at).unwrap_or(usize::MAX).min(STEP);
            let (from, to) = ((self.from, Some(&mut read_at)), (&staged.file, Some(&mut write_at)));
            match rustix::fs::copy_file_range(from.0, from.1, to.0, to.1, length) {
                Ok(0) => return Err(shrank()),
                Ok(copied) => self.tell(copied as u64),
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    return self.share_out(read_at..end);
                }
                Err(errno) => return Err(from_errno(errno, "copy the content")),
            }
        }
        Ok(())
    }

    /// Copies by one thread: without a cache the device is waited for, and one that is asked for megabytes is busy.
    fn past_the_cache(&self, from: &OwnedFd, extent: Range<u64>) -> Result<()> {
        let Range { start: mut at, end } = extent;
        while at < end {
            self.cancel.check()?;
            let wanted = usize::try_from(end - at).unwrap_or(DIRECT).min(DIRECT);
            let mut piece = Payload::new();
            while piece.len() < wanted as u64 {
                let place = at + piece.len();
                let chunk = direct::read(from, place, wanted - piece.len() as usize);
                match chunk.map_err(doing("read the source"))? {
                    chunk if chunk.is_empty() => return Err(shrank()),
                    chunk => piece.push(chunk),
                }
            }
            self.staged.write_at(&piece, at)?;
            at += wanted as u64;
            self.tell(wanted as u64);
        }
        Ok(())
    }

    /// Copies a long run by several threads, each its own share of it.
    fn share_out(&self, extent: Range<u64>) -> Result<()> {
        let length = extent.end - extent.start;
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS)) as u64;
        if length < SHARED {
            return self.by_hand(extent);
        }
        // Space is reserved in one piece; where that cannot be, the writes find their own.
        if !self.staged.makes_holes() {
            let keep = FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(&self.staged.file, keep, extent.start, length);
        }
        let sequential = Advice::Sequential;
        let _ = rustix::fs::fadvise(self.from, extent.start, NonZeroU64::new(length), sequential);
        let next = AtomicU64::new(extent.start);
        let share = || -> Result<()> {
            loop {
                let start = next.fetch_add(SHARE, Ordering::Relaxed);
                if start >= extent.end {
                    return Ok(());
                }
                self.by_hand(start..extent.end.min(start + SHARE))?;
            }
        };
        std::thread::scope(|scope| {
            // Where no thread is to be had, this one does it all.
            let another = |_| std::thread::Builder::new().spawn_scoped(scope, share).ok();
            let others: Vec<_> = (1..threads).filter_map(another).collect();
            let mine = share();
            others.into_iter().fold(mine, |all, other| {
                let broken = |_| Err(Error::new(ErrorKind::Other, "a thread of the copy ended early"));
                all.and(other.join().unwrap_or_else(broken))
            })
        })
    }

    fn by_hand(&self, extent: Range<u64>) -> Result<()> {
        let Range { start: mut at, end } = extent;
        let mut buffer = vec![0u8; BUFFER.min(usize::try_from(end - at).unwrap_or(BUFFER))];
        while at < end {
            self.cancel.check()?;
            let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let read = match rustix::io::pread(self.from, &mut buffer[..wanted], at) {
                Ok(0) => return Err(shrank()),
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(from_errno(errno, "read the source")),
            };
            self.staged.write(&buffer[..read], at)?;
            at += read as u64;
        }
        self.tell(end - extent.start);
        Ok(())
    }

    fn tell(&self, bytes: u64) {
        if let Some(moved) = self.moved {
            moved.tell(bytes);
        }
    }
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

fn shrank() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the source shrank while it was copied")
}

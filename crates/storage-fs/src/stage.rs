//! Unfinished writes: a file with a reserved name beside its destination, removed unless it is published.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;
use storage_core::{
    Algorithm, Checksum, Error, ErrorKind, KeyPath, Metadata, Payload, Result, WriteRequest, is_staged_name,
    staged_name,
};

use crate::attributes;
use crate::blocking::Cancel;
use crate::direct;
use crate::entry::Found;
use crate::error::{doing, from_errno};
use crate::lock;
use crate::publish::publish;
use crate::root::{ATTEMPTS, Root};
use crate::stat;

/// Bytes read back in one step: they are still in the processor's cache then.
const COMPARE: usize = 256 << 10;

thread_local! {
    /// What reads back, on each thread that writes: memory that was used a moment ago is faster than new one.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs of zeros this long and so aligned become holes.
const HOLE: usize = 64 << 10;

/// A staged file. Its lock tells a clean-up that somebody still writes.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) file: std::fs::File,
    pub(crate) directory: OwnedFd,
    pub(crate) name: String,
    /// The permissions of the file that is replaced.
    inherited: Option<u32>,
    sparse: bool,
    /// The same past the page cache, once that is known to be worth it.
    direct: OnceLock<Option<OwnedFd>>,
    wants_direct: bool,
    /// What is written is read back at once.
    verify: bool,
    /// The kernel lets one at a time write to a file, and those that wait for it spin.
    writing: Mutex<()>,
    /// A local write that failed stays failed (clause WRITE-9).
    failed: AtomicBool,
    gone: AtomicBool,
    /// It is to outlive this.
    kept: AtomicBool,
    /// What finishing gave: asked again after a lost answer, it gives the same.
    published: OnceLock<Metadata>,
}

impl Staged {
    /// Makes a staged file in the directory of `place`, with directories as needed.
    pub(crate) fn create(root: &Root, place: KeyPath<'_>, private: bool, verify: bool) -> Result<Self> {
        // A directory that goes away before the first file is in it is made anew.
        for _ in 1..ATTEMPTS {
            match Self::try_create(root, place, private, verify) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => return result,
            }
        }
        Self::try_create(root, place, private, verify)
    }

    fn try_create(root: &Root, place: KeyPath<'_>, private: bool, verify: bool) -> Result<Self> {
        let directory = root.try_make_directory(place.directory)?;
        let inherited = inherited(root, &directory, place)?;
        // What will be readable by few must not be readable by many while it is written.
        let mode = if private || inherited.is_some() { 0o600 } else { 0o666 };
        let (file, name) = create_locked(&directory, mode)?;
        Ok(Self::of(root, directory, (file, name), inherited, verify))
    }

    fn of(
        root: &Root,
        directory: OwnedFd,
        (file, name): (OwnedFd, String),
        inherited: Option<u32>,
        verify: bool,
    ) -> Self {
        Self {
            file: file.into(),
            directory,
            name,
            inherited,
            sparse: root.config.sparse,
            direct: OnceLock::new(),
            wants_direct: root.config.direct && !root.config.sparse,
            verify,
            writing: Mutex::new(()),
            failed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            published: OnceLock::new(),
        }
    }

    /// The staged file of this name in the directory of `place`, if it is one and nobody writes to it.
    pub(crate) fn adopt(root: &Root, place: KeyPath<'_>, name: &str, verify: bool) -> Result<Option<Self>> {
        if name.contains('/') || !is_staged_name(name.as_bytes()) {
            return Ok(None);
        }
        let directory = match root.parent(place) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(from_errno(errno, "open the directory")),
        };
        let inherited = inherited(root, &directory, place)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
            Err(errno) => return Err(from_errno(errno, "open the staged file")),
        };
        let is_alone = lock::try_alone(&file);
        let stat = fstat(&file).map_err(doing("stat the staged file"))?;
        // With a second name it would not be ours alone to write to.
        if !is_alone || stat.st_nlink != 1 || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let staged = (file, name.to_owned());
        Ok(Some(Self::of(root, directory, staged, inherited, verify)))
    }

    /// Leaves the file when this goes, for whoever adopts it. Gives its name.
    pub(crate) fn keep(&self) -> String {
        self.kept.store(true, Ordering::Relaxed);
        self.name.clone()
    }

    /// The CRC-64/NVME of what stands in the file, if that much stands there.
    pub(crate) fn digest(&self, offset: u64, length: u64) -> Result<Option<Checksum>> {
        let mut hasher = Algorithm::Crc64Nvme.hasher();
        let mut buffer = vec![0; COMPARE];
        let mut done = 0;
        while done < length {
            let wanted = buffer.len().min(usize::try_from(length - done).unwrap_or(COMPARE));
            match self.file.read_at(&mut buffer[..wanted], offset + done) {
                Ok(0) => return Ok(None),
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    done += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(from_errno(errno, "read the staged file back"));
                }
            }
        }
        Ok(Some(hasher.finish()))
    }

    /// Writes `body` at `offset`.
    pub(crate) fn write_at(&self, body: &Payload, offset: u64) -> Result<()> {
        let blocks = direct::blocks(offset, body.len());
        if blocks.end - blocks.start < direct::STEP as u64 {
            return self.write_through_cache(body, offset);
        }
        let Some(direct) = self.direct() else { return self.write_through_cache(body, offset) };
        let mut rest = body.clone();
        let head = rest.split_to(blocks.start - offset);
        let middle = rest.split_to(blocks.end - blocks.start);
        self.write_through_cache(&head, offset)?;
        let same = direct::write(direct, &middle, blocks.start, self.verify);
        let same = self.keep_failure(same.map_err(doing("write the staged file")))?;
        if !same {
            let message = format!("what reads back behind byte {} is not what was written", blocks.start);
            return self.keep_failure(Err(Error::new(ErrorKind::InvalidData, message)));
        }
        self.write_through_cache(&rest, blocks.end)
    }

    /// The way past the page cache, if it is wanted and there is one.
    pub(crate) fn direct(&self) -> Option<&OwnedFd> {
        let open = || self.wants_direct.then(|| direct::reopen(&self.file, OFlags::RDWR)).flatten();
        self.direct.get_or_init(open).as_ref()
    }

    fn write_through_cache(&self, body: &Payload, mut offset: u64) -> Result<()> {
        for chunk in body.chunks() {
            self.write(chunk, offset)?;
            offset += chunk.len() as u64;
        }
        Ok(())
    }

    /// Writes `data` at `offset`.
    pub(crate) fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        let alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.keep_failure(self.write_chunk(data, offset))?;
        drop(alone);
        if self.verify {
            self.keep_failure(self.compare(data, offset))?;
        }
        Ok(())
    }

    /// Holds what stands in the file against what was to be there.
    fn compare(&self, data: &[u8], offset: u64) -> Result<()> {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(buffer.len().max(data.len().min(COMPARE)), 0);
            self.compare_with(buffer, data, offset)
        })
    }

    fn compare_with(&self, buffer: &mut [u8], data: &[u8], offset: u64) -> Result<()> {
        let mut at = offset;
        for piece in data.chunks(COMPARE) {
            let found = &mut buffer[..piece.len()];
            self.read_back(found, at)?;
            if found != piece {
                let message =
                    format!("what reads back near byte {at} is not what was written; nothing is published");
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Fills `found` from the file; a hole at its end reads as zeros.
    fn read_back(&self, found: &mut [u8], at: u64) -> Result<()> {
        let mut filled = 0;
        while filled < found.len() {
            match self.file.read_at(&mut found[filled..], at + filled as u64) {
                Ok(0) if self.sparse => {
                    found[filled..].fill(0);
                    return Ok(());
                }
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(from_errno(errno, "read the staged file back"));
                }
            }
        }
        if filled < found.len() {
            let message = format!("only {filled} bytes read back at byte {at}; nothing is published");
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        Ok(())
    }

    /// Whether runs of zeros become holes.
    pub(crate) fn makes_holes(&self) -> bool {
        self.sparse
    }

    /// Whether what is written is read back.
    pub(crate) fn verifies(&self) -> bool {
        self.verify
    }

    fn write_chunk(&self, chunk: &[u8], offset: u64) -> Result<()> {
        let write = |data: &[u8], at: u64| {
            self.file.write_all_at(data, at).map_err(|e| {
                from_errno(
                    Errno::from_io_error(&e).unwrap_or(Errno::IO),
                    "the staged file could not be written",
                )
            })
        };
        if !self.sparse {
            return write(chunk, offset);
        }
        let lead = (HOLE - (offset % HOLE as u64) as usize) % HOLE;
        let (lead, blocks) = chunk.split_at(lead.min(chunk.len()));
        write(lead, offset)?;
        let mut at = offset + lead.len() as u64;
        for block in blocks.chunks(HOLE) {
            if block.len() < HOLE || block.iter().any(|b| *b != 0) {
                write(block, at)?;
            }
            at += block.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn keep_failure<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Makes the staged file the object: attributes, sync, publish, sync of the directory.
    pub(crate) fn finish(
        &self,
        root: &Root,
        place: KeyPath<'_>,
        size: u64,
        request: &WriteRequest,
        cancel: &Cancel,
    ) -> Result<Metadata> {
        if let Some(published) = self.published.get() {
            return Ok(published.clone());
        }
        if self.failed.load(Ordering::Relaxed) {
            let message = "an earlier write to the staged file failed, so nothing is published";
            return Err(Error::new(ErrorKind::Other, message));
        }
        self.keep_failure(self.complete(root, place, size, request))?;
        publish(root, self, place, &request.condition, cancel)?;
        let mut metadata = stat::metadata(&fstat(&self.file).map_err(doing("stat the new file"))?);
        metadata.attributes = request.attributes.clone();
        Ok(self.published.get_or_init(|| metadata).clone())
    }

    fn complete(&self, root: &Root, place: KeyPath<'_>, size: u64, request: &WriteRequest) -> Result<()> {
        let file = self.file.as_fd();
        // Holes at the end are made by the length; and a length that is already right is a cheap check.
        let length = fstat(file).map_err(doing("stat the staged file"))?.st_size.unsigned_abs();
        if length != size {
            if !self.sparse || length > size {
                let message = format!("the staged file has {length} bytes, not {size}");
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
            rustix::fs::ftruncate(file, size).map_err(doing("set the length"))?;
        }
        if !request.attributes.is_empty() {
            attributes::write(file, &request.attributes)?;
        }
        // Looked at again: what became private meanwhile stays private.
        let inherited = inherited(root, &self.directory, place)?.or(self.inherited);
        if let Some(mode) = inherited.filter(|_| request.unix.is_none()) {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(doing("set the permissions"))?;
        }
        attributes::set_file(file, request.unix, request.set_owner, request.modified)?;
        if root.config.fsync {
            rustix::fs::fsync(file).map_err(doing("sync the staged file"))?;
        }
        Ok(())
    }

    /// The file has its own name now, or none: there is nothing left to remove.
    pub(crate) fn forget(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Removes the staged file; twice is once.
    pub(crate) fn remove(&self) -> Result<()> {
        if self.gone.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(from_errno(errno, "remove the staged file")),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            // What cannot be removed now is found by a clean-up.
            let _ = self.remove();
        }
    }
}

/// The permissions of the file at `place`, which what replaces it keeps. Not set-user-ID and the like: those would give
/// the rights of whoever writes, and the system too takes them from a file that is written.
fn inherited(root: &Root, directory: &OwnedFd, place: KeyPath<'_>) -> Result<Option<u32>> {
    match Found::at(root, directory, place) {
        Ok(found) if found.is_directory() => Err(from_errno(Errno::ISDIR, "look at the destination")),
        Ok(found) if FileType::from_raw_mode(found.object.st_mode) == FileType::RegularFile => {
            Ok(Some(found.object.st_mode & 0o777))
        }
        _ => Ok(None),
    }
}

/// A new file with a reserved name, locked. A clean-up may come between making and locking: then both step back.
fn create_locked(directory: &OwnedFd, mode: u32) -> Result<(OwnedFd, String)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = staged_name();
        let file = match openat(directory, &name, flags, Mode::from_raw_mode(mode)) {
            Ok(file) => file,
            Err(Errno::EXIST) => continue,
            Err(errno) => return Err(from_errno(errno, "make the staged file")),
        };
        let ours =
            lock::try_alone(&file) && fstat(&file).map_err(doing("stat the staged file"))?.st_nlink > 0;
        if ours {
            return Ok((file, name));
        }
    }
}

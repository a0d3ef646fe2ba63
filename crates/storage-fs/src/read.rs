//! Reading: one open file is one version, checked for changes in place when its last byte is read (clause READ-1).

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat};
use rustix::io::Errno;
use storage_core::{
    ByteStream, Error, ErrorKind, Handle, Key, KeyPath, Metadata, ReadRequest, ReadResponse, Result, body,
};

use crate::attributes;
use crate::blocking;
use crate::buffer;
use crate::config::Symlinks;
use crate::direct;
use crate::error::{doing, finding, from_errno};
use crate::root::Root;
use crate::stat;

/// Bytes read in one step.
const CHUNK: u64 = buffer::SIZE as u64;

/// What stands at a key, ready to be read.
pub(crate) enum Found {
    File { file: OwnedFd, stat: Stat },
    Symlink { target: Bytes, stat: Stat },
}

impl Found {
    /// Finds the object at `key`. A directory is no object.
    pub(crate) fn find(root: &Root, key: &Key) -> Result<Self> {
        let place = KeyPath::of(key)?;
        // A file is opened without waiting: a FIFO would wait for its other end.
        let mut flags = OFlags::RDONLY | OFlags::NONBLOCK;
        if !root.follows() {
            flags |= OFlags::NOFOLLOW;
        }
        let file = match root.open_at(key.as_str(), flags) {
            Ok(file) => file,
            Err(Errno::LOOP) if root.config.symlinks == Symlinks::Preserve => return Self::link(root, place),
            Err(Errno::LOOP) if root.config.symlinks == Symlinks::Skip => {
                return Err(from_errno(Errno::NOENT, "open"));
            }
            // A socket or device without a driver behind it.
            Err(Errno::NXIO) => return Err(special()),
            Err(errno) => return Err(finding("open the file")(errno)),
        };
        let stat = fstat(&file).map_err(doing("stat the open file"))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Self::File { file, stat }),
            FileType::Directory => Err(Error::new(ErrorKind::NotFound, "this is a directory, not an object")),
            _ => Err(special()),
        }
    }

    fn link(root: &Root, place: KeyPath<'_>) -> Result<Self> {
        let parent = root.parent(place).map_err(finding("open the directory"))?;
        let stat = rustix::fs::statat(&parent, place.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(finding("stat the link"))?;
        let target =
            rustix::fs::readlinkat(&parent, place.name, Vec::new()).map_err(|errno| match errno {
                // No link: then a link stands further up in the path.
                Errno::INVAL => from_errno(Errno::LOOP, "read the link"),
                errno => finding("read the link")(errno),
            })?;
        Ok(Self::Symlink { target: target.into_bytes().into(), stat })
    }

    pub(crate) fn metadata(&self) -> Result<Metadata> {
        match self {
            Self::File { file, stat } => {
                let mut metadata = stat::metadata(stat);
                metadata.attributes = attributes::read(file.as_fd())?;
                Ok(metadata)
            }
            Self::Symlink { target, stat } => {
                let mut metadata = stat::metadata(stat);
                metadata.size = target.len() as u64;
                Ok(metadata)
            }
        }
    }
}

fn special() -> Error {
    Error::new(ErrorKind::Unsupported, "this is a device, socket or FIFO, which holds no object")
}

pub(crate) fn metadata(root: &Root, key: &Key) -> Result<Metadata> {
    Found::find(root, key)?.metadata()
}

/// Opens an object and reads its first bytes in the same step: a small file takes one.
pub(crate) fn open(root: &Root, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    let found = Found::find(root, key)?;
    let metadata = found.metadata()?;
    if request.conditions.if_match.is_some() && metadata.etag != request.conditions.if_match {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"));
    }
    let range = request.range.resolve(metadata.size)?;
    match found {
        Found::Symlink { target, .. } => {
            let wanted = target.slice(range.start as usize..range.end as usize);
            Ok(ReadResponse::new(metadata, range, body([wanted])))
        }
        Found::File { file, stat } => {
            let open = Open::new(root, file, stat);
            let mut rest = open.rest(range.clone());
            let first = rest.step();
            Ok(ReadResponse::new(metadata, range, rest.stream(Some(first))).with_handle(Arc::new(open)))
        }
    }
}

/// An open file: replaced or renamed, it is still what it was.
#[derive(Debug)]
struct Open {
    file: Arc<OwnedFd>,
    /// The same past the page cache.
    direct: Option<Arc<OwnedFd>>,
    stat: Stat,
}

impl Open {
    fn new(root: &Root, file: OwnedFd, stat: Stat) -> Self {
        let wanted = root.config.direct && stat.st_size.unsigned_abs() >= direct::FILE_MIN;
        let direct = wanted.then(|| direct::reopen(&file, OFlags::RDONLY)).flatten();
        Self { file: Arc::new(file), direct: direct.map(Arc::new), stat }
    }

    fn rest(&self, range: Range<u64>) -> Rest {
        let (file, direct) = (self.file.clone(), self.direct.clone());
        Rest { file, direct, stat: self.stat, position: range.start, end: range.end }
    }
}

impl Handle for Open {
    fn read(&self, range: Range<u64>) -> ByteStream {
        self.rest(range).stream(None)
    }
}

/// What is left of an open file.
struct Rest {
    file: Arc<OwnedFd>,
    direct: Option<Arc<OwnedFd>>,
    stat: Stat,
    position: u64,
    end: u64,
}

impl Rest {
    /// The next bytes; with the last ones the proof that nobody wrote into the file meanwhile.
    fn step(&mut self) -> Result<Bytes> {
        let wanted = CHUNK.min(self.end - self.position) as usize;
        let chunk = match &self.direct {
            Some(direct) if wanted > 0 => {
                direct::read(direct, self.position, wanted).map_err(doing("read the file"))?
            }
            _ => self.read(wanted)?,
        };
        if chunk.is_empty() && wanted > 0 {
            return Err(changed());
        }
        self.position += chunk.len() as u64;
        if self.position == self.end {
            let now = fstat(&self.file).map_err(doing("stat the open file"))?;
            if !stat::same_content(&self.stat, &now) {
                return Err(changed());
            }
            refuse_content_without_size(&self.file, &self.stat)?;
        }
        Ok(chunk)
    }

    fn read(&self, wanted: usize) -> Result<Bytes> {
        let mut chunk = buffer::take(wanted);
        while chunk.len() < wanted {
            let at = self.position + chunk.len() as u64;
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut chunk), at) {
                Ok(0) => return Err(changed()),
                Ok(_) => chunk.truncate(wanted),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(from_errno(errno, "read the file")),
            }
        }
        Ok(buffer::share(chunk))
    }

    /// What is left, after what was read already.
    fn stream(self, first: Option<Result<Bytes>>) -> ByteStream {
        let start = (self, first);
        Box::pin(futures_util::stream::try_unfold(start, |(mut rest, first)| async move {
            if let Some(first) = first {
                return first.map(|chunk| Some((chunk, (rest, None))));
            }
            if rest.position == rest.end {
                return Ok(None);
            }
            let (rest, chunk) = blocking::run(move |_| {
                let chunk = rest.step();
                Ok((rest, chunk))
            })
            .await?;
            chunk.map(|chunk| Some((chunk, (rest, None))))
        }))
    }
}

/// Files that the kernel makes up, as in `/proc`, call themselves empty and are not. To believe them would lose what they
/// hold without a word.
pub(crate) fn refuse_content_without_size(file: &OwnedFd, stat: &Stat) -> Result<()> {
    let mut probe = [0; 1];
    if stat.st_size == 0 && rustix::io::pread(file, &mut probe, 0) == Ok(1) {
        let message = "this file holds more than the size of zero that it tells";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

pub(crate) fn changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the file changed while it was read")
}

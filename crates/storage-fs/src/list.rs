//! Listing in key order as a stream, in the memory of one directory per level (clauses LIST-1 to LIST-4).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, FileKind, Key, ListRequest, Lister, Object, Page, Prefix,
    Result, is_staged_name,
};

use crate::blocking::{self, Cancel};
use crate::config::Symlinks;
use crate::error::{doing, from_errno};
use crate::root::Root;
use crate::stat;

const PAGE: usize = 1000;
/// Threads that look at the objects of a page. A disk or a file server that is far away answers several questions at a time.
const LOOKERS: usize = 8;
/// For fewer objects a thread is not worth its start.
const LOOKS_MIN: usize = 64;

pub(crate) struct FsLister {
    /// Away while a page is being made. A lister whose page was cancelled has lost its place.
    walk: Option<Walk>,
}

impl FsLister {
    pub(crate) fn new(root: Arc<Root>, request: ListRequest) -> Self {
        Self { walk: Some(Walk { root, request, levels: Vec::new(), begun: false, pages: 0 }) }
    }
}

impl Lister for FsLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let Some(mut walk) = self.walk.take() else {
                return Err(Error::new(ErrorKind::Cancelled, "the listing lost its place; start a new one"));
            };
            let (walk, page) = blocking::run(move |cancel| {
                let page = walk.page(cancel);
                Ok((walk, page))
            })
            .await?;
            self.walk = Some(walk);
            page
        })
    }
}

struct Walk {
    root: Arc<Root>,
    request: ListRequest,
    /// The directories from the prefix down to where the walk stands.
    levels: Vec<Level>,
    begun: bool,
    pages: u64,
}

/// A directory being listed.
struct Level {
    fd: Arc<OwnedFd>,
    stat: Stat,
    /// Its path with a `/` at the end; empty for the root.
    path: String,
    /// What is left, the next one last.
    names: Vec<Name>,
}

/// A directory entry. A directory's name ends in `/`, so that plain byte order is key order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    bytes: Vec<u8>,
    broken: Option<Broken>,
}

/// What a walk comes by.
enum Seen {
    Entry(Box<Result<Entry>>),
    /// An object that is still to be looked at.
    Object {
        directory: Arc<OwnedFd>,
        name: String,
        full: String,
    },
}

impl Seen {
    fn entry(entry: Result<Entry>) -> Self {
        Self::Entry(Box::new(entry))
    }
}

/// Why a link leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    Dangling,
    Outside,
    Loop,
    Other,
}

impl Walk {
    fn page(&mut self, cancel: &Cancel) -> Result<Page> {
        if !self.begun {
            self.begin()?;
            self.begun = true;
        }
        let mut found = Vec::with_capacity(PAGE);
        while found.len() < PAGE {
            cancel.check()?;
            let Some(level) = self.levels.last_mut() else { break };
            match level.names.pop() {
                Some(name) => self.visit(name, &mut found),
                None => drop(self.levels.pop()),
            }
        }
        let entries = self.resolve(found, cancel)?;
        if self.levels.is_empty() {
            return Ok(Page::new(entries, None));
        }
        self.pages += 1;
        Ok(Page::new(entries, Some(self.pages.to_string())))
    }

    /// Looks at the objects among what was found, many at a time.
    fn resolve(&self, found: Vec<Seen>, cancel: &Cancel) -> Result<Vec<Result<Entry>>> {
        let looks = found.iter().filter(|seen| matches!(seen, Seen::Object { .. })).count();
        let threads = (looks / LOOKS_MIN).clamp(1, LOOKERS);
        let share = found.len().div_ceil(threads).max(1);
        let mut found = found.into_iter();
        let shares: Vec<Vec<Seen>> = (0..threads).map(|_| found.by_ref().take(share).collect()).collect();
        let look = |share: Vec<Seen>| -> Vec<Result<Entry>> {
            // Nobody waits for what is left out.
            let wanted = share.into_iter().take_while(|_| cancel.check().is_ok());
            wanted.filter_map(|seen| self.resolve_one(seen)).collect()
        };
        let mut entries = Vec::with_capacity(PAGE);
        std::thread::scope(|scope| {
            let mut shares = shares.into_iter();
            let first = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|share| scope.spawn(|| look(share))).collect();
            entries.extend(look(first));
            for other in others {
                match other.join() {
                    Ok(seen) => entries.extend(seen),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        cancel.check().map(|()| entries)
    }

    fn resolve_one(&self, seen: Seen) -> Option<Result<Entry>> {
        let (directory, name, full) = match seen {
            Seen::Entry(entry) => return Some(*entry),
            Seen::Object { directory, name, full } => (directory, name, full),
        };
        let found = self.stat_object(&directory, &name, &full);
        let entry = found.and_then(|found| Ok(Entry::Object(Object::new(Key::new(&full)?, found))));
        match entry {
            // It went away meanwhile: a listing made a moment later would not show it either.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Err(error.with_name(full).for_entry())),
            entry => Some(entry),
        }
    }

    /// Opens the directory that holds everything with the prefix.
    fn begin(&mut self) -> Result<()> {
        let prefix = self.request.prefix.as_str();
        let (directory, path) = match prefix.rfind('/') {
            Some(at) => (&prefix[..at], &prefix[..=at]),
            None => ("", ""),
        };
        let odd = |segment: &str| matches!(segment, "" | "." | "..");
        if !path.is_empty() && directory.split('/').any(odd) {
            // No key of a file system begins so.
            return Ok(());
        }
        let fd = match self.root.open_directory(directory) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => return Ok(()),
            Err(errno) => return Err(from_errno(errno, "open the directory")),
        };
        let path = path.to_owned();
        match self.enter(fd, path) {
            Ok(level) => self.levels.push(level),
            // It was removed since it was opened.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the names of a directory, keeps those that the request is about, and sorts them.
    fn enter(&self, fd: OwnedFd, path: String) -> Result<Level> {
        let stat = fstat(&fd).map_err(doing("stat the directory"))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(doing("read the directory"))? {
            let entry = entry.map_err(doing("read the directory"))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || is_staged_name(name) {
                continue;
            }
            if let Some(name) = self.classify(&fd, &path, name, entry.file_type())
                && self.concerns(&path, &name)
            {
                names.push(name);
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Level { fd: Arc::new(fd), stat, path, names })
    }

    /// Finds out whether a name is a directory; `None` for what is not shown.
    fn classify(&self, fd: &OwnedFd, path: &str, name: &[u8], listed: FileType) -> Option<Name> {
        let mut kind = listed;
        if kind == FileType::Unknown {
            let found = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            kind = FileType::from_raw_mode(found.st_mode);
        }
        let mut broken = None;
        if kind == FileType::Symlink {
            match self.root.config.symlinks {
                Symlinks::Skip => return None,
                Symlinks::Preserve => {}
                Symlinks::Follow => match self.lead(path, name) {
                    Ok(found) => kind = FileType::from_raw_mode(found.st_mode),
                    Err(why) => broken = Some(why),
                },
            }
        }
        let mut bytes = name.to_vec();
        if kind == FileType::Directory {
            bytes.push(b'/');
        }
        Some(Name { bytes, broken })
    }

    /// Follows a link to what it leads to, under the root.
    fn lead(&self, path: &str, name: &[u8]) -> Result<Stat, Broken> {
        let name = std::str::from_utf8(name).map_err(|_| Broken::Other)?;
        self.root.stat_path(&format!("{path}{name}")).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => Broken::Dangling,
            Errno::XDEV => Broken::Outside,
            Errno::LOOP => Broken::Loop,
            _ => Broken::Other,
        })
    }

    /// Whether anything at or below `name` can have the prefix and come after the start.
    fn concerns(&self, path: &str, name: &Name) -> bool {
        let is_directory = name.bytes.ends_with(b"/");
        let prefix =
            &self.request.prefix.as_str().as_bytes()[path.len().min(self.request.prefix.as_str().len())..];
        let in_prefix = name.bytes.starts_with(prefix) || (is_directory && prefix.starts_with(&name.bytes));
        let Some(after) = &self.request.start_after else { return in_prefix };
        let full = [path.as_bytes(), &name.bytes].concat();
        in_prefix
            && (full.as_slice() > after.as_bytes() || (is_directory && after.as_bytes().starts_with(&full)))
    }

    fn visit(&mut self, name: Name, found: &mut Vec<Seen>) {
        let level = self.levels.last().expect("because the name was taken from it");
        let shown = format!("{}{}", level.path, String::from_utf8_lossy(&name.bytes));
        match self.look(name, found) {
            Ok(()) => {}
            // It went away meanwhile: a listing made a moment later would not show it either.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => found.push(Seen::entry(Err(error.with_name(shown).for_entry()))),
        }
    }

    fn look(&mut self, name: Name, found: &mut Vec<Seen>) -> Result<()> {
        let level = self.levels.last().expect("because the name was taken from it");
        if let Some(broken) = name.broken {
            return Err(broken.error());
        }
        let text = String::from_utf8(name.bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidKey, "the name is not UTF-8 and so no key"))?;
        let full = format!("{}{text}", level.path);
        match text.strip_suffix('/') {
            Some(directory) => self.look_at_directory(directory, full, found),
            None => {
                found.push(Seen::Object { directory: level.fd.clone(), name: text, full });
                Ok(())
            }
        }
    }

    fn look_at_directory(&mut self, name: &str, full: String, seen: &mut Vec<Seen>) -> Result<()> {
        let prefix = Prefix::new(&full)?;
        let within = full.starts_with(self.request.prefix.as_str()) && full != self.request.prefix.as_str();
        let after_start = self.request.start_after.as_ref().is_none_or(|after| full > *after);
        let grouped = self.request.delimiter.is_some() && within;
        let level = self.levels.last().expect("because the name was taken from it");
        if grouped {
            let found = self.stat_directory(level, name, &full)?;
            if after_start {
                let directory = Directory::new(prefix, Some(stat::metadata(&found)));
                seen.push(Seen::entry(Ok(Entry::Prefix(directory))));
            }
            return Ok(());
        }
        let fd = self.open_child(level, name, &full)?;
        let child = self.enter(fd, full)?;
        if self.levels.iter().any(|above| stat::same_file(&above.stat, &child.stat)) {
            return Err(Broken::Loop.error());
        }
        if self.request.directories && within && after_start {
            let metadata = stat::metadata(&child.stat);
            seen.push(Seen::entry(Ok(Entry::Prefix(Directory::new(prefix, Some(metadata))))));
        }
        self.levels.push(child);
        Ok(())
    }

    fn open_child(&self, level: &Level, name: &str, full: &str) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // A plain directory opens from its parent's handle; a link to one has to be confined by the root.
        match openat(&level.fd, name, flags | OFlags::NOFOLLOW, rustix::fs::Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) if self.root.follows() => {
                self.root.open_directory(full.trim_end_matches('/')).map_err(doing("open the directory"))
            }
            result => result.map_err(|errno| match errno {
                // Something else took its place since the names were read.
                Errno::LOOP | Errno::NOTDIR => from_errno(Errno::NOENT, "open the directory"),
                errno => from_errno(errno, "open the directory"),
            }),
        }
    }

    fn stat_directory(&self, level: &Level, name: &str, full: &str) -> Result<Stat> {
        let found =
            statat(&level.fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(doing("stat the directory"))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink && self.root.follows() {
            return self.root.stat_path(full.trim_end_matches('/')).map_err(doing("stat the directory"));
        }
        Ok(found)
    }

    fn stat_object(&self, directory: &OwnedFd, name: &str, full: &str) -> Result<storage_core::Metadata> {
        let mut found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(doing("stat the file"))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink && self.root.follows() {
            found = self.root.stat_path(full).map_err(doing("stat the file"))?;
        }
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink if self.root.config.symlinks == Symlinks::Preserve => {}
            FileType::Symlink | FileType::Directory => return Err(from_errno(Errno::NOENT, "stat the file")),
            _ => {
                let message = "this is a device, socket or FIFO, which holds no object";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        let metadata = stat::metadata(&found);
        debug_assert_ne!(metadata.kind, FileKind::Directory);
        Ok(metadata)
    }
}

impl Broken {
    fn error(self) -> Error {
        let (kind, message) = match self {
            Self::Dangling => (ErrorKind::InvalidData, "a symbolic link that leads to nothing"),
            Self::Outside => (ErrorKind::PermissionDenied, "a symbolic link that leads outside the root"),
            Self::Loop => (ErrorKind::InvalidData, "a symbolic link that leads in a circle"),
            Self::Other => (ErrorKind::Other, "a symbolic link that cannot be followed"),
        };
        Error::new(kind, message)
    }
}

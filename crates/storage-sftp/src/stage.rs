//! A write aside: a file beside its destination that becomes it in one step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use openssh_sftp_client::UnixTimeStamp;
use openssh_sftp_client::file::File;
use openssh_sftp_client::fs::Fs;
use openssh_sftp_client::metadata::MetaData;
use storage_core::{
    Change, Condition, Error, ErrorKind, Key, KeyPath, Metadata, Payload, Result, UnixAttributes,
    WriteRequest, staged_name,
};
use tokio::sync::Mutex;

use crate::attributes::{self, is_directory};
use crate::backend::Shared;
use crate::change::make_directories;
use crate::error::is_missing;
use crate::read::seek;
use crate::session::Session;

/// Requests of one part on the way.
const IN_FLIGHT: usize = 16;
/// Bytes of one request.
const CHUNK: usize = 255 << 10;

/// An unfinished file. Dropped before it is published, it is removed in the background.
pub(crate) struct Staged {
    shared: Arc<Shared>,
    open: Mutex<Open>,
    directory: String,
    name: String,
    path: String,
    /// Whether a step was taken that may have put the file in its place, without an answer.
    in_doubt: AtomicBool,
    /// Whether there is nothing left to remove.
    over: AtomicBool,
    /// What was published: asked again, the same is told.
    published: OnceLock<Metadata>,
}

/// The file as one connection has it open.
#[derive(Clone)]
struct Open {
    session: Arc<Session>,
    file: File,
}

impl Staged {
    /// Makes an empty file beside the place of `key`, with the directories that it needs. `unix` is what it is given in
    /// the end; without it, it has the permissions of the file that it replaces.
    pub(crate) async fn create(
        shared: &Arc<Shared>,
        key: &Key,
        unix: Option<UnixAttributes>,
    ) -> Result<Self> {
        let place = KeyPath::of(key)?;
        let session = shared.pool.session().await?;
        let (mut fs, destination) = (session.fs(), shared.root.at(place.path));
        let (confined, old) =
            tokio::join!(shared.root.confine(&session, place.directory), fs.symlink_metadata(&destination));
        confined?;
        let mode = match (unix, old) {
            (Some(unix), _) => Some(unix.mode),
            (None, Ok(old)) if attributes::is_file(&old) => attributes::mode(&old),
            _ => None,
        };
        let aside = staged_name();
        let relative =
            if place.directory.is_empty() { aside } else { format!("{}/{aside}", place.directory) };
        let path = shared.root.at(&relative);
        shared.staged.lock().expect("because no holder of the lock panics").insert(path.clone());
        // Made before the first request: a future that is dropped meanwhile leaves something to remove.
        let mut cautious = Unmade { shared, path: Some(path) };
        let mut file = make(shared, &session, place.directory, cautious.path()).await?;
        if mode.is_some_and(|mode| mode & 0o077 == 0) {
            // What is going to be private is so from its first byte on.
            session.check(file.set_permissions(attributes::permissions(0o600)).await)?;
        }
        Ok(Self {
            shared: shared.clone(),
            open: Mutex::new(Open { session, file }),
            directory: place.directory.to_owned(),
            name: place.path.to_owned(),
            path: cautious.made(),
            in_doubt: AtomicBool::new(false),
            over: AtomicBool::new(false),
            published: OnceLock::new(),
        })
    }

    /// The file on a connection that stands. What the server acknowledged on an earlier one is in the file; what it did
    /// not is sent again, the same bytes to the same place.
    async fn open(&self) -> Result<Open> {
        let mut open = self.open.lock().await;
        if open.session.is_broken() {
            let session = self.shared.pool.session().await?;
            let file = session.check(session.open_staged(&self.path, false).await)?;
            *open = Open { session, file };
        }
        Ok(open.clone())
    }

    /// Writes bytes at an offset: many requests side by side, each by its place.
    pub(crate) async fn write(&self, offset: u64, body: &Payload) -> Result<()> {
        let mut at = offset;
        let mut pieces: Vec<(u64, Bytes)> = Vec::new();
        for chunk in body.chunks() {
            let mut rest = chunk.clone();
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(CHUNK));
                let length = piece.len() as u64;
                pieces.push((at, piece));
                at += length;
            }
        }
        let open = self.open().await?;
        let writes: Vec<_> = pieces.into_iter().map(|(at, piece)| put(&open, at, piece)).collect();
        let written = stream::iter(writes).buffer_unordered(IN_FLIGHT).try_collect::<()>().await;
        match written {
            Err(error) => Err(self.explain(&open.session, error).await),
            written => written,
        }
    }

    /// The protocol has one word for a full disk and everything else; the volume tells more.
    pub(crate) async fn explain(&self, session: &Session, error: Error) -> Error {
        if error.kind() != ErrorKind::Other || session.is_broken() {
            return error;
        }
        let parent = self.shared.root.at(&self.directory);
        match session.fs().statvfs(&parent).await {
            Ok(volume) if volume.bavail == 0 || volume.favail == 0 => {
                Error::new(ErrorKind::StorageFull, "no space is left on the server").with_source(error)
            }
            _ => error,
        }
    }

    /// Gives the file its attributes, syncs it, and puts it in its place.
    pub(crate) async fn publish(&self, request: &WriteRequest, size: u64) -> Result<Metadata> {
        if let Some(published) = self.published.get() {
            return Ok(published.clone());
        }
        let Open { session, mut file } = match self.open().await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.in_doubt.load(Ordering::Relaxed) => {
                return self.settled(size).await;
            }
            open => open?,
        };
        let mut change = Change::new();
        change.modified = request.modified;
        change.unix = request.unix;
        change.set_owner = request.set_owner;
        if let Some(change) = attributes::change(&change)? {
            session.check(file.set_metadata(change).await)?;
        }
        if self.shared.syncs(&session) {
            let synced = session.check(file.sync_all().await);
            if let Err(error) = synced {
                return Err(self.explain(&session, error).await);
            }
        }
        let given = Given { time: request.modified.is_some(), permissions: request.unix.is_some() };
        self.finish(&request.condition, size, given).await
    }

    /// Puts a file with all its content in its place. Where nobody set a time, it may be dated later by a second; where
    /// nobody set permissions, it has those of the file that it replaces.
    pub(crate) async fn finish(&self, condition: &Condition, size: u64, given: Given) -> Result<Metadata> {
        let Open { session, mut file } = self.open().await?;
        let mut found = session.check(file.metadata().await)?;
        if found.len() != Some(size) {
            let message = format!("{size} bytes were sent and the server holds {}", found.len().unwrap_or(0));
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let destination = self.shared.root.at(&self.name);
        let mut fs = session.fs();
        match condition {
            Condition::None => {
                let old = predecessor(&session, &mut fs, &destination).await?;
                if let Some(change) = old.as_ref().and_then(|old| inherit(old, &found, size, given)) {
                    session.check(file.set_metadata(change).await)?;
                    found = session.check(file.metadata().await)?;
                }
                let in_doubt = self.in_doubt.swap(true, Ordering::Relaxed);
                match self.replace(&session, &mut fs, &destination, old.is_some()).await {
                    // Nobody waited for the answer to the rename before this one.
                    Err(error) if in_doubt && error.kind() == ErrorKind::NotFound => {
                        return self.settled(size).await;
                    }
                    replaced => replaced?,
                }
            }
            Condition::IfAbsent => {
                self.in_doubt.store(true, Ordering::Relaxed);
                if let Err(error) = fs.hard_link(&self.path, &destination).await {
                    let error = session.check::<()>(Err(error)).expect_err("because it is one");
                    if session.is_broken() {
                        return Err(error);
                    }
                    // The protocol does not say why; only what is there now can.
                    return match fs.symlink_metadata(&destination).await {
                        Ok(found) if is_directory(&found) => Err(in_the_way()),
                        Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, "a file stands there already")),
                        Err(_) => Err(error),
                    };
                }
                // From here on the object is there; what stays behind is for a clean-up.
                let _ = fs.remove_file(&self.path).await;
            }
            _ => return Err(Error::unsupported("SFTP has no condition on an ETag")),
        }
        self.end();
        Ok(self.published.get_or_init(|| attributes::metadata(&found)).clone())
    }

    /// The answer to a rename was lost, and the file has left its place: nobody else takes it, so it arrived.
    async fn settled(&self, size: u64) -> Result<Metadata> {
        let session = self.shared.pool.session().await?;
        let found = session.check(session.fs().symlink_metadata(self.shared.root.at(&self.name)).await)?;
        if found.len() != Some(size) {
            let message = "the file was put in its place and replaced by somebody else since";
            return Err(Error::new(ErrorKind::PreconditionFailed, message).maybe_applied());
        }
        self.end();
        Ok(self.published.get_or_init(|| attributes::metadata(&found)).clone())
    }

    async fn replace(&self, session: &Session, fs: &mut Fs, destination: &str, exists: bool) -> Result<()> {
        if exists && !session.sftp().support_posix_rename() {
            // The protocol's own rename does not replace: for a moment there is neither.
            session.check(fs.remove_file(destination).await)?;
        }
        session.check(fs.rename(&self.path, destination).await)
    }

    /// Removes the file.
    pub(crate) async fn discard(&self) -> Result<()> {
        if self.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        remove(&self.shared, &self.path).await?;
        self.end();
        Ok(())
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        forget(&self.shared, &self.path);
    }

    /// The connection and the file on it, for a copy within the server.
    pub(crate) async fn parts(&self) -> Result<(Arc<Session>, File)> {
        let open = self.open().await?;
        Ok((open.session, open.file))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.over.load(Ordering::Relaxed) {
            remove_later(&self.shared, &self.path);
        }
    }
}

/// What the caller set, and so stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) time: bool,
    pub(crate) permissions: bool,
}

/// Whether a time is that of the predecessor, or before it by no more than a burst of overwrites can have shifted that.
fn is_no_later(new: u32, old: u32) -> bool {
    old.checked_sub(new).is_some_and(|ahead| ahead < 3600)
}

/// A name that was chosen for a file that may or may not be there.
struct Unmade<'a> {
    shared: &'a Arc<Shared>,
    path: Option<String>,
}

impl Unmade<'_> {
    fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    fn made(&mut self) -> String {
        self.path.take().unwrap_or_default()
    }
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            remove_later(self.shared, path);
        }
    }
}

/// Makes the file, and where they are missing its directories.
async fn make(shared: &Shared, session: &Arc<Session>, directory: &str, path: &str) -> Result<File> {
    match session.open_staged(path, true).await {
        Err(error) if is_missing(&error) => {}
        opened => return session.check(opened),
    }
    make_directories(shared, session, directory).await?;
    session.check(session.open_staged(path, true).await)
}

async fn put(open: &Open, mut at: u64, mut piece: Bytes) -> Result<()> {
    let mut file = open.file.clone();
    while !piece.is_empty() {
        seek(&mut file, at)?;
        let taken = open.session.check(file.write_zero_copy(&[piece.clone()]).await)?;
        if taken == 0 {
            return Err(Error::new(ErrorKind::InvalidData, "the server takes no more bytes"));
        }
        at += taken as u64;
        let _ = piece.split_to(taken.min(piece.len()));
    }
    Ok(())
}

/// The file that is going to be replaced.
async fn predecessor(session: &Session, fs: &mut Fs, destination: &str) -> Result<Option<MetaData>> {
    match fs.symlink_metadata(destination).await {
        Ok(found) if is_directory(&found) => Err(in_the_way()),
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => session.check(Err(error)),
    }
}

/// What a file takes over from the one that it replaces. Two contents of one size within a second would look the same,
/// so the later one is dated later. What replaces a private file is as private.
fn inherit(old: &MetaData, new: &MetaData, size: u64, given: Given) -> Option<MetaData> {
    let seconds = |of: &MetaData| of.modified().map_or(0, UnixTimeStamp::into_raw);
    let later = (!given.time && old.len() == Some(size) && is_no_later(seconds(new), seconds(old)))
        .then(|| seconds(old).saturating_add(1));
    let mode = attributes::mode(old).filter(|mode| {
        // A link's own say nothing.
        !given.permissions && attributes::is_file(old) && attributes::mode(new) != Some(*mode)
    });
    attributes::inherited(later, mode)
}

async fn remove(shared: &Shared, path: &str) -> Result<()> {
    let session = shared.pool.session().await?;
    match session.fs().remove_file(path).await {
        Err(error) if is_missing(&error) => Ok(()),
        removed => session.check(removed),
    }
}

/// Removes an unfinished file in the background. Without a runtime it is left to a clean-up.
fn remove_later(shared: &Arc<Shared>, path: &str) {
    forget(shared, path);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let (shared, path) = (shared.clone(), path.to_owned());
        runtime.spawn(async move {
            let _ = remove(&shared, &path).await;
        });
    }
}

/// From here on a clean-up may take it.
fn forget(shared: &Shared, path: &str) {
    shared.staged.lock().expect("because no holder of the lock panics").remove(path);
}

fn in_the_way() -> Error {
    Error::new(ErrorKind::InvalidKey, "a directory stands there")
}

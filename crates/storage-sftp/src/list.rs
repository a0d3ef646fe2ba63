//! Listing in key order as a stream, in the memory of one directory per level (clauses LIST-1 to LIST-4).

use std::sync::Arc;

use futures_util::StreamExt;
use openssh_sftp_client::metadata::MetaData;
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, Key, ListRequest, Lister, Object, Page, Prefix, Result,
    is_staged_name,
};

use crate::attributes::{is_directory, is_file, is_link, metadata};
use crate::backend::Shared;
use crate::config::Symlinks;
use crate::error::is_missing;
use crate::names::is_no_text;
use crate::session::Session;

const PAGE: usize = 1000;

pub(crate) struct SftpLister {
    shared: Arc<Shared>,
    request: ListRequest,
    /// The directories from the prefix down to where the walk stands.
    levels: Vec<Level>,
    begun: bool,
    pages: u64,
    /// Entries of the page in the making: an error half-way loses none of them.
    ready: Vec<Result<Entry>>,
    /// A directory that is shown already and still has to be read.
    pending: Option<String>,
}

/// A directory being listed.
struct Level {
    /// Its path with a `/` at the end; empty for the root.
    path: String,
    /// What is left, the next one last.
    names: Vec<Name>,
}

/// An entry of a directory. A directory's name ends in `/`, so that plain byte order is key order.
struct Name {
    bytes: Vec<u8>,
    found: MetaData,
}

impl SftpLister {
    pub(crate) fn new(shared: Arc<Shared>, request: ListRequest) -> Self {
        Self { shared, request, levels: Vec::new(), begun: false, pages: 0, ready: Vec::new(), pending: None }
    }

    async fn page(&mut self) -> Result<Page> {
        let session = self.shared.pool.session().await?;
        if !self.begun {
            self.begin(&session).await?;
            self.begun = true;
        }
        while self.ready.len() < PAGE {
            if let Some(path) = self.pending.clone() {
                let level = self.enter(&session, path).await?;
                self.pending = None;
                self.levels.extend(level);
                continue;
            }
            let Some(level) = self.levels.last_mut() else {
                return Ok(Page::new(std::mem::take(&mut self.ready), None));
            };
            match level.names.pop() {
                Some(name) => self.visit(&session, name).await,
                None => drop(self.levels.pop()),
            }
        }
        self.pages += 1;
        Ok(Page::new(std::mem::take(&mut self.ready), Some(self.pages.to_string())))
    }

    /// Reads the directory that holds everything with the prefix.
    async fn begin(&mut self, session: &Arc<Session>) -> Result<()> {
        let prefix = self.request.prefix.as_str();
        let path = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        let odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.len() > 255;
        let directory = path.trim_end_matches('/');
        if !path.is_empty() && (directory.len() + 1 != path.len() || directory.split('/').any(odd)) {
            // No key of a directory begins so.
            return Ok(());
        }
        let path = path.to_owned();
        match self.shared.root.confine(session, &path[..path.len().saturating_sub(1)]).await {
            Err(error) if error.kind() == ErrorKind::InvalidKey => return Ok(()),
            confined => confined?,
        }
        let level = self.enter(session, path).await?;
        self.levels.extend(level);
        Ok(())
    }

    /// Reads the names of a directory, keeps those that the request is about, and sorts them. One that is gone, or is
    /// none, has no names.
    async fn enter(&self, session: &Arc<Session>, path: String) -> Result<Option<Level>> {
        let at = self.shared.root.at(path.trim_end_matches('/'));
        let opened = match session.open_dir(&at).await {
            Err(error) if is_missing(&error) => return Ok(None),
            opened => match session.check(opened) {
                Err(error) if error.kind() == ErrorKind::Other && self.is_none(session, &at).await => {
                    return Ok(None);
                }
                opened => opened.map_err(|e| e.with_name(path.clone()))?,
            },
        };
        // Since its name was read, a link may have taken its place.
        match self.shared.root.confine(session, path.trim_end_matches('/')).await {
            Err(error) if error.kind() == ErrorKind::InvalidKey => return Ok(None),
            confined => confined?,
        }
        let mut names = Vec::new();
        let mut entries = std::pin::pin!(opened.read_dir());
        while let Some(entry) = entries.next().await {
            let entry = session.check(entry)?;
            let mut bytes = std::os::unix::ffi::OsStrExt::as_bytes(entry.filename().as_os_str()).to_vec();
            let found = entry.metadata();
            let skipped = is_link(&found) && self.shared.config.symlinks == Symlinks::Skip;
            if matches!(bytes.as_slice(), b"." | b"..") || is_staged_name(&bytes) || skipped {
                continue;
            }
            if is_directory(&found) {
                bytes.push(b'/');
            }
            if self.concerns(&path, &bytes) {
                names.push(Name { bytes, found });
            }
        }
        names.sort_unstable_by(|a, b| b.bytes.cmp(&a.bytes));
        Ok(Some(Level { path, names }))
    }

    /// Whether something other than a directory stands there.
    async fn is_none(&self, session: &Arc<Session>, path: &str) -> bool {
        session.fs().symlink_metadata(path).await.is_ok_and(|found| !is_directory(&found))
    }

    /// Whether anything at or below `name` can have the prefix and come after the start.
    fn concerns(&self, path: &str, name: &[u8]) -> bool {
        let is_directory = name.ends_with(b"/");
        let whole = self.request.prefix.as_str().as_bytes();
        let prefix = &whole[path.len().min(whole.len())..];
        let in_prefix = name.starts_with(prefix) || (is_directory && prefix.starts_with(name));
        let Some(after) = &self.request.start_after else { return in_prefix };
        let full = [path.as_bytes(), name].concat();
        in_prefix
            && (full.as_slice() > after.as_bytes() || (is_directory && after.as_bytes().starts_with(&full)))
    }

    async fn visit(&mut self, session: &Arc<Session>, name: Name) {
        let level = self.levels.last().expect("because the name was taken from it");
        let shown =
            format!("{}{}", level.path, String::from_utf8_lossy(&name.bytes).replace('\0', "\u{fffd}"));
        match self.look(session, name).await {
            Ok(()) => {}
            // It went away meanwhile: a listing made a moment later would not show it either.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.ready.push(Err(error.with_name(shown).for_entry())),
        }
    }

    async fn look(&mut self, session: &Arc<Session>, name: Name) -> Result<()> {
        let level = self.levels.last().expect("because the name was taken from it");
        let text = String::from_utf8(name.bytes).ok().filter(|text| !is_no_text(text.as_bytes()));
        let no_text = || Error::new(ErrorKind::InvalidKey, "the name is not UTF-8 and so no key");
        let text = text.ok_or_else(no_text)?;
        let full = format!("{}{text}", level.path);
        if text.ends_with('/') {
            return self.look_at_directory(full, &name.found);
        }
        let mut found = name.found;
        if is_link(&found) {
            found = self.shared.root.follow(session, &self.shared.root.at(&full)).await?;
            if is_directory(&found) {
                let message = "a symbolic link to a directory, which is not followed";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        if !is_file(&found) {
            let message = "this is a device, socket or FIFO, which holds no object";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let object = Object::new(Key::new(&full)?, metadata(&found));
        self.ready.push(Ok(Entry::Object(object)));
        Ok(())
    }

    fn look_at_directory(&mut self, full: String, found: &MetaData) -> Result<()> {
        let prefix = Prefix::new(&full)?;
        let within = full.starts_with(self.request.prefix.as_str()) && full != self.request.prefix.as_str();
        let after_start = self.request.start_after.as_ref().is_none_or(|after| full > *after);
        let grouped = self.request.delimiter.is_some() && within;
        if (grouped || self.request.directories) && within && after_start {
            self.ready.push(Ok(Entry::Prefix(Directory::new(prefix, Some(metadata(found))))));
        }
        if !grouped {
            self.pending = Some(full);
        }
        Ok(())
    }
}

impl Lister for SftpLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(self.page())
    }
}

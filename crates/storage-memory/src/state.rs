//! What is stored, and the rules of changing it. Every method is one step: nobody sees it half-done.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use storage_core::{
    Attributes, Change, Condition, CopyRequest, DeleteTarget, ETag, Error, ErrorKind, Metadata, Result,
    Target, UnixAttributes, Version, WriteRequest,
};

/// Names as bytes: a prefix's successor is then the prefix with its last byte raised, as UTF-8 never ends in 0xFF.
pub(crate) type Name = Vec<u8>;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) keep_versions: bool,
    /// Per key its versions, oldest first, never empty.
    pub(crate) objects: BTreeMap<Name, Vec<Stored>>,
    pub(crate) directories: BTreeMap<Name, Metadata>,
    counter: u64,
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) metadata: Metadata,
    pub(crate) body: Bytes,
}

impl fmt::Debug for State {
    /// Without the objects: what a user stores is nothing for a log (clause ERR-2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("keep_versions", &self.keep_versions)
            .field("objects", &self.objects.len())
            .field("directories", &self.directories.len())
            .finish_non_exhaustive()
    }
}

impl Stored {
    pub(crate) fn is_object(&self) -> bool {
        !self.metadata.is_delete_marker
    }
}

impl State {
    pub(crate) fn new(keep_versions: bool) -> Self {
        Self { keep_versions, ..Self::default() }
    }

    pub(crate) fn newest(&self, key: &str) -> Option<&Stored> {
        self.objects.get(key.as_bytes())?.last().filter(|stored| stored.is_object())
    }

    pub(crate) fn find(&self, key: &str, version: Option<&Version>) -> Result<&Stored> {
        let found = match version {
            None => self.newest(key),
            Some(_) => self
                .objects
                .get(key.as_bytes())
                .and_then(|all| all.iter().find(|s| s.metadata.version.as_ref() == version && s.is_object())),
        };
        found.ok_or_else(|| match version {
            None => Error::new(ErrorKind::NotFound, "no such object"),
            Some(version) => Error::new(ErrorKind::NotFound, format!("no such version as {version}")),
        })
    }

    pub(crate) fn put(&mut self, key: &str, body: Bytes, request: &WriteRequest) -> Result<Metadata> {
        self.check(key, &request.condition)?;
        let mut metadata = Metadata::new(body.len() as u64);
        metadata.kind = request.kind;
        metadata.modified = Some(request.modified.unwrap_or_else(SystemTime::now));
        // Without an owner asked for, everything here belongs to number 0.
        metadata.unix = request.unix.map(|unix| owned(unix, request.set_owner, (0, 0)));
        metadata.attributes = request.attributes.clone();
        metadata.token = Some(request.token.clone());
        Ok(self.push(key, Stored { metadata, body }))
    }

    pub(crate) fn copy(&mut self, from: &str, to: &str, request: &CopyRequest) -> Result<Metadata> {
        let mut copy = self.find(from, request.source_version.as_ref())?.clone();
        if request.source_if_match.is_some() && copy.metadata.etag != request.source_if_match {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag of the source is another one"));
        }
        self.check(to, &request.condition)?;
        if let Some(attributes) = &request.attributes {
            copy.metadata.attributes = Attributes::clone(attributes);
        }
        if !request.preserve {
            copy.metadata.modified = Some(SystemTime::now());
        }
        copy.metadata.token = None;
        Ok(self.push(to, copy))
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, condition: &Condition) -> Result<()> {
        let moved = self.find(from, None)?.clone();
        self.check(to, condition)?;
        self.push(to, moved);
        self.remove_newest(from);
        Ok(())
    }

    pub(crate) fn delete(&mut self, target: &DeleteTarget) -> Result<()> {
        let key = target.key.as_str();
        if let Some(expected) = &target.if_match {
            self.check(key, &Condition::IfMatch(expected.clone()))?;
        }
        match &target.version {
            None => self.remove_newest(key),
            Some(version) => self.remove_version(key, version),
        }
        Ok(())
    }

    pub(crate) fn update(&mut self, target: &Target, change: &Change) -> Result<()> {
        let found = match target {
            Target::Object(key) => self
                .objects
                .get_mut(key.as_str().as_bytes())
                .and_then(|all| all.last_mut())
                .filter(|stored| stored.is_object())
                .map(|stored| &mut stored.metadata),
            Target::Directory(prefix) => self.directories.get_mut(prefix.as_str().as_bytes()),
            _ => None,
        };
        let metadata = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "nothing is there to update"))?;
        metadata.modified = change.modified.or(metadata.modified);
        if let Some(unix) = change.unix {
            let owner = metadata.unix.map_or((0, 0), |now| (now.uid, now.gid));
            metadata.unix = Some(owned(unix, change.set_owner, owner));
        }
        Ok(())
    }

    pub(crate) fn create_dir(&mut self, directory: &str) {
        for (at, _) in directory.match_indices('/') {
            let mut metadata = Metadata::new(0);
            metadata.kind = storage_core::FileKind::Directory;
            metadata.modified = Some(SystemTime::now());
            self.directories.entry(directory[..=at].into()).or_insert(metadata);
        }
    }

    pub(crate) fn remove_dir(&mut self, directory: &str) -> Result<()> {
        let name = directory.as_bytes();
        let end = successor(name);
        let objects = self.objects.range(name.to_vec()..end.clone());
        let has_object = objects.flat_map(|(_, all)| all.last()).any(Stored::is_object);
        let has_directory = self.directories.range(name.to_vec()..end).any(|(other, _)| other != name);
        if has_object || has_directory {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the directory is not empty"));
        }
        self.directories.remove(name);
        Ok(())
    }

    fn check(&self, key: &str, condition: &Condition) -> Result<()> {
        let found = self.newest(key);
        match condition {
            Condition::IfAbsent if found.is_some() => {
                Err(Error::new(ErrorKind::AlreadyExists, "an object is there"))
            }
            Condition::IfMatch(etag) if found.and_then(|s| s.metadata.etag.as_ref()) != Some(etag) => {
                Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"))
            }
            _ => Ok(()),
        }
    }

    /// Makes `stored` the newest version of `key`.
    fn push(&mut self, key: &str, mut stored: Stored) -> Metadata {
        self.counter += 1;
        if stored.is_object() {
            stored.metadata.etag = Some(ETag::new(format!("{:x}", self.counter)));
        }
        stored.metadata.version = self.keep_versions.then(|| Version::new(format!("{:016x}", self.counter)));
        stored.metadata.is_latest = true;
        let metadata = stored.metadata.clone();
        let all = self.objects.entry(key.into()).or_default();
        if !self.keep_versions {
            all.clear();
        }
        all.iter_mut().for_each(|older| older.metadata.is_latest = false);
        all.push(stored);
        metadata
    }

    fn remove_newest(&mut self, key: &str) {
        if self.newest(key).is_none() {
            return;
        }
        if !self.keep_versions {
            self.objects.remove(key.as_bytes());
            return;
        }
        let mut metadata = Metadata::new(0);
        metadata.modified = Some(SystemTime::now());
        metadata.is_delete_marker = true;
        self.push(key, Stored { metadata, body: Bytes::new() });
    }

    fn remove_version(&mut self, key: &str, version: &Version) {
        let Some(all) = self.objects.get_mut(key.as_bytes()) else { return };
        all.retain(|stored| stored.metadata.version.as_ref() != Some(version));
        match all.last_mut() {
            Some(newest) => newest.metadata.is_latest = true,
            None => {
                self.objects.remove(key.as_bytes());
            }
        }
    }
}

/// The permissions asked for, with the owner asked for or the one there is.
fn owned(asked: UnixAttributes, set_owner: bool, (uid, gid): (u32, u32)) -> UnixAttributes {
    if set_owner { asked } else { UnixAttributes { uid, gid, ..asked } }
}

/// The first name after all that begin with `prefix`.
pub(crate) fn successor(prefix: &[u8]) -> Name {
    let mut end = prefix.to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0xFF),
    }
    end
}

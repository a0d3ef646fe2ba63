//! A write in parts: each at its place in the staged file.

use std::sync::Arc;

use storage_core::{
    BoxFuture, Error, ErrorKind, FileKind, Key, KeyPath, Metadata, Part, Result, Resumed, TakenPart, Upload,
    WriteRequest,
};

use crate::blocking::{self, Cancel};
use crate::root::Root;
use crate::stage::Staged;

#[derive(Debug)]
pub(crate) struct FsUpload {
    root: Arc<Root>,
    key: Key,
    request: Arc<WriteRequest>,
    staged: Arc<Staged>,
}

impl FsUpload {
    pub(crate) fn start(root: Arc<Root>, key: Key, request: WriteRequest) -> Result<Self> {
        if request.kind == FileKind::Symlink {
            return Err(Error::new(ErrorKind::InvalidInput, "the target of a symbolic link is too long"));
        }
        let staged =
            Arc::new(Staged::create(&root, KeyPath::of(&key)?, request.unix.is_some(), request.verify)?);
        Ok(Self { root, key, request: Arc::new(request), staged })
    }
}

/// Goes on with the staged file of another process, if nobody else does. A part stands if it reads back as it was written.
pub(crate) fn resume(
    root: Arc<Root>,
    key: Key,
    request: WriteRequest,
    name: &str,
    parts: &[TakenPart],
    cancel: &Cancel,
) -> Result<Option<Resumed>> {
    let Some(staged) = Staged::adopt(&root, KeyPath::of(&key)?, name, request.verify)? else {
        return Ok(None);
    };
    let mut standing = Vec::new();
    for part in parts {
        cancel.check()?;
        if staged.digest(part.offset, part.length)? == Some(part.checksum) {
            standing.push(part.number);
        }
    }
    let upload = FsUpload { root, key, request: Arc::new(request), staged: Arc::new(staged) };
    Ok(Some(Resumed { upload: Box::new(upload), parts: standing }))
}

impl Upload for FsUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        let staged = self.staged.clone();
        Box::pin(blocking::run(move |_| staged.write_at(&part.body, part.offset)))
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        let (root, key) = (self.root.clone(), self.key.clone());
        let (request, staged) = (self.request.clone(), self.staged.clone());
        Box::pin(blocking::run(move |cancel| {
            staged.finish(&root, KeyPath::of(&key)?, size, &request, cancel)
        }))
    }

    fn keep(&self) -> Option<String> {
        Some(self.staged.keep())
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        let staged = self.staged.clone();
        Box::pin(blocking::run(move |_| staged.remove()))
    }
}

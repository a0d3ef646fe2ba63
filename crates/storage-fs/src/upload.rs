//! A write in parts: each at its place in the staged file.

use std::sync::Arc;

use storage_core::{
    BoxFuture, Error, ErrorKind, FileKind, Key, KeyPath, Metadata, Part, Result, Upload, WriteRequest,
};

use crate::blocking;
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

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        let staged = self.staged.clone();
        Box::pin(blocking::run(move |_| staged.remove()))
    }
}

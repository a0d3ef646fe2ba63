//! A write in parts: each to its place in one unfinished file.

use std::fmt;
use std::sync::Arc;

use storage_core::{BoxFuture, Key, Metadata, Part, Result, Upload, WriteRequest};

use crate::backend::Shared;
use crate::stage::Staged;

pub(crate) struct SftpUpload {
    staged: Staged,
    request: WriteRequest,
}

impl SftpUpload {
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        key: &Key,
        request: &WriteRequest,
    ) -> Result<Box<dyn Upload>> {
        Ok(Box::new(Self {
            staged: Staged::create(shared, key, request.unix).await?,
            request: request.clone(),
        }))
    }
}

impl Upload for SftpUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.staged.write(part.offset, &part.body).await })
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(self.staged.publish(&self.request, size))
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.staged.discard())
    }
}

impl fmt::Debug for SftpUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpUpload").field("request", &self.request).finish_non_exhaustive()
    }
}

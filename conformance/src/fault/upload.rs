//! An upload whose parts, finish and abort meet faults.

use std::sync::Arc;

use storage_core::{Algorithm, BoxFuture, Metadata, Part, Result, Upload};

use super::backend::{Script, spoil_metadata};
use super::call::{Call, Seen};

#[derive(Debug)]
pub(super) struct FaultUpload {
    pub(super) inner: Box<dyn Upload>,
    pub(super) script: Arc<Script>,
    pub(super) name: String,
}

#[deny(clippy::missing_trait_methods)]
impl Upload for FaultUpload {
    fn part(&self, mut part: Part) -> BoxFuture<'_, Result<()>> {
        let mut seen = Seen::new(Call::Part, &self.name);
        seen.part = Some(part.number);
        seen.offset = part.offset;
        seen.length = part.body.len();
        seen.content = Some(Algorithm::Crc64Nvme.digest(&part.body.clone().into_bytes()));
        Box::pin(async move {
            let body = std::mem::take(&mut part.body);
            let send = move |body| {
                part.body = body;
                self.inner.part(part)
            };
            let (done, fault) = self.script.send(seen, body, send).await?;
            self.script.nothing_left(Call::Part, fault)?;
            Ok(done)
        })
    }

    fn takes_parts_twice(&self) -> bool {
        self.inner.takes_parts_twice()
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        let mut seen = Seen::new(Call::Finish, &self.name);
        seen.length = size;
        Box::pin(async move {
            let (metadata, fault) = self.script.run(seen, self.inner.finish(size)).await?;
            spoil_metadata(Call::Finish, metadata, fault)
        })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        let seen = Seen::new(Call::Abort, &self.name);
        Box::pin(async move {
            let (done, fault) = self.script.run(seen, self.inner.abort()).await?;
            self.script.nothing_left(Call::Abort, fault)?;
            Ok(done)
        })
    }
}

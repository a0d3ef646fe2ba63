//! A write in parts: they wait until they are published together.

use std::collections::BTreeMap;
use std::sync::Mutex;

use storage_core::{BoxFuture, Error, ErrorKind, Key, Metadata, Part, Payload, Result, Upload};

use crate::backend::Template;

#[derive(Debug)]
pub(crate) struct TemplateUpload {
    backend: Template,
    key: Key,
    parts: Mutex<BTreeMap<u64, Payload>>,
}

impl TemplateUpload {
    pub(crate) fn new(backend: Template, key: Key) -> Self {
        Self { backend, key, parts: Mutex::new(BTreeMap::new()) }
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Payload>> {
        self.parts.lock().expect("because no holder of the lock panics")
    }
}

impl Upload for TemplateUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.parts().insert(part.number, part.body);
            Ok(())
        })
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move {
            let mut whole = Payload::new();
            self.parts().values().flat_map(Payload::chunks).for_each(|chunk| whole.push(chunk.clone()));
            if whole.len() != size {
                return Err(Error::new(ErrorKind::InvalidInput, "parts are missing"));
            }
            Ok(self.backend.put(&self.key, whole))
        })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.parts().clear();
            Ok(())
        })
    }
}

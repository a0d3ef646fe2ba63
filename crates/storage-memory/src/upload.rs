//! Parts wait here until they are published together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use storage_core::{BoxFuture, Error, ErrorKind, Key, Metadata, Part, Payload, Result, Upload, WriteRequest};

use crate::state::State;

#[derive(Debug)]
pub(crate) struct MemoryUpload {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) key: Key,
    pub(crate) request: WriteRequest,
    pub(crate) parts: Mutex<BTreeMap<u64, Payload>>,
}

impl MemoryUpload {
    fn parts(&self) -> MutexGuard<'_, BTreeMap<u64, Payload>> {
        self.parts.lock().expect("because no holder of the lock panics")
    }

    fn publish(&self, size: u64) -> Result<Metadata> {
        let mut whole = Payload::new();
        for (at, (number, part)) in self.parts().iter().enumerate() {
            if *number != at as u64 {
                return Err(Error::new(ErrorKind::InvalidInput, format!("part {at} never came")));
            }
            part.chunks().iter().for_each(|chunk| whole.push(chunk.clone()));
        }
        if whole.len() != size {
            let message = format!("the parts have {} bytes, not {size}", whole.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut state = self.state.lock().expect("because no holder of the lock panics");
        state.put(self.key.as_str(), whole.into_bytes(), &self.request)
    }
}

impl Upload for MemoryUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        self.parts().insert(part.number, part.body);
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move { self.publish(size) })
    }

    fn keep(&self) -> Option<String> {
        None
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        self.parts().clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

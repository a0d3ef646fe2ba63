//! A write in parts: they go into the table of pieces at once, and one row publishes them.

use std::sync::Arc;

use redb::ReadableTable;
use storage_core::{
    BoxFuture, CleanupReport, Error, ErrorKind, Key, Metadata, Part, Prefix, Result, Upload, WriteRequest,
};

use crate::error::Failure;
use crate::file::File;
use crate::record::Record;
use crate::table::Tables;

#[derive(Debug)]
pub(crate) struct RedbUpload {
    key: Key,
    request: WriteRequest,
    alive: Alive,
}

/// Keeps a content from being cleaned up for as long as its upload lives.
#[derive(Debug)]
struct Alive {
    file: Arc<File>,
    content: u64,
}

impl Alive {
    fn new(file: Arc<File>, content: u64) -> Self {
        file.alive().insert(content);
        Self { file, content }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.file.alive().remove(&self.content);
    }
}

impl RedbUpload {
    pub(crate) async fn begin(file: &Arc<File>, key: &Key, request: &WriteRequest) -> Result<Self> {
        let (own, meant) = (file.clone(), key.clone());
        let begin = move |tables: &mut Tables<'_>| {
            let content = tables.number()?;
            tables.uploads.insert(content, meant.as_str())?;
            // Before the commit: a clean-up never sees an upload that is not alive yet.
            Ok(Alive::new(own, content))
        };
        let alive = file.prepare(begin).await?;
        Ok(Self { key: key.clone(), request: request.clone(), alive })
    }
}

impl Upload for RedbUpload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let content = self.alive.content;
            let store = move |tables: &mut Tables<'_>| {
                still_there(tables, content)?;
                tables.store(content, part.offset, &part.body.into_bytes())
            };
            self.alive.file.prepare(store).await
        })
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(async move {
            let (key, content) = (self.key.clone(), self.alive.content);
            let request = self.request.clone();
            let publish = move |tables: &mut Tables<'_>| {
                still_there(tables, content)?;
                tables.check(key.as_str(), &request.condition)?;
                tables.uploads.remove(content)?;
                let record = Record::written(content, size, &request);
                tables.put(key.as_str(), &record)?;
                Ok(record.metadata)
            };
            self.alive.file.write(publish).await
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
            let content = self.alive.content;
            let discard = move |tables: &mut Tables<'_>| {
                // After a finish the content is the object's, and stays.
                if tables.uploads.remove(content)?.is_some() {
                    tables.discard(content)?;
                }
                Ok(())
            };
            self.alive.file.prepare(discard).await
        })
    }
}

fn still_there(tables: &Tables<'_>, content: u64) -> Result<(), Failure> {
    if tables.uploads.get(content)?.is_some() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "the upload is finished or aborted").into())
}

/// Removes the uploads below `prefix` that nobody works on: those of a process that died, and of dropped writers.
pub(crate) async fn clean_up(file: &Arc<File>, prefix: &Prefix) -> Result<CleanupReport> {
    let (own, prefix) = (file.clone(), prefix.clone());
    let clean_up = move |tables: &mut Tables<'_>| {
        let mut found = Vec::new();
        for upload in tables.uploads.iter()? {
            let (content, key) = upload?;
            if key.value().starts_with(prefix.as_str()) {
                found.push(content.value());
            }
        }
        let mut report = CleanupReport::default();
        let (alive, dead): (Vec<u64>, Vec<u64>) =
            found.into_iter().partition(|content| own.alive().contains(content));
        report.in_use = alive.len() as u64;
        for content in dead {
            tables.uploads.remove(content)?;
            report.bytes += tables.discard(content)?;
            report.removed += 1;
        }
        Ok(report)
    };
    file.write(clean_up).await
}

//! The backend: each method is one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use storage_core::{Backend, BoxFuture, Capabilities, Change, CleanupReport, Condition, CopyRequest, CopyTarget, DeleteTarget, Durability, Error, Key, Level, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest, ReadResponse, Result, Resumed, StatRequest, TakenPart, Target, Upload, WriteRequest, SignRequest, SignedRequest};

use crate::file::{File, blocking};
use crate::list::RedbLister;
use crate::read::read;
use crate::record::Record;
use crate::table::{OBJECTS, Tables, find, same_etag};
use crate::upload::{RedbUpload, clean_up};

/// Objects in one database file. A clone shares it.
#[derive(Clone, Debug)]
pub struct Redb {
    file: Arc<File>,
}

impl Redb {
    /// Opens the file, and makes it if it is missing; its directory must be there.
    ///
    /// # Errors
    /// `Unavailable` while the file is open elsewhere, in this process or another; `InvalidData` if it is damaged or
    /// no database; `NotFound` without its directory.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(path.into(), None).await
    }

    pub(crate) async fn open_with(path: PathBuf, cache_bytes: Option<usize>) -> Result<Self> {
        let file = blocking(move |_| File::open(&path, cache_bytes)).await?;
        Ok(Self { file: Arc::new(file) })
    }
}

impl Backend for Redb {
    fn name(&self) -> &str {
        "redb"
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::none();
        can.publish = Level::Atomic;
        can.durability = Durability::Stable;
        can.create_if_absent = Level::Atomic;
        can.replace_if_match = Level::Atomic;
        can.delete_if_match = Level::Atomic;
        can.copy = Level::Atomic;
        can.rename = Level::Atomic;
        can.list_sorted = true;
        can.list_delimiter = true;
        can.list_start_after = true;
        can.user_metadata = true;
        can.content_headers = true;
        can.set_modified = true;
        can.modified_precision = Some(Duration::from_nanos(1));
        can.write_token = true;
        can.cleanup = true;
        can.limits.part_max = 64 << 20; // a part is in memory until its transaction is committed
        can.limits.delete_batch = 1000;
        can
    }

    fn stat<'a>(&'a self, key: &'a Key, _: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let key = key.clone();
            let stat = self.file.read(move |snapshot| find(&snapshot.open_table(OBJECTS)?, key.as_str()));
            Ok(stat.await?.metadata)
        })
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(read(&self.file, key, request))
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let (key, request) = (key.clone(), request.clone());
            let write = move |tables: &mut Tables<'_>| {
                tables.check(key.as_str(), &request.condition)?;
                let record = Record::written(tables.number()?, body.len(), &request);
                tables.store(record.content, 0, &body.into_bytes())?;
                tables.put(key.as_str(), &record)?;
                Ok(record.metadata)
            };
            self.file.write(write).await
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            let upload = RedbUpload::begin(&self.file, key, request).await?;
            Ok(Box::new(upload) as Box<dyn Upload>)
        })
    }

    fn resume<'a>(
        &'a self,
        _: &'a Key,
        _: &'a WriteRequest,
        _: &'a str,
        _: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        Box::new(RedbLister::new(self.file.clone(), request))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let targets = targets.to_vec();
            let delete = move |tables: &mut Tables<'_>| {
                let mut results = Vec::with_capacity(targets.len());
                for DeleteTarget { key, if_match, .. } in &targets {
                    let condition = if_match.clone().map_or(Condition::None, Condition::IfMatch);
                    let allowed = tables.check(key.as_str(), &condition);
                    if allowed.is_ok() {
                        tables.remove(key.as_str())?;
                    }
                    results.push(allowed.map_err(Error::from));
                }
                Ok(results)
            };
            self.file.write(delete).await
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let (from, to, request) = (from.clone(), to.clone(), request.clone());
            let copy = move |tables: &mut Tables<'_>| {
                let mut record = find(&tables.objects, from.as_str())?;
                same_etag(Some(&record), request.source_if_match.as_ref())?;
                tables.check(to.as_str(), &request.condition)?;
                record.content = tables.duplicate(record.content)?;
                if !request.preserve {
                    record.metadata.modified = Some(SystemTime::now());
                }
                record.metadata.token = None;
                record.metadata.attributes = request.attributes.unwrap_or(record.metadata.attributes);
                let record = record.with_etag();
                tables.put(to.as_str(), &record)?;
                Ok(record.metadata)
            };
            self.file.write(copy).await
        })
    }

    fn copy_from<'a>(
        &'a self,
        _: &'a dyn Backend,
        _: &'a [CopyTarget],
        _: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (from, to, condition) = (from.clone(), to.clone(), condition.clone());
            let rename = move |tables: &mut Tables<'_>| {
                let record = find(&tables.objects, from.as_str())?;
                tables.check(to.as_str(), &condition)?;
                tables.objects.remove(from.as_str())?;
                tables.put(to.as_str(), &record)
            };
            self.file.write(rename).await
        })
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Target::Object(key) = target else { return Err(no("directories")) };
            let (key, modified) = (key.clone(), change.modified);
            let update = move |tables: &mut Tables<'_>| {
                let mut record = find(&tables.objects, key.as_str())?;
                record.metadata.modified = modified.or(record.metadata.modified);
                tables.put(key.as_str(), &record)
            };
            self.file.write(update).await
        })
    }

    // Not declared, so never called; they say so all the same.

    fn create_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Err(no("directories")) })
    }

    fn remove_dir<'a>(&'a self, _: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Err(no("directories")) })
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        Box::pin(clean_up(&self.file, prefix))
    }

    fn presign<'a>(&'a self, _: &'a Key, _: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(async { Err(no("URLs to sign")) })
    }
}

fn no(what: &str) -> Error {
    Error::unsupported(format!("redb has no {what}"))
}

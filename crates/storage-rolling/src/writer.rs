//! Records into parts, and parts into a set.

use std::time::{Duration, Instant};

use storage_core::pipeline::{Pipeline, RecordSink};
use storage_core::{Algorithm, Error, ErrorKind, Flaw, Key, Result, Store, WriteOptions};

use crate::manifest::{Manifest, Part};

/// When a part is full. Whichever is reached first counts; without any there is one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most records of a part.
    pub records: Option<u64>,
    /// The bytes of records, before they are compressed, after which a part is full.
    pub bytes: Option<u64>,
    /// The time after which a part is full. It is looked at when a record comes, and by nobody else.
    pub age: Option<Duration>,
}

impl Limits {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most records of a part; at least one.
    pub fn records(mut self, count: u64) -> Self {
        self.records = Some(count.max(1));
        self
    }

    /// Sets after how many bytes a part is full.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sets after which time a part is full.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }
}

/// A set of objects being written, of which readers see nothing before [`finish`](Self::finish): they go by the manifest, which is written
/// last, in one step.
///
/// Parts have names that no other set has, so that readers of an older set are not disturbed. Dropped without an end, or killed, the parts
/// that were finished stay as objects that no manifest names; [`abort`](Self::abort) removes them.
#[derive(Debug)]
pub struct Rolling {
    pipeline: Pipeline,
    store: Store,
    prefix: String,
    ending: String,
    limits: Limits,
    /// What tells the parts of this set from others.
    id: String,
    open: Option<Open>,
    parts: Vec<Part>,
    broken: bool,
}

#[derive(Debug)]
struct Open {
    key: Key,
    sink: RecordSink,
    begun: Instant,
}

impl Rolling {
    /// A set below `prefix`, such as `logs/2026/`: its parts are called `part-…` there, with this ending, such as `.ndjson.zst`.
    pub fn new(
        pipeline: Pipeline,
        store: &Store,
        prefix: impl Into<String>,
        ending: impl Into<String>,
        limits: Limits,
    ) -> Self {
        Self {
            pipeline,
            store: store.clone(),
            prefix: prefix.into(),
            ending: ending.into(),
            limits,
            id: format!("{:016x}", fastrand::u64(..)),
            open: None,
            parts: Vec::new(),
            broken: false,
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// One that tells a [`Flaw`], of a record that the format cannot hold: it was not taken, and others may follow. Any other error ends the set: what is left
    /// is to [`abort`](Self::abort).
    pub async fn write(&mut self, record: &[u8]) -> Result<()> {
        self.admit()?;
        if self.is_full() {
            self.roll().await?;
        }
        if self.open.is_none() {
            let opened = self.begin().await;
            self.open = Some(self.noted(opened)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let written = open.sink.write(record).await.map_err(|error| error.with_name(open.key.as_str()));
        match written {
            Err(error) if Flaw::of(&error).is_none() => self.noted(Err(error)),
            written => written,
        }
    }

    /// Ends the part that is open, if one is; the next record begins another.
    ///
    /// # Errors
    /// Those of [`RecordSink::finish`]; they end the set.
    pub async fn roll(&mut self) -> Result<()> {
        self.admit()?;
        let Some(Open { key, sink, .. }) = self.open.take() else { return Ok(()) };
        let records = sink.records();
        let finished = sink.finish().await;
        let metadata = self.noted(finished)?;
        let checksum = metadata.checksums.get(Algorithm::Blake3);
        let none = || Error::new(ErrorKind::Other, "the store tells no checksum").with_name(key.as_str());
        let checksum = self.noted(checksum.ok_or_else(none))?.to_string();
        self.parts.push(Part { key: key.as_str().to_owned(), records, size: metadata.size, checksum });
        Ok(())
    }

    /// Ends the last part, and publishes the set as the manifest at `key`.
    ///
    /// # Errors
    /// Those of the store; the manifest stays as it was, unless the error says that it may have been written, and the parts are removed unless that is so.
    pub async fn finish(mut self, key: &Key) -> Result<Manifest> {
        if let Err(error) = self.roll().await {
            self.abort().await;
            return Err(error);
        }
        let manifest = Manifest::new(std::mem::take(&mut self.parts));
        let written = match manifest.to_json() {
            Ok(json) => self.store.write(key, json, WriteOptions::new()).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(_) => Ok(manifest),
            Err(error) => {
                if !error.may_have_been_applied() {
                    self.parts = manifest.parts;
                    self.abort().await;
                }
                Err(error)
            }
        }
    }

    /// Gives up, and removes the parts that were finished, as far as that is possible.
    pub async fn abort(mut self) {
        if let Some(open) = self.open.take() {
            open.sink.abort().await;
        }
        for part in &self.parts {
            if let Ok(key) = Key::new(&part.key) {
                // What cannot be removed is named by no manifest.
                let _ = self.store.delete(key).await;
            }
        }
    }

    /// The parts that are finished.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn is_full(&self) -> bool {
        let Some(open) = &self.open else { return false };
        let Limits { records, bytes, age } = self.limits;
        records.is_some_and(|most| open.sink.records() >= most)
            || bytes.is_some_and(|most| open.sink.bytes() >= most)
            || age.is_some_and(|most| open.begun.elapsed() >= most)
    }

    async fn begin(&self) -> Result<Open> {
        let key =
            Key::new(format!("{}part-{}-{:05}{}", self.prefix, self.id, self.parts.len(), self.ending))?;
        let options = WriteOptions::new().checksum(Algorithm::Blake3);
        let sink = self.pipeline.write(&self.store, &key, options).await?;
        Ok(Open { key, sink, begun: Instant::now() })
    }

    fn admit(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the set failed before; it can only be given up",
            ));
        }
        Ok(())
    }

    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        self.broken |= result.is_err();
        result
    }
}

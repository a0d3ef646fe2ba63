//! Beginning an upload so that the next process can go on with it, or going on with what the last one began.

use super::Store;
use super::sink::Sink;
use crate::checksum::Checksum;
use crate::error::Result;
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{TransferOptions, WriteRequest};
use crate::transfer::{Entry, Record, TakenPart};

/// A smaller object is sent again sooner than it is worth writing down.
const WORTH_IT: u64 = 32 << 20;

/// What is written down of one transfer, if anything is.
#[derive(Default)]
pub(super) struct Diary {
    open: Option<Open>,
}

struct Open {
    entry: Entry,
    /// What the last process wrote.
    found: Option<Record>,
    source: String,
    /// Nothing was written there before.
    is_new: bool,
    kept: bool,
}

impl Diary {
    /// Whether an object of so many bytes is written down at all.
    pub(super) const fn is_worth_it(size: u64) -> bool {
        size >= WORTH_IT
    }

    /// The diary of the copy of this version of `from` to `to`. Where none can be kept the transfer goes without.
    pub(super) async fn open(options: &TransferOptions, from: &Key, to: &Key, source: &Metadata) -> Self {
        let size = source.size;
        let (Some((journal, places)), Some(source)) = (&options.resume, Record::source_of(source)) else {
            return Self::default();
        };
        if !Self::is_worth_it(size) {
            return Self::default();
        }
        let name = format!("{places}\n{from}\n{to}");
        let journal = journal.clone();
        let opened = tokio::task::spawn_blocking(move || journal.open(&name)).await;
        match opened {
            Ok(Ok(Some((entry, found)))) => {
                let is_new = found.is_none();
                Self { open: Some(Open { entry, found, source, is_new, kept: false }) }
            }
            _ => Self::default(),
        }
    }

    /// Goes on with what was begun of the same source, or begins. Gives the parts that stand; `part`, their length, and the
    /// token in `request` become those of the beginning.
    pub(super) async fn begin(
        &mut self,
        destination: &Store,
        (name, key): (&Key, &Key),
        request: &mut WriteRequest,
        part: &mut u64,
    ) -> Result<(Sink, Vec<TakenPart>)> {
        if let Some(open) = &mut self.open
            && let Some(found) = open.found.take()
        {
            match open.go_on(destination, (name, key), request, &found).await {
                Ok(Some((sink, taken))) => {
                    (request.token, *part) = (found.token, found.part);
                    return Ok((sink, taken));
                }
                Err(error) if error.is_retryable() => return Err(error),
                // What cannot be taken up, or not by us, is begun anew, and left to a clean-up.
                Ok(None) | Err(_) => {}
            }
        }
        let begun = Sink::begin(destination, name, key, request).await;
        if begun.is_err() {
            // An entry that tells of no upload helps nobody.
            self.open.iter().filter(|open| open.is_new).for_each(|open| open.entry.remove());
        }
        let mut sink = begun?;
        if let Some(open) = &mut self.open {
            match sink.keep() {
                Some(upload) => {
                    let token = request.token.clone();
                    open.write(Record {
                        source: open.source.clone(),
                        upload,
                        token,
                        part: *part,
                        taken: Vec::new(),
                    })
                    .await;
                }
                None => open.entry.remove(),
            }
        }
        if !self.is_kept() {
            self.open = None;
        }
        Ok((sink, Vec::new()))
    }

    /// Whether the upload outlives this process.
    pub(super) fn is_kept(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.kept)
    }

    /// Where parts are written down.
    pub(super) fn entry(&self) -> Option<Entry> {
        self.open.as_ref().map(|open| open.entry.clone())
    }

    /// The transfer is over.
    pub(super) fn close(&self) {
        if let Some(open) = &self.open {
            open.entry.remove();
        }
    }
}

impl Open {
    async fn go_on(
        &mut self,
        destination: &Store,
        (name, key): (&Key, &Key),
        request: &WriteRequest,
        found: &Record,
    ) -> Result<Option<(Sink, Vec<TakenPart>)>> {
        let same = found.source == self.source;
        let mut request = request.clone();
        request.token.clone_from(&found.token);
        let mut record = found.clone();
        if !same {
            record.taken.clear();
        }
        // A part of which less is known than the whole is held against cannot be held against anything.
        let knows =
            |part: &TakenPart, expected: &Checksum| part.checksums().get(expected.algorithm()).is_some();
        record.taken.retain(|part| request.expected.iter().all(|expected| knows(part, expected)));
        let resumed = Sink::resume(destination, name, key, &request, &record).await?;
        let Some((mut sink, standing)) = resumed else { return Ok(None) };
        if !same {
            // Of another version of the source: nothing of it can be used, and nobody else will remove it.
            let _ = sink.abort().await;
            return Ok(None);
        }
        let _ = sink.keep();
        record.taken.retain(|part| standing.contains(&part.number));
        record.taken.sort_by_key(|part| part.number);
        record.taken.dedup_by_key(|part| part.number);
        self.write(record.clone()).await;
        Ok(Some((sink, record.taken)))
    }

    async fn write(&mut self, record: Record) {
        let entry = self.entry.clone();
        let written = tokio::task::spawn_blocking(move || entry.begin(&record)).await;
        self.kept = matches!(written, Ok(Ok(())));
    }
}

//! Whole reads, vectored reads, stat, exists and checksums.

use std::ops::Range;

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt, TryStreamExt};

use super::Store;
use super::reader::changed_if_gone;
use crate::checksum::{Algorithm, Checksums, Hashers};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{ReadOptions, StatOptions, StatRequest};
use crate::retry::Repeat;

/// Ranges of a vectored read closer than this are read in one request: what lies between costs less than a request.
pub(super) const COALESCE_GAP: u64 = 256 << 10;
/// A request of a vectored read stops growing at this size.
const COALESCE_MAX: u64 = 16 << 20;
/// Requests of one vectored read side by side.
const VECTORED_CONCURRENCY: usize = 8;

/// Pieces of this length are hashed while the next one comes; for less the way to another thread is not worth it.
const HASHED_BESIDE: usize = 128 << 10;

/// What a read gave.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    /// The bytes of `range`.
    pub bytes: Bytes,
    /// Of the version that was read; `size` is that of the whole object.
    pub metadata: Metadata,
    /// The range that was read, clipped to the object.
    pub range: Range<u64>,
}

impl Store {
    /// Reads into memory.
    ///
    /// # Errors
    /// Those of [`reader`](Store::reader) and of its stream.
    pub async fn read(&self, key: &Key, options: ReadOptions) -> Result<ReadOutcome> {
        let reader = self.reader(key, options).await?;
        let (metadata, range) = (reader.metadata().clone(), reader.range());
        Ok(ReadOutcome { bytes: reader.collect().await?, metadata, range })
    }

    /// Reads several ranges of one version, in the order given. Ranges that lie close together share a request, and
    /// requests travel side by side. An end past the object is clipped. An empty list makes no request.
    ///
    /// # Errors
    /// Those of [`read`](Store::read), and `InvalidInput` if a range ends before it starts or the options hold one of their
    /// own.
    pub async fn read_ranges(
        &self,
        key: &Key,
        ranges: &[Range<u64>],
        options: ReadOptions,
    ) -> Result<Vec<Bytes>> {
        if options.request.range != crate::ByteRange::Full {
            let error =
                Error::new(ErrorKind::InvalidInput, "a vectored read takes its ranges from the list alone");
            return Err(self.explain(error, Operation::Read, key.as_str()));
        }
        if let Some(range) = ranges.iter().find(|range| range.start > range.end) {
            let message = format!("the range {}..{} ends before it starts", range.start, range.end);
            let error = Error::new(ErrorKind::InvalidInput, message);
            return Err(self.explain(error, Operation::Read, key.as_str()));
        }
        let mut merged = coalesce(ranges).into_iter();
        let Some(first) = merged.next() else { return Ok(vec![Bytes::new(); ranges.len()]) };
        // The first answer fixes the version for all others (clause READ-2).
        let first = self.read(key, options.clone().range(first)).await?;
        let pinned = match (&first.metadata.etag, &first.metadata.version) {
            (_, Some(version)) => options.version(version.clone()),
            (Some(etag), None) => options.if_match(etag.clone()),
            (None, None) if merged.len() == 0 => options,
            (None, None) => {
                let error =
                    Error::unsupported("the store names no version that several requests could share");
                return Err(self.explain(error, Operation::Read, key.as_str()));
            }
        };
        let size = first.metadata.size;
        // The list is made before it is run: a stream of borrowing closures is not provably `Send`.
        let rest: Vec<_> = merged.map(|range| self.read(key, pinned.clone().range(range))).collect();
        let rest = futures_util::stream::iter(rest).buffered(VECTORED_CONCURRENCY).try_collect().await;
        let rest: Vec<ReadOutcome> = rest.map_err(|error: Error| match error.kind() {
            // It was there for the first one.
            ErrorKind::NotFound => self.explain(changed_if_gone(error), Operation::Read, key.as_str()),
            _ => error,
        })?;
        let mut pieces = vec![first];
        pieces.extend(rest);
        ranges
            .iter()
            .map(|range| {
                let wanted = crate::ByteRange::new(range.clone())
                    .resolve(size)
                    .map_err(|e| self.explain(e, Operation::Read, key.as_str()))?;
                Ok(cut(&pieces, wanted))
            })
            .collect()
    }

    /// Tells of an object.
    ///
    /// # Errors
    /// `NotFound` if there is none; `PreconditionFailed` and `NotModified` as the options ask; `InvalidKey`.
    pub async fn stat(&self, key: &Key, options: StatOptions) -> Result<Metadata> {
        let stat = async {
            self.admit_version(options.request.version.as_ref())?;
            let metadata = self.stat_full(&self.full(key)?, &options.request).await?;
            options.conditions.check(&metadata)?;
            Ok(metadata)
        };
        stat.await.map_err(|error| self.explain(error, Operation::Stat, key.as_str()))
    }

    /// Whether there is an object at `key`. A key that the store cannot hold is no object.
    ///
    /// # Errors
    /// Whatever keeps the question from being answered; a denied stat is not an answer (clause READ-6).
    pub async fn exists(&self, key: &Key) -> Result<bool> {
        match self.stat(key, StatOptions::new()).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidKey) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Computes checksums of an object in one pass and constant memory.
    ///
    /// # Errors
    /// Those of [`reader`](Store::reader) and of its stream.
    pub async fn checksum(
        &self,
        key: &Key,
        algorithms: &[Algorithm],
        options: ReadOptions,
    ) -> Result<Checksums> {
        let mut reader = self.reader(key, options).await?;
        let mut hashers = Hashers::new(algorithms.iter().copied());
        let mut next = reader.try_next().await?;
        while let Some(chunk) = next {
            if chunk.len() < HASHED_BESIDE {
                hashers.update(&chunk);
                next = reader.try_next().await?;
                continue;
            }
            // The next bytes come while these are hashed.
            let hashing = tokio::task::spawn_blocking(move || {
                hashers.update(&chunk);
                hashers
            });
            let (hashed, read) = join(hashing, reader.try_next()).await;
            hashers = hashed.map_err(|gone| {
                Error::new(ErrorKind::Other, "the thread that hashes ended early").with_source(gone)
            })?;
            next = read?;
        }
        Ok(hashers.finish())
    }

    /// A stat by the backend's own key.
    pub(super) async fn stat_full(&self, key: &Key, request: &StatRequest) -> Result<Metadata> {
        self.attempt(Operation::Stat, Repeat::Idempotent, self.silence(), || {
            Box::pin(self.hedged(|| self.backend().stat(key, request)))
        })
        .await
    }
}

/// The non-empty ranges, sorted, joined where they touch or lie close together.
fn coalesce(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|r| r.start < r.end).cloned().collect();
    sorted.sort_by_key(|r| (r.start, r.end));
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if joins(last, &range) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn joins(last: &Range<u64>, next: &Range<u64>) -> bool {
    // Overlapping ranges always join, so that no byte is fetched twice and each wanted range lies in one piece.
    next.start < last.end || (next.start - last.end <= COALESCE_GAP && next.end - last.start <= COALESCE_MAX)
}

/// The wanted range out of the piece that holds it.
fn cut(pieces: &[ReadOutcome], wanted: Range<u64>) -> Bytes {
    if wanted.is_empty() {
        return Bytes::new();
    }
    let piece = pieces
        .iter()
        .find(|p| p.range.start <= wanted.start && wanted.end <= p.range.end)
        .expect("because every non-empty range was joined into one of the pieces");
    let start = (wanted.start - piece.range.start) as usize;
    let end = (wanted.end - piece.range.start) as usize;
    piece.bytes.slice(start..end)
}

#[cfg(test)]
mod tests {
    use super::{COALESCE_GAP, COALESCE_MAX, coalesce};

    #[test]
    #[allow(clippy::single_range_in_vec_init, clippy::reversed_empty_ranges)] // lists of ranges, odd ones too
    fn coalescing() {
        let check = |ranges: &[std::ops::Range<u64>], expect: &[std::ops::Range<u64>]| {
            assert_eq!(coalesce(ranges), expect);
        };
        let gap = COALESCE_GAP;
        check(&[], &[]);
        check(&[5..5, 7..3], &[]);
        check(&[10..20, 0..5], &[0..20]);
        check(&[0..10, 2..5, 8..12], &[0..12]);
        check(&[0..10, 10 + gap..20 + gap], &[0..20 + gap]);
        check(&[0..10, 11 + gap..20 + gap], &[0..10, 11 + gap..20 + gap]);
        check(
            &[0..COALESCE_MAX, COALESCE_MAX..COALESCE_MAX + 1],
            &[0..COALESCE_MAX, COALESCE_MAX..COALESCE_MAX + 1],
        );
    }
}

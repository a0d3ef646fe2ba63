//! Copying an object to another store: by the service where both are one, else as parts side by side, else as a stream.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::join;
use futures_util::stream::try_unfold;
use tokio::task::JoinSet;

use super::Store;
use super::ahead::Ahead;
use super::diary::Diary;
use super::parts::{Leave, Pace, PartPlan};
use super::reader::Body;
use super::sink::{Sender, Sink};
use super::write::{PROOF, VERIFY};
use crate::backend::{BoxFuture, Part, Payload};
use crate::capabilities::Level;
use crate::checksum::{Algorithm, Checksum, Checksums, Hashers};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::{Attributes, Metadata};
use crate::options::{
    Condition, CopyRequest, CopyTarget, Moved, ReadOptions, TransferOptions, WriteOptions, WriteRequest,
};
use crate::progress::Event;
use crate::retry::Repeat;
use crate::transfer::{Entry, TakenPart};

/// What a transfer gave.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Transferred {
    /// Of the new object. Of a copy that a service made it may lack attributes and checksums, which a stat tells.
    pub metadata: Metadata,
    /// Whether the copy was held against what was read of its source. Of a copy that a service made inside itself there is
    /// its word alone that it is one; a local one is compared, unless the volume shares the extents of the two.
    pub verified: bool,
    /// Whether the service copied, and no byte passed through the client.
    pub by_service: bool,
}

impl Store {
    /// Copies the object at `from` to the key `to` of another store, or of this one, with its times, permissions and
    /// attributes as far as the destination keeps them. Bytes do not pass through the client where both stores are one
    /// service. A large object travels as parts side by side. A copy onto itself changes nothing.
    ///
    /// After `Ok` the destination holds the version of the source that was there when the copy began. Dropping the future
    /// leaves the old object at the destination, unless the very last request was under way.
    ///
    /// # Errors
    /// Those of reading and writing, after which the destination stands as it was; `InvalidData` for a copy that does not
    /// hold what was read, which is published only where
    /// [`verified_writes`](crate::Capabilities::verified_writes) is not declared.
    pub async fn copy_to(
        &self,
        from: &Key,
        destination: &Store,
        to: &Key,
        options: TransferOptions,
    ) -> Result<Transferred> {
        let copy = CopyTarget::new(from.clone(), to.clone());
        let mut done = self.copy_all_to(&[copy], destination, &options).await;
        done.pop().unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "a copy without a result")))
    }

    /// Copies several objects to another store, as [`copy_to`](Store::copy_to) does each, one result for each in order. Worth
    /// it for small objects as many at a time as [`copies_together`](Store::copies_together) tells.
    pub async fn copy_all_to(
        &self,
        copies: &[CopyTarget],
        destination: &Store,
        options: &TransferOptions,
    ) -> Vec<Result<Transferred>> {
        let mut all = Vec::with_capacity(copies.len());
        for batch in copies.chunks(destination.declared().limits.copy_batch.max(1)) {
            let told = Arc::new(AtomicU64::new(0));
            let by_service = self.copy_by_service(batch, destination, options, &told).await;
            for (copy, done) in batch.iter().zip(by_service) {
                let carried = match done {
                    Ok(Some(metadata)) => {
                        let count = metadata.size.saturating_sub(told.load(Ordering::Relaxed));
                        let (operation, key) = (Operation::Write, &copy.to);
                        if count > 0 {
                            destination.shared.progress.event(Event::Bytes { operation, key, count });
                        }
                        Ok(Transferred { metadata, verified: options.verify, by_service: true })
                    }
                    Ok(None) => {
                        let moved = self.move_bytes(copy, destination, options).await;
                        moved.map(|metadata| Transferred {
                            metadata,
                            verified: options.verify,
                            by_service: false,
                        })
                    }
                    Err(error) => Err(error),
                };
                all.push(carried);
            }
        }
        all
    }

    /// How many small objects are best copied to `destination` at a time: more than one where that saves more than it
    /// delays.
    pub async fn copies_together(&self, destination: &Store) -> usize {
        let request = CopyRequest::default();
        let can = destination.backend().copy_from(self.backend(), &[], &request).await;
        if matches!(can, Ok(Some(_))) { destination.declared().limits.copy_batch.max(1) } else { 1 }
    }

    /// One result for each copy: what was made of it, or nothing where the bytes have to be carried.
    async fn copy_by_service(
        &self,
        copies: &[CopyTarget],
        destination: &Store,
        options: &TransferOptions,
        told: &Arc<AtomicU64>,
    ) -> Vec<Result<Option<Metadata>>> {
        let mut request = CopyRequest { condition: options.condition.clone(), ..CopyRequest::default() };
        request.preserve = true;
        request.set_owner = options.owner;
        request.verify = options.verify;
        if let [copy] = copies {
            let (progress, key, told) = (destination.shared.progress.clone(), copy.to.clone(), told.clone());
            request.moved = Some(Moved::new(move |count| {
                told.fetch_add(count, Ordering::Relaxed);
                progress.event(Event::Bytes { operation: Operation::Write, key: &key, count });
            }));
        }
        let full = |copy: &CopyTarget| {
            let explain = |error| destination.explain(error, Operation::Copy, copy.to.as_str());
            destination.admit_condition(&request.condition).map_err(explain)?;
            let from = self.full(&copy.from);
            let from = from.map_err(|error| self.explain(error, Operation::Copy, copy.from.as_str()))?;
            Ok(CopyTarget { from, to: destination.full(&copy.to).map_err(explain)?, ..copy.clone() })
        };
        let (mut targets, mut results) = (Vec::with_capacity(copies.len()), Vec::with_capacity(copies.len()));
        for copy in copies {
            results.push(match full(copy) {
                Ok(target) => {
                    targets.push(target);
                    Ok(None)
                }
                Err(error) => Err(error),
            });
        }
        let mut done = self.ask_for_copies(&targets, destination, &request).await.into_iter();
        for (copy, result) in copies.iter().zip(&mut results).filter(|(_, result)| result.is_ok()) {
            let asked = done.next();
            *result =
                match asked.unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "a copy without a result"))) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        Err(self.explain(error, Operation::Copy, copy.from.as_str()))
                    }
                    // Who may read here and write there can still carry the bytes. If not, that tells better who may not.
                    Err(error) if is_refusal(&error) => Ok(None),
                    result => {
                        result.map_err(|error| destination.explain(error, Operation::Copy, copy.to.as_str()))
                    }
                };
        }
        results
    }

    /// The request for all of them. What it did not do and may still succeed is asked for one by one.
    async fn ask_for_copies(
        &self,
        targets: &[CopyTarget],
        destination: &Store,
        request: &CopyRequest,
    ) -> Vec<Result<Option<Metadata>>> {
        let mut done = Vec::new();
        // Asked again under a condition, what was copied without our knowing would stand in its own way.
        let in_doubt = |error: &Error| request.condition != Condition::None && error.may_have_been_applied();
        if targets.len() > 1 && !targets.iter().any(|target| self.is_onto_itself(target, destination)) {
            let asked = destination.backend().copy_from(self.backend(), targets, request);
            match destination.within(None, asked).await {
                Ok(Some(results)) => done = results,
                Ok(None) => return targets.iter().map(|_| Ok(None)).collect(),
                Err(error) if in_doubt(&error) => {
                    let each = || Error::new(error.kind(), error.message().to_owned()).maybe_applied();
                    return targets.iter().map(|_| Err(each())).collect();
                }
                Err(_) => {}
            }
        }
        let mut done = done.into_iter();
        let mut all = Vec::with_capacity(targets.len());
        for target in targets {
            all.push(match done.next() {
                Some(Ok(metadata)) => Ok(Some(metadata)),
                Some(Err(error)) if !error.is_retryable() || in_doubt(&error) => Err(error),
                _ => self.ask_for_copy(target, destination, request).await,
            });
        }
        all
    }

    fn is_onto_itself(&self, target: &CopyTarget, destination: &Store) -> bool {
        target.from == target.to && self.shares_backend(destination)
    }

    fn shares_backend(&self, destination: &Store) -> bool {
        Arc::ptr_eq(&self.shared.backend, &destination.shared.backend)
    }

    async fn ask_for_copy(
        &self,
        target: &CopyTarget,
        destination: &Store,
        request: &CopyRequest,
    ) -> Result<Option<Metadata>> {
        if self.is_onto_itself(target, destination) {
            return destination.copy_onto_itself(&target.to, request).await.map(Some);
        }
        let unconditional = request.condition == Condition::None;
        let repeat = if unconditional { Repeat::Idempotent } else { Repeat::IfNotApplied };
        let is_inside = self.shares_backend(destination) && self.declared().copy == Level::Atomic;
        let copy = || -> BoxFuture<'_, Result<Option<Metadata>>> {
            let backend = destination.backend();
            Box::pin(async move {
                match backend.copy_from(self.backend(), std::slice::from_ref(target), request).await? {
                    Some(mut results) => results
                        .pop()
                        .unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "a copy without a result")))
                        .map(Some),
                    None if is_inside => backend.copy(&target.from, &target.to, request).await.map(Some),
                    None => Ok(None),
                }
            })
        };
        destination.attempt(Operation::Copy, repeat, None, copy).await
    }

    async fn move_bytes(
        &self,
        copy: &CopyTarget,
        destination: &Store,
        options: &TransferOptions,
    ) -> Result<Metadata> {
        let (from, to) = (&copy.from, &copy.to);
        let mut read = ReadOptions::new();
        (read.concurrency, read.size_hint) = (options.concurrency, copy.size);
        let side_by_side = destination.declared().limits.parallel_parts && options.concurrency != Some(1);
        if self.declared().limits.range_preferred == 0 || !(side_by_side || options.resume.is_some()) {
            return Box::pin(self.stream(from, read, destination, to, options)).await;
        }
        let explain = |error| self.explain(error, Operation::Read, from.as_str());
        let full = self.full(from).map_err(explain)?;
        let (body, range) = self.open_first(from, &full, &read).await.map_err(explain)?;
        let write = destination.kept(body.metadata(), options);
        if body.end == range.end && (side_by_side || !Diary::is_worth_it(range.end)) {
            return destination.write_body(to, body, write).await;
        }
        // What only large objects need is boxed: the copies of small ones are moved about.
        Box::pin(self.move_ranges((&full, to), body, range.end, write, destination, options)).await
    }

    /// Moves `size` bytes, of which `body` is the first range, as parts: side by side, or one after another where the
    /// destination takes them so or that is asked for.
    pub(super) async fn move_ranges(
        &self,
        (full, to): (&Key, &Key),
        body: Body,
        size: u64,
        write: WriteOptions,
        destination: &Store,
        options: &TransferOptions,
    ) -> Result<Metadata> {
        let explain = |error| destination.explain(error, Operation::Write, to.as_str());
        let asked = write.algorithms.clone();
        let (to_full, mut request) = destination.prepare_write(to, write).map_err(explain)?;
        let mut plan = Ranges::new(destination, &body, options, &request, &asked).map_err(explain)?;
        let mut diary = Diary::open(options, full, &to_full, body.metadata()).await;
        let (sink, done) =
            diary.begin(destination, (to, &to_full), &mut request, &mut plan.part).await.map_err(explain)?;
        // What is there already has moved, if not now.
        let count = done.iter().map(|part| part.length).sum();
        destination.shared.progress.event(Event::Bytes { operation: Operation::Write, key: to, count });
        let mut way = UnderWay { ranges: plan, sink };
        let carried = match way.ranges.carry(&way.sink, body, done, &diary).await {
            Ok(checksums) => way.sink.finish(size, checksums).await.map_err(explain),
            Err(error) => Err(error),
        };
        match &carried {
            Ok(_) => diary.close(),
            Err(error) if diary.is_kept() && may_go_on(error) => way.ranges.stop().await,
            Err(_) => {
                // The first error is the one to tell; what abort cannot remove is left to a clean-up.
                way.ranges.stop().await;
                let _ = way.sink.abort().await;
                diary.close();
            }
        }
        carried
    }

    /// One stream in, parts out.
    async fn stream(
        &self,
        from: &Key,
        read: ReadOptions,
        destination: &Store,
        to: &Key,
        options: &TransferOptions,
    ) -> Result<Metadata> {
        let reader = self.reader(from, read).await?;
        let writer = destination.writer(to, destination.kept(reader.metadata(), options)).await?;
        writer.write_all(reader).await
    }

    /// Writes what one body holds: in one request if it may.
    async fn write_body(&self, to: &Key, mut body: Body, options: WriteOptions) -> Result<Metadata> {
        let size = body.end - body.position();
        let most = self.declared().limits.write_max;
        if size > options.part_size.map_or(most, |part| part.min(most)) {
            let chunks = try_unfold(body, |mut body| async move {
                let chunk = body.chunk().await.map_err(|error| body.explain(error))?;
                Ok(chunk.map(|chunk| (chunk, body)))
            });
            let writer = self.writer(to, options).await?;
            return Box::pin(writer.write_all(chunks)).await;
        }
        let explain = |error| self.explain(error, Operation::Write, to.as_str());
        let mut digest = self.digest(&options);
        let (full, request) = self.prepare_write(to, options).map_err(explain)?;
        let mut payload = Payload::new();
        while let Some(chunk) = body.chunk().await.map_err(|error| body.explain(error))? {
            digest.update(&chunk);
            payload.push(chunk);
        }
        let checksums = digest.verify(&request, size).map_err(explain)?;
        self.write_once(to, &full, payload, &request, checksums).await.map_err(explain)
    }

    /// What this store can keep of an object of another.
    fn kept(&self, source: &Metadata, options: &TransferOptions) -> WriteOptions {
        let can = self.capabilities();
        // A destination without symlinks refuses one; its target must not pass for a file's content.
        let mut write = WriteOptions::new()
            .condition(options.condition.clone())
            .size(source.size)
            .kind(source.kind)
            .verify(options.verify);
        (write.part_size, write.concurrency) = (options.part_size, options.concurrency);
        if let (Some(time), true) = (source.modified, can.set_modified) {
            write = write.modified(time);
        }
        if let (Some(unix), true) = (source.unix, can.unix_attributes) {
            write = write.unix(unix, options.owner);
        }
        // What the source's service vouches for has to hold at the destination.
        for checksum in PROOF.iter().filter_map(|algorithm| source.checksums.get(*algorithm)) {
            write = write.expect_checksum(checksum);
        }
        let mut attributes = source.attributes.clone();
        if !can.user_metadata {
            attributes.user.clear();
        }
        if !can.content_headers {
            let user = std::mem::take(&mut attributes.user);
            attributes = Attributes::new();
            attributes.user = user;
        }
        write.attributes(attributes)
    }
}

/// Whether it was refused for whom or what it was, with nothing done.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
        && !error.may_have_been_applied()
}

/// Whether the same copy may succeed later, from where it was.
fn may_go_on(error: &Error) -> bool {
    use ErrorKind::{
        Cancelled, Other, PermissionDenied, StorageFull, Throttled, TimedOut, Unauthenticated, Unavailable,
    };
    let kinds =
        [Cancelled, Other, PermissionDenied, StorageFull, Throttled, TimedOut, Unauthenticated, Unavailable];
    kinds.contains(&error.kind())
}

/// The ranges of one object, each read by a task that sends it on as parts.
struct Ranges {
    /// The length of a part.
    part: u64,
    /// The length at which a range travels best.
    preferred: u64,
    /// How many of those may be read at a time.
    reading_at_a_time: Option<usize>,
    size: u64,
    /// One part goes at a time, in its place.
    in_order: bool,
    /// What is computed of the bytes on their way.
    hash: Vec<Algorithm>,
    expected: Vec<Checksum>,
    pace: Pace,
    reading: Pace,
    tasks: JoinSet<Result<Vec<Piece>>>,
}

/// An object on its way. Dropped without an end, its upload is given up behind the last of its parts.
struct UnderWay {
    ranges: Ranges,
    sink: Sink,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut tasks = std::mem::take(&mut self.ranges.tasks);
        self.sink.abort_behind(async move { tasks.shutdown().await });
    }
}

/// What is known of a part that was taken.
struct Piece {
    offset: u64,
    length: u64,
    checksums: Checksums,
}

impl Ranges {
    fn new(
        destination: &Store,
        body: &Body,
        options: &TransferOptions,
        request: &WriteRequest,
        asked: &[Algorithm],
    ) -> Result<Self> {
        let size = body.metadata().size;
        let part = PartPlan::of(destination, options.part_size, Some(size)).cut(size)?;
        let in_order = !destination.declared().limits.parallel_parts || options.concurrency == Some(1);
        let preferred = body.store().declared().limits.range_preferred;
        let proof = destination.wants_proof(request).then(|| destination.proof());
        let kept = options.resume.as_ref().map(|_| VERIFY);
        let expected = request.expected.iter().map(Checksum::algorithm);
        let mut hash: Vec<Algorithm> =
            proof.into_iter().chain(kept).chain(expected).chain(asked.iter().copied()).collect();
        hash.sort_unstable();
        hash.dedup();
        Ok(Self {
            part,
            preferred,
            reading_at_a_time: options.concurrency,
            size,
            hash,
            expected: request.expected.clone(),
            in_order,
            pace: Pace::new(destination, if in_order { Some(1) } else { options.concurrency }),
            reading: Pace::new(body.store(), options.concurrency),
            tasks: JoinSet::new(),
        })
    }

    /// Brings over what is missing besides what is `done`. `first` is the body that told how much there is.
    async fn carry(
        &mut self,
        sink: &Sink,
        first: Body,
        done: Vec<TakenPart>,
        diary: &Diary,
    ) -> Result<Checksums> {
        let standing: HashSet<u64> = done.iter().map(|part| part.number).collect();
        let mut pieces: Vec<Piece> = done.into_iter().map(Piece::from).collect();
        let template = first.another(0..0);
        let mut first = Some(first);
        let mut next = 0;
        while let Some(range) = self.missing(next, &standing) {
            let Some(leave) = self.leave() else {
                pieces.extend(self.join_one().await?);
                continue;
            };
            next = range.end;
            let begun = first.take().filter(|_| range.start == 0);
            let body = begun.unwrap_or_else(|| template.another(self.first_of(&range)));
            let source = if self.in_order {
                Supply::Ahead(Box::new(Ahead::new(body, range.end, self.reading_at_a_time)))
            } else {
                Supply::Body(Box::new(body))
            };
            let carrier = Carrier {
                part: self.part,
                // Nobody else fills the wait.
                ahead: self.in_order && leave[0].is_held(),
                sink: sink.sender(),
                hash: self.hash.clone(),
                entry: diary.entry(),
            };
            self.tasks.spawn(carrier.carry(range, source, leave));
        }
        sink.ends();
        while !self.tasks.is_empty() {
            pieces.extend(self.join_one().await?);
        }
        self.whole(pieces).map_err(|error| template.explain(error))
    }

    /// The next range at or after `from` none of whose parts stands.
    fn missing(&self, from: u64, standing: &HashSet<u64>) -> Option<Range<u64>> {
        // The last part may be shorter: what ends with it leaves nothing behind it.
        let mut number = from.div_ceil(self.part);
        while standing.contains(&number) {
            number += 1;
        }
        let start = number.checked_mul(self.part).filter(|start| *start < self.size)?;
        // In order, all that is missing is one range.
        let preferred = if self.in_order { self.size } else { self.preferred };
        let most = preferred.div_ceil(self.part).max(1);
        let parts = (0..most).take_while(|more| !standing.contains(&(number + more))).count() as u64;
        Some(start..self.size.min(start.saturating_add(parts.saturating_mul(self.part))))
    }

    /// What is asked for first of a range.
    fn first_of(&self, range: &Range<u64>) -> Range<u64> {
        let one_by_one = !self.in_order || self.reading_at_a_time == Some(1);
        let length = if one_by_one { u64::MAX } else { self.preferred };
        range.start..range.end.min(range.start.saturating_add(length))
    }

    /// Leave from both ends.
    fn leave(&self) -> Option<[Leave; 2]> {
        let in_flight = self.tasks.len();
        // A task holds one part at a time, and one that reads ahead two.
        let held = if self.in_order { self.part.saturating_mul(2) } else { self.part };
        // Both are asked: a window that is not asked does not know that it is full.
        let (writing, reading) = (self.pace.next(in_flight, held), self.reading.next(in_flight, 0));
        Some([writing?, reading?])
    }

    async fn join_one(&mut self) -> Result<Vec<Piece>> {
        match self.tasks.join_next().await {
            None => Ok(Vec::new()),
            Some(Ok(done)) => done,
            Some(Err(gone)) => {
                Err(Error::new(ErrorKind::Other, "the task of a range ended early").with_source(gone))
            }
        }
    }

    async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    /// The checksums of all parts one after another, held against what is expected.
    fn whole(&self, mut pieces: Vec<Piece>) -> Result<Checksums> {
        pieces.sort_by_key(|piece| piece.offset);
        let mut at = 0;
        for piece in &pieces {
            if piece.offset != at {
                return Err(Error::new(ErrorKind::Other, format!("nothing was sent for byte {at}")));
            }
            at += piece.length;
        }
        if at != self.size {
            return Err(Error::new(ErrorKind::Other, format!("nothing was sent from byte {at} on")));
        }
        let of = |algorithm| {
            let mut whole: Option<Checksum> = None;
            for piece in &pieces {
                let next = piece.checksums.get(algorithm)?;
                whole = Some(match whole {
                    Some(whole) => whole.followed_by(&next, piece.length)?,
                    None => next,
                });
            }
            whole
        };
        let checksums: Checksums = self.hash.iter().copied().filter_map(of).collect();
        for expected in &self.expected {
            if checksums.get(expected.algorithm()).is_some_and(|found| found != *expected) {
                let message = format!("the source tells {expected}, and that is not what came");
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
        }
        Ok(checksums)
    }
}

impl From<TakenPart> for Piece {
    fn from(part: TakenPart) -> Self {
        Self { offset: part.offset, length: part.length, checksums: part.checksums() }
    }
}

/// Reads ranges and sends them on, part by part.
struct Carrier {
    part: u64,
    /// The next part is read while one is sent.
    ahead: bool,
    sink: Sender,
    hash: Vec<Algorithm>,
    entry: Option<Entry>,
}

impl Carrier {
    /// `from` begins where the range does, and may end before it.
    async fn carry(self, range: Range<u64>, from: Supply, leave: [Leave; 2]) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut source = Source { from, pending: Payload::new(), at: range.start, end: range.end };
        let mut offset = range.start;
        let mut payload = source.next(self.part).await?;
        while !payload.is_empty() {
            let length = payload.len();
            let sent = self.send(offset, payload);
            payload = if self.ahead {
                let (sent, next) = join(sent, source.next(self.part)).await;
                pieces.push(sent?);
                next?
            } else {
                pieces.push(sent.await?);
                source.next(self.part).await?
            };
            offset += length;
        }
        let count = range.end - range.start;
        leave.into_iter().for_each(|leave| leave.finished(count));
        Ok(pieces)
    }

    async fn send(&self, offset: u64, payload: Payload) -> Result<Piece> {
        let mut hashers = Hashers::new(self.hash.iter().copied());
        payload.chunks().iter().for_each(|chunk| hashers.update(chunk));
        let (number, length, checksums) = (offset / self.part, payload.len(), hashers.finish());
        let part = Part::new(number, offset, payload).with_checksums(checksums.clone());
        self.sink.part(part).await.map_err(|error| self.sink.explain(error))?;
        if let (Some(entry), Some(checksum)) = (&self.entry, checksums.get(VERIFY)) {
            let receipt = self.sink.receipt(number);
            let crc32c = checksums.get(Algorithm::Crc32c);
            let part = TakenPart { number, offset, length, checksum, crc32c, receipt };
            let entry = entry.clone();
            // A part that is not written down is sent again after a cut, which is no reason to fail.
            let _ = tokio::task::spawn_blocking(move || entry.add(&part)).await;
        }
        Ok(Piece { offset, length, checksums })
    }
}

/// Where the bytes of a range come from.
enum Supply {
    /// One request, and more behind it where it ends before the range.
    Body(Box<Body>),
    /// Requests side by side.
    Ahead(Box<Ahead>),
}

impl Supply {
    /// The next bytes of a range that goes on to `end`.
    async fn chunk(&mut self, end: u64) -> Result<Bytes> {
        loop {
            match self {
                Self::Body(body) => match body.chunk().await.map_err(|error| body.explain(error))? {
                    Some(chunk) => return Ok(chunk),
                    None => **body = body.another(body.end..end),
                },
                Self::Ahead(ahead) => {
                    let ended = || Error::new(ErrorKind::Other, "the source ended early");
                    return ahead.chunk().await?.ok_or_else(ended);
                }
            }
        }
    }
}

/// The bytes of a range, a part at a time.
struct Source {
    from: Supply,
    pending: Payload,
    at: u64,
    end: u64,
}

impl Source {
    /// The next `part` bytes, or what is left of the range.
    async fn next(&mut self, part: u64) -> Result<Payload> {
        let wanted = part.min(self.end - self.at);
        while self.pending.len() < wanted {
            self.pending.push(self.from.chunk(self.end).await?);
        }
        self.at += wanted;
        Ok(self.pending.split_to(wanted))
    }
}

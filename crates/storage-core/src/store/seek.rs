//! Reading an object as if it were a file: from any place, with as much read ahead as pays.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use super::Store;
use super::read::COALESCE_GAP;
use super::reader::{Reader, changed, changed_if_gone, is_pinned};
use crate::backend::BoxFuture;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::ReadOptions;
use crate::range::ByteRange;

/// The least that is asked for.
const ASK_MIN: u64 = 64 << 10;
/// Who reads on after this much wants the rest, which then comes as ranges side by side.
const ASK_MAX: u64 = 4 << 20;
/// Bytes that are kept behind the place that is read, for who steps back.
const KEPT: u64 = 1 << 20;

/// One version of an object, to be read from any place like a file.
///
/// What is asked for follows how it is read: little at first, where the reader goes on as much again as it read in a row, and
/// after 4 MiB the rest, as ranges side by side; after the next jump about as much as was read in a row before. A step forward of up to 256 KiB is read over, a step back of up to 1 MiB comes from memory. Beyond these memory holds
/// what a [`Reader`] does.
///
/// Every byte is of the version that was there when it was opened: an object that is replaced meanwhile gives an error
/// of the kind [`PreconditionFailed`](ErrorKind::PreconditionFailed) (inside of the [`io::Error`]), or its old bytes. After an
/// error the reader stands where it stood and may be asked again. Dropping it ends its request.
///
/// ```
/// use std::io::SeekFrom;
/// use storage_core::{Key, ReadOptions, Store, WriteOptions};
/// use tokio::io::{AsyncReadExt, AsyncSeekExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = Store::new(storage_memory::Memory::new());
/// # let key = Key::new("archive")?;
/// # store.write(&key, "content, index, 7", WriteOptions::new()).await?;
/// let mut reader = store.seek_reader(&key, ReadOptions::new()).await?;
/// reader.seek(SeekFrom::End(-1)).await?;
/// assert_eq!(reader.read_u8().await?, b'7');
/// # Ok(()) }
/// ```
pub struct SeekReader {
    store: Store,
    key: Key,
    /// Pinned to the version that was opened.
    options: ReadOptions,
    metadata: Metadata,
    position: u64,
    /// What was read in a row, with what was stepped over.
    run: Range<u64>,
    /// What came, with its place.
    kept: VecDeque<(u64, Bytes)>,
    ahead: Ahead,
}

/// Where further bytes come from.
enum Ahead {
    Nothing,
    Opening(u64, BoxFuture<'static, Result<Reader>>),
    Open(u64, Box<Reader>),
}

impl Store {
    /// Opens an object to be read like a file, with [`AsyncRead`] and [`AsyncSeek`]. The first request brings its beginning.
    ///
    /// # Errors
    /// Those of [`reader`](Store::reader), `InvalidInput` if the options hold a range, and `Unsupported` where the store
    /// names neither versions nor ETags and the object is larger than the first request.
    pub async fn seek_reader(&self, key: &Key, options: ReadOptions) -> Result<SeekReader> {
        let explain = |error| self.explain(error, Operation::Read, key.as_str());
        if options.request.range != ByteRange::Full {
            let message = "a reader that seeks takes the whole object";
            return Err(explain(Error::new(ErrorKind::InvalidInput, message)));
        }
        // An empty object has no first range.
        let first = match self.reader(key, options.clone().range(0..ASK_MIN)).await {
            Err(error) if error.kind() == ErrorKind::RangeNotSatisfiable => {
                self.reader(key, options.clone()).await?
            }
            first => first?,
        };
        let metadata = first.metadata().clone();
        let options = match (&metadata.version, &metadata.etag) {
            (Some(version), _) => options.version(version.clone()),
            (None, Some(etag)) => options.if_match(etag.clone()),
            (None, None) if metadata.size <= ASK_MIN => options,
            (None, None) => return Err(explain(nameless())),
        };
        Ok(SeekReader {
            store: self.clone(),
            key: key.clone(),
            options,
            metadata,
            position: 0,
            run: 0..0,
            kept: VecDeque::new(),
            ahead: Ahead::Open(0, Box::new(first)),
        })
    }
}

impl SeekReader {
    /// Of the version that is read.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Where the next byte comes from.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that are here already, from the place that is read on.
    fn at_hand(&self) -> Option<Bytes> {
        let behind = self.kept.partition_point(|(start, _)| *start <= self.position);
        let (start, chunk) = self.kept.get(behind.checked_sub(1)?)?;
        let skipped = self.position - start;
        (skipped < chunk.len() as u64).then(|| chunk.slice(skipped as usize..))
    }

    /// Where the stream goes on, if it is one to come to the place that is read without a new request.
    fn leads_here(&self) -> bool {
        match &self.ahead {
            Ahead::Nothing => false,
            Ahead::Opening(at, _) => self.position == *at,
            Ahead::Open(at, reader) => {
                self.position >= *at
                    && self.position < reader.range().end
                    && self.position - at <= COALESCE_GAP
            }
        }
    }

    /// Asks for what is read next: as much as was read in a row, rounded up.
    fn open(&mut self) {
        let read = (self.run.end - self.run.start).min(ASK_MAX);
        let goes_on = (self.run.end..=self.run.end.saturating_add(COALESCE_GAP)).contains(&self.position);
        let ask = if goes_on {
            (read + 1).next_power_of_two()
        } else {
            // The next run is expected to be as long as this one.
            self.run = self.position..self.position;
            self.kept.clear();
            read.next_power_of_two()
        };
        let ask = ask.max(ASK_MIN);
        let end = if ask > ASK_MAX { self.metadata.size } else { self.position.saturating_add(ask) };
        let opening = self.another(self.position..end.min(self.metadata.size));
        self.ahead = Ahead::Opening(self.position, opening);
    }

    /// Another range of the same version.
    fn another(&self, range: Range<u64>) -> BoxFuture<'static, Result<Reader>> {
        let (store, key, size) = (self.store.clone(), self.key.clone(), self.metadata.size);
        let (pinned, options) = (is_pinned(&self.metadata), self.options.clone().range(range));
        Box::pin(async move {
            let opened = if pinned { store.reader(&key, options).await } else { Err(nameless()) };
            let same = opened
                .map_err(changed_if_gone)
                .and_then(|reader| if reader.metadata().size == size { Ok(reader) } else { Err(changed()) });
            same.map_err(|error| store.explain(error, Operation::Read, key.as_str()))
        })
    }

    /// Keeps what came, and of what came before as much as may be stepped back to.
    fn keep(&mut self, at: u64, chunk: Bytes) {
        // A new request may bring once more what came of the one before: places ascend.
        while self.kept.back().is_some_and(|(start, _)| *start >= at) {
            self.kept.pop_back();
        }
        self.kept.push_back((at, chunk));
        while let Some((start, chunk)) = self.kept.front()
            && start + (chunk.len() as u64) + KEPT < self.position
        {
            self.kept.pop_front();
        }
    }

    /// More of the stream, until the place that is read is at hand.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.leads_here() {
            self.open();
        }
        if let Ahead::Opening(at, opening) = &mut self.ahead {
            let (at, opened) = (*at, ready!(opening.as_mut().poll(cx)));
            self.ahead = Ahead::Nothing;
            self.ahead = Ahead::Open(at, Box::new(opened?));
        }
        let Ahead::Open(at, reader) = &mut self.ahead else { return Poll::Ready(Ok(())) };
        let explain = |error| self.store.explain(error, Operation::Read, self.key.as_str());
        let came = ready!(reader.poll_next_unpin(cx)).unwrap_or_else(|| Err(explain(ended_early())));
        let start = *at;
        *at += came.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if came.is_err() || *at == reader.range().end {
            self.ahead = Ahead::Nothing;
        }
        self.keep(start, came?);
        Poll::Ready(Ok(()))
    }
}

fn nameless() -> Error {
    Error::unsupported("the store names no version that several requests could share")
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Other, "the stream ended before its range")
}

impl AsyncRead for SeekReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while buffer.remaining() > 0 && self.position < self.metadata.size {
            if let Some(chunk) = self.at_hand() {
                let count = chunk.len().min(buffer.remaining());
                buffer.put_slice(&chunk[..count]);
                self.position += count as u64;
                self.run.end = self.run.end.max(self.position);
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_more(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for SeekReader {
    /// A place behind the end is fine, and has no bytes.
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.metadata.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let Some(place) = place else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a seek to where no byte can be"));
        };
        self.position = place;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl fmt::Debug for SeekReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeekReader")
            .field("key", &self.key)
            .field("position", &self.position)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

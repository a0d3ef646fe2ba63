//! Byte ranges of an object, for readers that share its records.

use std::ops::Range;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;

use super::{Format, OnFlaw, Record, RecordReader, SplitOptions};
use crate::backend::ByteStream;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::options::ReadOptions;
use crate::store::Store;

/// At most `count` ranges of about the same length that are `size` bytes together.
///
/// ```
/// assert_eq!(storage_core::format::shares(10, 3), [0..3, 3..6, 6..10]);
/// assert_eq!(storage_core::format::shares(0, 3), []);
/// ```
pub fn shares(size: u64, count: u64) -> Vec<Range<u64>> {
    let count = count.min(size);
    // Wide enough for any two numbers.
    let begin = |n: u64| (u128::from(size) * u128::from(n) / u128::from(count.max(1))) as u64;
    (0..count).map(|n| begin(n)..begin(n + 1)).collect()
}

/// The records of an object that begin in this range of its bytes: each record is in one of several ranges that follow one another, and in no
/// other. Their numbers count from the first one in the range, where the format does not tell them. Behind the range as much is read as
/// shows that its last record is whole and followed by another, or by the end.
///
/// # Errors
/// `Unsupported` for a format whose records are not found from the middle for certain, and for options that leave something out: data that
/// may be damaged is read from its beginning. Those of [`Store::reader`]. The stream's are those of its bytes, and a
/// [`Flaw`](crate::Flaw).
pub async fn records_within(
    (store, key): (&Store, &Key),
    format: &dyn Format,
    range: Range<u64>,
    options: SplitOptions,
    read: ReadOptions,
) -> Result<impl Stream<Item = Result<Record>> + Send + use<>> {
    let refuse = |message: String| Err(Error::unsupported(message).with_name(key.as_str()));
    let about = format.about();
    if options.on_flaw != OnFlaw::Fail {
        return refuse("readers that share an object leave nothing out".into());
    }
    // One that begins at the first byte is told from one that goes on there by the byte before.
    let begin = range.start.saturating_sub(1);
    let options = match about.shares {
        _ if range.start == 0 => options,
        None => return refuse(format!("records of {} are found from the beginning only", about.name)),
        Some(0) => options.offset(begin).inside(Bytes::new()),
        Some(length) => {
            let head = store.read(key, read.clone().range(..length as u64)).await?;
            options.offset(begin).inside(head.bytes)
        }
    };
    let reader = format.reader(options)?;
    let data = store.reader(key, read.range(begin..)).await?.boxed();
    let share = Share { data, reader, is_looking: range.start > 0, range, at_end: false };
    Ok(try_unfold(share, Share::next))
}

struct Share {
    data: ByteStream,
    reader: Box<dyn RecordReader>,
    range: Range<u64>,
    /// No record was found yet, not even one that begins before the range.
    is_looking: bool,
    at_end: bool,
}

impl Share {
    async fn next(mut self) -> Result<Option<(Record, Self)>> {
        loop {
            let next = self.reader.next()?;
            self.is_looking &= next.is_none();
            match next {
                Some(record) if record.offset >= self.range.end => return Ok(None),
                Some(record) if record.offset < self.range.start => {}
                Some(record) => return Ok(Some((record, self))),
                None if self.at_end => return Ok(None),
                // What begins there is for others. Who has found a record goes on until another one follows it.
                None if self.is_looking && self.reader.offset() >= self.range.end => return Ok(None),
                None => match self.data.next().await.transpose()? {
                    Some(piece) => self.reader.push(piece),
                    None => {
                        self.reader.end();
                        self.at_end = true;
                    }
                },
            }
        }
    }
}

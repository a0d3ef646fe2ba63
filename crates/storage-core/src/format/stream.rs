//! Streams of bytes as streams of records.

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;

use super::{Framing, Record, RecordReader, Skipped, SplitOptions, Splitter};
use crate::backend::ByteStream;
use crate::error::Result;

/// The records that stand in `data`. What is left out by the options is not told of: see [`records_but`].
///
/// # Errors
/// The stream's are those of `data`, and a [`Flaw`](crate::Flaw).
pub fn records<F: Framing>(
    data: ByteStream,
    framing: F,
    options: SplitOptions,
) -> impl Stream<Item = Result<Record>> + Send {
    records_but(data, framing, options, drop)
}

/// The same, and tells `lost` what is left out.
///
/// # Errors
/// As [`records`].
pub fn records_but<F: Framing>(
    data: ByteStream,
    framing: F,
    options: SplitOptions,
    lost: impl FnMut(Skipped) + Send,
) -> impl Stream<Item = Result<Record>> + Send {
    read(data, Box::new(Splitter::new(framing, options)), lost)
}

/// What a reader finds in `data`; it is told where that ends.
pub(crate) fn read(
    data: ByteStream,
    reader: Box<dyn RecordReader>,
    lost: impl FnMut(Skipped) + Send,
) -> impl Stream<Item = Result<Record>> + Send {
    let state = (data, reader, lost, false);
    try_unfold(state, |(mut data, mut reader, mut lost, mut ended)| async move {
        loop {
            let next = reader.next();
            reader.skipped().into_iter().for_each(&mut lost);
            if let Some(record) = next? {
                return Ok(Some((record, (data, reader, lost, ended))));
            }
            if ended {
                return Ok(None);
            }
            match data.next().await.transpose()? {
                Some(piece) => reader.push(piece),
                None => {
                    reader.end();
                    ended = true;
                }
            }
        }
    })
}

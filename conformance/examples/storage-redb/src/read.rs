//! A read: one snapshot gives the record, and then the pieces one by one.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use redb::ReadTransaction;
use storage_core::{Key, ReadRequest, ReadResponse, Result};

use crate::error::Failure;
use crate::file::{File, blocking};
use crate::table::{OBJECTS, PIECES, find, same_etag};

/// The pieces that hold a range. It keeps its snapshot: whatever is written meanwhile, they stay.
type Pieces = redb::Range<'static, (u64, u64), &'static [u8]>;

pub(crate) async fn read(file: &Arc<File>, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    let (key, request) = (key.clone(), request.clone());
    let open = move |snapshot: &ReadTransaction| {
        let record = find(&snapshot.open_table(OBJECTS)?, key.as_str())?;
        same_etag(Some(&record), request.conditions.if_match.as_ref())?;
        let range = request.range.resolve(record.metadata.size)?;
        let pieces = pieces(snapshot, record.content, &range)?;
        Ok((record.metadata, range, pieces))
    };
    let (metadata, range, pieces) = file.read(open).await?;
    let wanted = range.clone();
    let body = stream::try_unfold(pieces, move |pieces| {
        let wanted = wanted.clone();
        blocking(move |_| next_piece(pieces, &wanted))
    });
    Ok(ReadResponse::new(metadata, range, Box::pin(body)))
}

fn pieces(snapshot: &ReadTransaction, content: u64, range: &Range<u64>) -> Result<Pieces, Failure> {
    let pieces = snapshot.open_table(PIECES)?;
    let first = match pieces.range((content, 0)..=(content, range.start))?.next_back() {
        Some(piece) => piece?.0.value(),
        None => (content, 0),
    };
    Ok(pieces.range(first..(content, range.end))?)
}

/// What the next piece has of the wanted range, and what comes after it.
fn next_piece(mut pieces: Pieces, wanted: &Range<u64>) -> Result<Option<(Bytes, Pieces)>, Failure> {
    let Some(piece) = pieces.next() else { return Ok(None) };
    let (place, bytes) = piece?;
    let ((_, offset), bytes) = (place.value(), bytes.value());
    let start = wanted.start.saturating_sub(offset).min(bytes.len() as u64);
    let end = (wanted.end - offset).min(bytes.len() as u64);
    Ok(Some((Bytes::copy_from_slice(&bytes[start as usize..end as usize]), pieces)))
}

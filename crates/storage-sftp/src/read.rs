//! Stat, and reads as many requests side by side over one open file.

use std::io::SeekFrom;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use openssh_sftp_client::file::File;
use openssh_sftp_client::metadata::MetaData;
use storage_core::{
    ByteStream, Error, ErrorKind, Key, KeyPath, Metadata, ReadRequest, ReadResponse, Result, Retry, body,
};
use tokio::io::AsyncSeek;

use crate::attributes::{is_file, is_link, metadata};
use crate::backend::Shared;
use crate::config::Symlinks;
use crate::session::Session;

/// Bytes of one request: what OpenSSH takes at most is a little more.
const CHUNK: u64 = 255 << 10;
/// Requests on the way: four mebibytes, the window of a channel and some more.
const IN_FLIGHT: usize = 16;

pub(crate) async fn stat(shared: &Shared, key: &Key) -> Result<Metadata> {
    let place = KeyPath::of(key)?;
    let session = shared.pool.session().await?;
    let found = look(shared, &session, &place).await?;
    Ok(metadata(&found))
}

/// What the object at a place is like; a directory and the like are none.
pub(crate) async fn look(shared: &Shared, session: &Session, place: &KeyPath<'_>) -> Result<MetaData> {
    let found = match shared.config.symlinks {
        Symlinks::Follow => shared.root.look(session, place).await?,
        Symlinks::Skip => {
            shared.root.confine(session, place.directory).await?;
            let found = session.check(session.fs().symlink_metadata(shared.root.at(place.path)).await)?;
            if is_link(&found) {
                return Err(no_object());
            }
            found
        }
    };
    if is_file(&found) { Ok(found) } else { Err(no_object()) }
}

pub(crate) async fn read(shared: &Shared, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    let place = KeyPath::of(key)?;
    let session = shared.pool.session().await?;
    // What is opened may be a link or a FIFO: opening the one leads astray, opening the other waits for ever.
    look(shared, &session, &place).await?;
    let mut file = session.check(session.open(&shared.root.at(place.path)).await)?;
    // From here on it is this file, whatever takes its name. Since it was looked at, a link may have taken the place of
    // its directory.
    let (confined, found) = tokio::join!(shared.root.confine(&session, place.directory), file.metadata());
    confined?;
    let found = session.check(found)?;
    if !is_file(&found) {
        return Err(no_object());
    }
    let found = metadata(&found);
    if request.conditions.if_match.is_some() && request.conditions.if_match != found.etag {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"));
    }
    let range = request.range.resolve(found.size)?;
    let body = if range.is_empty() { body([]) } else { chunks(session, file, range.clone()) };
    Ok(ReadResponse::new(found, range, body))
}

/// The bytes of a range, in order. What the stream holds keeps the connection in use.
fn chunks(session: Arc<Session>, file: File, range: Range<u64>) -> ByteStream {
    let starts = range.clone().step_by(CHUNK as usize);
    let requests = starts.map(move |start| {
        let (session, file) = (session.clone(), file.clone());
        async move { piece(&session, file, start..(start + CHUNK).min(range.end)).await }
    });
    Box::pin(stream::iter(requests).buffered(IN_FLIGHT))
}

/// One piece, by as many requests as it takes: a server may answer with less than was asked for.
async fn piece(session: &Session, mut file: File, range: Range<u64>) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while (whole.len() as u64) < range.end - range.start {
        let at = range.start + whole.len() as u64;
        // The file counts on by what was asked for, not by what came.
        seek(&mut file, at)?;
        let asked = u32::try_from(range.end - at).unwrap_or(u32::MAX);
        match session.check(file.read(asked, BytesMut::new()).await)? {
            Some(came) if whole.is_empty() => whole = came,
            Some(came) => whole.extend_from_slice(&came),
            None => {
                let message = "the file ends earlier than it said";
                return Err(Error::new(ErrorKind::InvalidData, message).with_retry(Retry::Backoff));
            }
        }
    }
    Ok(whole.freeze())
}

/// Sets where the next request of this handle begins. Nothing is sent.
pub(crate) fn seek(file: &mut File, at: u64) -> Result<()> {
    let sought = Pin::new(file).start_seek(SeekFrom::Start(at));
    sought.map_err(|e| Error::new(ErrorKind::InvalidInput, "no such place in a file").with_source(e))
}

fn no_object() -> Error {
    Error::new(ErrorKind::NotFound, "no file stands there")
}

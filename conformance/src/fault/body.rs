//! What happens to the body of a read.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use storage_core::{ByteRange, ByteStream, ETag, Error, ErrorKind, ReadResponse, Result, Version};

use super::kind::Fault;

/// The answer to a read of `asked`, after `fault`.
pub(super) fn spoil(mut response: ReadResponse, asked: ByteRange, fault: Fault) -> Result<ReadResponse> {
    let body = response.body;
    response.body = match fault {
        Fault::Cut { after, with } => {
            let error = with.error();
            Box::pin(head(body, after).chain(stream::once(async { Err(error) })))
        }
        Fault::EndEarly { after } => head(body, after),
        Fault::TooLong(extra) => Box::pin(body.chain(stream::once(async { Ok(extra) }))),
        Fault::Stall { after } => Box::pin(head(body, after).chain(stream::pending())),
        Fault::Trickle { step, pause } => Box::pin(pieces(body, step).then(move |piece| async move {
            tokio::time::sleep(pause).await;
            piece
        })),
        Fault::OtherRange(range) => {
            let filler = vec![b'?'; usize::try_from(range.end - range.start).unwrap_or(0)];
            response.range = range;
            storage_core::body([Bytes::from(filler)])
        }
        Fault::WholeObject => body,
        Fault::OtherObject { etag } => {
            response.metadata.etag = Some(ETag::new(etag));
            response.metadata.version = response.metadata.version.map(|_| Version::new(etag));
            Box::pin(body.map(|chunk| chunk.map(|bytes| bytes.iter().map(|b| !b).collect::<Bytes>())))
        }
        other => return Err(misfit(&format!("a read of {asked:?}"), &other)),
    };
    Ok(response)
}

/// A plan's mistake.
pub(super) fn misfit(call: &str, fault: &Fault) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the plan gives {call} the fault {fault:?}, which does not fit"),
    )
}

/// The first `left` bytes of a body.
fn head(body: ByteStream, left: u64) -> ByteStream {
    Box::pin(stream::try_unfold((body, left), |(mut body, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut chunk) = body.next().await.transpose()? else { return Ok(None) };
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (body, left))))
    }))
}

/// The body in pieces of at most `step` bytes.
fn pieces(body: ByteStream, step: usize) -> ByteStream {
    Box::pin(body.flat_map(move |chunk| {
        let pieces: Vec<Result<Bytes>> = match chunk {
            Ok(chunk) => (0..chunk.len())
                .step_by(step.max(1))
                .map(|at| Ok(chunk.slice(at..chunk.len().min(at + step.max(1)))))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    }))
}

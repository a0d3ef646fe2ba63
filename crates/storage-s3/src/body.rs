//! A request's body out of pieces, without copying them together, and with its length told ahead.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use storage_core::Payload;

/// Pieces on their way out.
struct Pieces {
    left: VecDeque<Bytes>,
    len: u64,
}

/// A body of these pieces.
pub(crate) fn pieces(payload: &Payload) -> ByteStream {
    let left: VecDeque<Bytes> = payload.chunks().iter().cloned().collect();
    let len = payload.len();
    ByteStream::from_body_1_x(Pieces { left, len })
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.left.pop_front();
        self.len -= next.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}

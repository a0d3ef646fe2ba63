//! What is answered.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::http::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::Body;
use storage_core::{ByteStream, Error, ErrorKind, Result};

use super::xml;
use crate::error::{Refused, Said, is_page, root};

/// The most that is read of an answer that is no success: enough for what the service says, and no proxy's novel.
const REFUSAL: usize = 64 << 10;
/// The most that is read of a page of a listing. A thousand long names, each byte of them encoded, take a tenth of it.
const PAGE: usize = 64 << 20;

/// A success: headers, and a body that has not been read yet.
#[derive(Debug)]
pub(crate) struct Answer(HttpResponse);

impl Answer {
    pub(super) fn new(response: HttpResponse) -> Self {
        Self(response)
    }

    pub(super) fn is_success(&self) -> bool {
        self.0.status().is_success()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)
    }

    /// Names and values whose name begins so, without that.
    pub(crate) fn headers_after<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.headers().iter().filter_map(move |(name, value)| Some((name.strip_prefix(start)?, value)))
    }

    /// The length of the body in bytes, if it is told.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The bytes, as they come.
    pub(crate) fn into_stream(self) -> ByteStream {
        Box::pin(Chunks(self.0.into_body()))
    }

    /// All of it.
    ///
    /// # Errors
    /// `InvalidData` for more than a listing can have.
    pub(crate) async fn into_bytes(self) -> Result<Vec<u8>> {
        let mut all =
            Vec::with_capacity(self.length().and_then(|l| usize::try_from(l).ok()).unwrap_or(0).min(1 << 20));
        let mut chunks = Chunks(self.0.into_body());
        while let Some(chunk) = chunks.next().await {
            all.extend_from_slice(&chunk?);
            if all.len() > PAGE {
                return Err(Error::new(ErrorKind::InvalidData, "the answer does not end"));
            }
        }
        Ok(all)
    }

    /// Why there is no success.
    pub(super) async fn into_refusal(self, is_head: bool) -> Refused {
        let status = self.0.status().as_u16();
        let text = |name: &str| self.header(name).map(str::to_owned);
        let (region, retry_after) = (text("x-amz-bucket-region"), text("retry-after"));
        let mut body = Vec::new();
        let mut chunks = Chunks(self.0.into_body());
        // A refusal that breaks off is one all the same.
        while !is_head && body.len() < REFUSAL {
            let Some(Ok(chunk)) = chunks.next().await else { break };
            body.extend_from_slice(&chunk);
        }
        let told = xml::refusal(&body);
        let said = Said {
            status,
            code: told.code.as_deref(),
            message: told.message.as_deref(),
            region: region.as_deref(),
            retry_after: retry_after.as_deref(),
            is_page: is_page(&body),
        };
        Refused { status: Some(status), error: said.into_error() }
    }
}

/// A body as chunks.
struct Chunks(SdkBody);

impl Stream for Chunks {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                // What is no data is a trailer.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => return Poll::Ready(Some(Ok(chunk))),
                    Err(_) => continue,
                },
                Some(Err(failed)) => return Poll::Ready(Some(Err(broke_off(failed.as_ref())))),
                None => return Poll::Ready(None),
            }
        }
    }
}

fn broke_off(failed: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(ErrorKind::Unavailable, "the body broke off").with_source(root(failed))
}

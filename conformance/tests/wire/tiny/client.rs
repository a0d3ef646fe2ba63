//! A client of HTTP/1.1 with a pool: just what the backend needs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use storage_core::{ByteStream, Error, ErrorKind, Result, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::mutant;

#[derive(Clone, Debug)]
pub(super) struct Client {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

/// An answer whose body is still on its way.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    length: u64,
    rest: BytesMut,
    stream: TcpStream,
    client: Client,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Arc::default() }
    }

    /// Sends a request, and reads the head of its answer. Statuses that tell of an error become one.
    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Answer> {
        let mut tries = if mutant::is("retries-below") { 3 } else { 1 };
        loop {
            let sent = patiently(self.send_once(method, target, headers, &body)).await;
            tries -= 1;
            match sent {
                Err(error) if tries > 0 && error.is_retryable() => {}
                Err(_) if mutant::is("creates-blindly") && method == "PUT" => {
                    let blind: Vec<_> =
                        headers.iter().filter(|(name, _)| *name == "X-Token").cloned().collect();
                    return self.send_once(method, target, &blind, &body).await;
                }
                sent => return sent,
            }
        }
    }

    async fn send_once(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: &Bytes,
    ) -> Result<Answer> {
        let mut stream = self.connection().await?;
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: tiny\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(lost)?;
        stream.write_all(body).await.map_err(lost)?;
        let mut rest = BytesMut::new();
        let (status, headers) = loop {
            if let Some(head) = parse(&mut rest)? {
                break head;
            }
            if stream.read_buf(&mut rest).await.map_err(lost)? == 0 {
                return Err(lost("the connection ended before the answer"));
            }
        };
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
        let length = if method == "HEAD" { 0 } else { length };
        let answer = Answer { status, headers, length, rest, stream, client: self.clone() };
        answer.check()
    }

    async fn connection(&self) -> Result<TcpStream> {
        loop {
            let idle = self.idle.lock().unwrap().pop();
            let Some(stream) = idle else { break };
            // A connection that has ended, or says something unasked, is of no use.
            if matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            {
                return Ok(stream);
            }
        }
        let unreachable = |error| Error::new(ErrorKind::Unavailable, "no connection").with_source(error);
        let stream = TcpStream::connect(self.address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn length(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    fn check(self) -> Result<Self> {
        let kind = match self.status {
            200..=299 => return Ok(self),
            401 if mutant::is("expired-is-unavailable") => ErrorKind::Unavailable,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            412 => ErrorKind::PreconditionFailed,
            416 => ErrorKind::RangeNotSatisfiable,
            429 | 503 => ErrorKind::Throttled,
            500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Other,
        };
        let error = Error::new(kind, format!("the server answered {}", self.status));
        let error = match self.header("retry-after").and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) if !mutant::is("ignores-retry-after") => {
                error.with_retry(Retry::After(Duration::from_secs(seconds)))
            }
            _ => error,
        };
        // Other errors of the server tell nothing about what it did.
        let doubtful = kind == ErrorKind::Unavailable && !mutant::is("never-in-doubt");
        Err(if doubtful { error.maybe_applied() } else { error })
    }

    pub(super) async fn whole(self) -> Result<Bytes> {
        let body: Vec<Bytes> = self.body().try_collect().await?;
        Ok(body.concat().into())
    }

    /// The whole body, for answers that are short.
    pub(super) async fn text(self) -> Result<String> {
        String::from_utf8(self.whole().await?.to_vec())
            .map_err(|e| Error::new(ErrorKind::InvalidData, "no text").with_source(e))
    }

    pub(super) fn body(self) -> ByteStream {
        let began = tokio::time::Instant::now();
        Box::pin(futures_util::stream::try_unfold(self, move |mut answer| async move {
            if mutant::is("total-timeout") && began.elapsed() > Duration::from_millis(500) {
                return Err(Error::new(ErrorKind::TimedOut, "the whole body took too long"));
            }
            if answer.length == 0 {
                answer.client.idle.lock().unwrap().push(answer.stream);
                return Ok(None);
            }
            if answer.rest.is_empty() {
                let read = patiently(async { answer.stream.read_buf(&mut answer.rest).await.map_err(lost) });
                if read.await? == 0 {
                    return Err(lost("the connection ended within the body"));
                }
            }
            let most = usize::try_from(answer.length).unwrap_or(usize::MAX).min(answer.rest.len());
            let piece = answer.rest.split_to(most).freeze();
            answer.length -= piece.len() as u64;
            Ok(Some((piece, answer)))
        }))
    }
}

/// Without a time limit, which is not the business of a backend.
async fn patiently<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    if !mutant::is("impatient") {
        return work.await;
    }
    let limited = tokio::time::timeout(Duration::from_millis(40), work).await;
    limited.unwrap_or_else(|_| Err(Error::new(ErrorKind::Other, "it took too long")))
}

type Head = (u16, Vec<(String, String)>);

/// Takes the head off the buffer, once it is whole.
fn parse(buffer: &mut BytesMut) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(buffer);
    let parsed =
        parsed.map_err(|e| Error::new(ErrorKind::InvalidData, "no answer of HTTP").with_source(e))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|h| (h.name.to_lowercase(), text(h.value))).collect();
    let status = head.code.unwrap_or_default();
    let _ = buffer.split_to(length);
    Ok(Some((status, headers)))
}

/// The request went out, and nobody knows what became of it.
fn lost(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    if mutant::is("resets-are-final") {
        return Error::new(ErrorKind::Other, "the connection broke").with_source(why);
    }
    let error = Error::new(ErrorKind::Unavailable, "the connection broke").with_source(why);
    if mutant::is("never-in-doubt") { error } else { error.maybe_applied() }
}

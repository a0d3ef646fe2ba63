//! An answer that no server gave.

use std::fmt;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

/// A whole answer, as a [`Fault`](super::Fault) has it.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header. `Content-Length` is the proxy's own business.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds `Retry-After` in whole seconds, which is all that it can tell.
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header("Retry-After", wait.as_secs().to_string())
    }

    /// The same with another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The length of the body on the wire.
    pub(super) fn length(&self, to_head: bool) -> u64 {
        if to_head { 0 } else { self.body.len() as u64 }
    }

    /// The bytes on the wire.
    pub(super) fn wire(&self, to_head: bool, last: bool) -> Bytes {
        let mut wire = BytesMut::new();
        wire.put_slice(format!("HTTP/1.1 {} Fault\r\n", self.status).as_bytes());
        for (name, value) in &self.headers {
            wire.put_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // 204 and 304 have no body, and the former must not announce one.
        let bare = matches!(self.status, 204 | 304);
        if !bare {
            wire.put_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        wire.put_slice(if last { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        if !(to_head || bare) {
            wire.put_slice(&self.body);
        }
        wire.freeze()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

//! Heads of requests and answers, and what they say of the body behind them.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};

/// More headers than anybody sends.
const HEADERS: usize = 128;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its announced length.
    Length(u64),
    /// By an empty chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    /// No request comes after it on this connection.
    pub(super) last: bool,
}

impl RequestHead {
    pub(super) fn parse(raw: &[u8]) -> io::Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        if head.parse(raw).map_err(malformed)?.is_partial() {
            return Err(malformed("it is not whole"));
        }
        let parsed = Headers::new(head.headers);
        // A request without a length has no body.
        let framing = parsed.framing()?.unwrap_or(Framing::Length(0));
        Ok(Self {
            method: head.method.unwrap_or_default().to_owned(),
            target: head.path.unwrap_or_default().to_owned(),
            last: parsed.last(head.version),
            framing,
            headers: parsed.0,
        })
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether the client waits for a word before it sends the body.
    pub(super) fn expects_continue(&self) -> bool {
        self.headers
            .iter()
            .any(|(name, value)| name == "expect" && value.eq_ignore_ascii_case("100-continue"))
    }
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(super) struct ResponseHead {
    pub(super) raw: Bytes,
    pub(super) status: u16,
    headers: Headers,
    pub(super) framing: Framing,
    pub(super) last: bool,
}

impl ResponseHead {
    /// The head of an answer to a request of this method.
    pub(super) fn parse(raw: Bytes, method: &str) -> io::Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        if head.parse(&raw).map_err(malformed)?.is_partial() {
            return Err(malformed("it is not whole"));
        }
        let status = head.code.unwrap_or_default();
        let headers = Headers::new(head.headers);
        let bare = method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
        let framing =
            if bare { Framing::Length(0) } else { headers.framing()?.unwrap_or(Framing::UntilClose) };
        let last = headers.last(head.version) || framing == Framing::UntilClose;
        Ok(Self { raw, status, headers, framing, last })
    }

    /// More of the same answer comes.
    pub(super) fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }

    /// First and last byte of `Content-Range`, and the size of the whole.
    pub(super) fn range(&self) -> Option<(u64, u64, u64)> {
        let (range, size) = self.headers.get("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?, size.parse().ok()?))
    }

    /// The same head with another status and with headers replaced, or removed where the new value is `None`.
    pub(super) fn rewritten(&self, status: u16, changes: &[(&str, Option<String>)]) -> Bytes {
        let mut raw = BytesMut::new();
        raw.put_slice(format!("HTTP/1.1 {status} Fault\r\n").as_bytes());
        for (name, value) in &self.headers.0 {
            let change = changes.iter().find(|(changed, _)| changed == name);
            match change {
                None => raw.put_slice(format!("{name}: {value}\r\n").as_bytes()),
                Some((_, Some(value))) => raw.put_slice(format!("{name}: {value}\r\n").as_bytes()),
                Some((_, None)) => {}
            }
        }
        raw.put_slice(b"\r\n");
        raw.freeze()
    }
}

/// Headers with their names in lower case.
#[derive(Clone, Debug)]
struct Headers(Vec<(String, String)>);

impl Headers {
    fn new(parsed: &[httparse::Header<'_>]) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self(parsed.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn framing(&self) -> io::Result<Option<Framing>> {
        if let Some(encoding) = self.get("transfer-encoding") {
            let chunked = encoding.trim().to_ascii_lowercase().ends_with("chunked");
            return Ok(Some(if chunked { Framing::Chunked } else { Framing::UntilClose }));
        }
        let length = self.get("content-length").map(|length| length.trim().parse().map_err(malformed));
        Ok(length.transpose()?.map(Framing::Length))
    }

    /// Whether the connection ends behind this message.
    fn last(&self, version: Option<u8>) -> bool {
        let connection = self.get("connection").unwrap_or_default().to_ascii_lowercase();
        connection.contains("close") || (version == Some(0) && !connection.contains("keep-alive"))
    }
}

fn malformed(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a malformed head: {what}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Framing, RequestHead, ResponseHead};

    #[test]
    fn requests() {
        let check = |raw: &str, framing: Framing, last: bool| {
            let head = RequestHead::parse(raw.as_bytes()).unwrap();
            assert_eq!((head.framing, head.last), (framing, last), "{raw}");
        };
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Framing::Length(0), false);
        check("PUT / HTTP/1.1\r\nCONTENT-LENGTH: 7\r\n\r\n", Framing::Length(7), false);
        check("PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked, false);
        check("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", Framing::Length(0), true);
        check("GET / HTTP/1.0\r\n\r\n", Framing::Length(0), true);
        assert!(RequestHead::parse(b"GET / HTTP/1.1\r\n").is_err());
        assert!(RequestHead::parse(b"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n").is_err());
    }

    #[test]
    fn answers() {
        let parse = |raw: &'static str, method| {
            ResponseHead::parse(Bytes::from_static(raw.as_bytes()), method).unwrap()
        };
        assert_eq!(parse("HTTP/1.1 200 OK\r\n\r\n", "GET").framing, Framing::UntilClose);
        assert_eq!(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD").framing, Framing::Length(0));
        assert_eq!(parse("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", "GET").framing, Framing::Length(0));
        assert!(parse("HTTP/1.1 100 Continue\r\n\r\n", "PUT").is_interim());
        let part = parse("HTTP/1.1 206 x\r\nContent-Range: bytes 2-5/10\r\nA: b\r\n\r\n", "GET");
        assert_eq!(part.range(), Some((2, 5, 10)));
        let whole = part.rewritten(200, &[("content-range", None)]);
        assert_eq!(whole, "HTTP/1.1 200 Fault\r\na: b\r\n\r\n");
    }
}

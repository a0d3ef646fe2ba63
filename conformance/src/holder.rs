//! Somebody who holds a URL and has no credentials: as much of HTTP/1.1 as that takes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Makes one request on a connection of its own. A failure never shows the URL.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Answer, Failure> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(Failure::ignored("its URLs are not of plain HTTP, which is all that the suite speaks"));
    };
    let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut request = format!("{method} {slash}{target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "PUT" {
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        // A server that refuses by the head alone may not wait for the body.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match tokio::time::timeout(LIMIT, talk).await {
        Ok(answer) => parse(&answer?),
        Err(_) => Err(Failure::new(format_args!("expected an answer within {LIMIT:?}"))),
    }
}

fn parse(answer: &[u8]) -> Result<Answer, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(answer)? else {
        return Err(Failure::new("expected a whole answer, it broke off in its head"));
    };
    let header = |field: &httparse::Header<'_>| {
        (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
    };
    let headers: Vec<(String, String)> = head.headers.iter().map(header).collect();
    let status = head.code.unwrap_or_default();
    let mut parsed = Answer { status, headers, body: answer[length..].to_vec() };
    if parsed.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        parsed.body = unchunked(&parsed.body)?;
    }
    Ok(parsed)
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, Failure> {
    let broken = || Failure::new("expected a whole body, it broke off");
    let mut body = Vec::new();
    loop {
        let parsed = httparse::parse_chunk_size(rest).map_err(|_| broken())?;
        let httparse::Status::Complete((start, size)) = parsed else { return Err(broken()) };
        if size == 0 {
            return Ok(body);
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size)).ok_or_else(broken)?;
        body.extend_from_slice(rest.get(start..end).ok_or_else(broken)?);
        rest = rest.get(end + 2..).ok_or_else(broken)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_of_either_framing() {
        let plain = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap();
        assert_eq!(
            (plain.status, plain.header("content-length"), &plain.body[..]),
            (200, Some("2"), &b"ab"[..])
        );
        let chunked = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, b"abc");
        assert!(parse(b"HTTP/1.1 200").is_err());
    }
}

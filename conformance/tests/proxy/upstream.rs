//! A server that writes down what it hears.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running server, and the bytes of every request that came to it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let writer = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Clients leave as they like.
                tokio::spawn(serve(stream, writer.clone()));
            }
        });
        Self { address, heard }
    }

    /// Whole requests, as they came.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }
}

/// The content of every object.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + (at % 23) as u8).collect()
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<Vec<u8>>>>) -> io::Result<()> {
    let mut request = Vec::new();
    loop {
        let Some(head) = until(&mut stream, &mut request, b"\r\n\r\n").await? else { return Ok(()) };
        let text = String::from_utf8_lossy(&request[..head]).into_owned();
        if text.contains("100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let end = if header(&text, "transfer-encoding").is_some() {
            until(&mut stream, &mut request, b"\r\n0\r\n\r\n").await?.unwrap_or(0)
        } else {
            head + header(&text, "content-length").map_or(0, |length| length.parse().unwrap())
        };
        while request.len() < end {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        heard.lock().unwrap().push(request.drain(..end).collect());
        stream.write_all(&answer(&text)).await?;
        if text.starts_with("GET /until-close") {
            return Ok(());
        }
    }
}

/// Targets tell what is wanted: `/length/5000`, `/chunked/5000`, `/until-close/10`, `/none`.
fn answer(head: &str) -> Vec<u8> {
    let target = head.split(' ').nth(1).unwrap();
    let path = target.split('?').next().unwrap();
    let length = path.rsplit('/').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let body = content(length);
    if head.starts_with("PUT") {
        return b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nETag: \"x\"\r\n\r\nstored".to_vec();
    }
    let (mut wire, body) = if target.starts_with("/none") {
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Vec::new())
    } else if target.starts_with("/chunked") {
        let mut chunks = Vec::new();
        for chunk in body.chunks(1000) {
            chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunks)
    } else if target.starts_with("/until-close") {
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), body)
    } else if let Some(range) = header(head, "range") {
        let (first, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let part = body[first..=last].to_vec();
        let head = format!("Content-Range: bytes {first}-{last}/{length}\r\nContent-Length: {}", part.len());
        (format!("HTTP/1.1 206 Partial Content\r\n{head}\r\n\r\n").into_bytes(), part)
    } else {
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes(), body)
    };
    if !head.starts_with("HEAD") {
        wire.extend_from_slice(&body);
    }
    wire
}

/// Reads until the marker is there; gives where it ends, or nothing if the client left.
async fn until(stream: &mut TcpStream, taken: &mut Vec<u8>, marker: &[u8]) -> io::Result<Option<usize>> {
    loop {
        if let Some(at) = taken.windows(marker.len()).position(|window| window == marker) {
            return Ok(Some(at + marker.len()));
        }
        if stream.read_buf(taken).await? == 0 {
            return Ok(None);
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

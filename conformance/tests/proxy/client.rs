//! A client that sees bytes and how they end.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How what was read came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The asked number of bytes, or a whole message.
    Enough,
    Closed,
    Reset,
    /// Nothing came for a while.
    Silent,
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads at most so many bytes, and tells why it stopped.
    pub(crate) async fn read(&mut self, most: usize) -> (Vec<u8>, End) {
        let mut taken = Vec::new();
        while taken.len() < most {
            let mut piece = vec![0; (most - taken.len()).min(8192)];
            let Ok(read) = tokio::time::timeout(Duration::from_millis(300), self.0.read(&mut piece)).await
            else {
                return (taken, End::Silent);
            };
            match read {
                Ok(0) => return (taken, End::Closed),
                Ok(read) => taken.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return (taken, End::Reset),
                Err(error) => panic!("{error}"),
            }
        }
        (taken, End::Enough)
    }

    /// Sends a request without a body, and reads the answer: head, body as it came, end.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: there\r\n{headers}\r\n")).await;
        self.answer(method).await
    }

    pub(crate) async fn answer(&mut self, method: &str) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let (byte, end) = self.read(1).await;
            head.extend_from_slice(&byte);
            if end != End::Enough {
                return Answer { head: String::from_utf8(head).unwrap(), body: Vec::new(), end };
            }
        }
        let head = String::from_utf8(head).unwrap();
        let bare = method == "HEAD" || head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 100");
        let (body, end) = match length(&head) {
            _ if bare => (Vec::new(), End::Enough),
            Some(length) => self.read(length).await,
            None if head.to_lowercase().contains("chunked") => self.chunks().await,
            None => self.read(usize::MAX).await,
        };
        Answer { head, body, end }
    }

    /// A chunked body with its framing.
    async fn chunks(&mut self) -> (Vec<u8>, End) {
        let mut taken = Vec::new();
        while !taken.ends_with(b"\r\n0\r\n\r\n") {
            let (byte, end) = self.read(1).await;
            taken.extend_from_slice(&byte);
            if end != End::Enough {
                return (taken, end);
            }
        }
        (taken, End::Enough)
    }
}

pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

pub(crate) fn length(head: &str) -> Option<usize> {
    let head = head.to_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
}

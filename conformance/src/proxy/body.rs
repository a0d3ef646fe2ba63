//! Taking messages apart as they come, in bounded memory.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::head::Framing;

/// The most bytes that are held of one body.
const PIECE: usize = 16 << 10;
/// The most bytes of a head or of a line between chunks.
const HEAD_MAX: usize = 64 << 10;

/// What one side sends, with what was read too far.
#[derive(Debug)]
pub(super) struct Source<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: BytesMut::new() }
    }

    /// The next head with the empty line behind it; `None` if the sender has said everything.
    pub(super) async fn head(&mut self) -> io::Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.buffer[searched..], b"\r\n\r\n") {
                return Ok(Some(self.buffer.split_to(searched + at + 4).freeze()));
            }
            searched = self.buffer.len().saturating_sub(3);
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ended()) };
            }
        }
    }

    /// Whatever comes, at most `most` bytes; `None` at the end.
    pub(super) async fn some(&mut self, most: u64) -> io::Result<Option<Bytes>> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let length = self.buffer.len().min(most).min(PIECE);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// A line with its end.
    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(at) = find(&self.buffer, b"\n") {
                return Ok(self.buffer.split_to(at + 1).freeze());
            }
            if !self.fill().await? {
                return Err(ended());
            }
        }
    }

    /// Takes more; false at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.buffer.len() > HEAD_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a head that does not end"));
        }
        self.buffer.reserve(PIECE);
        Ok(self.from.read_buf(&mut self.buffer).await? > 0)
    }
}

/// A body that is being taken.
#[derive(Debug)]
pub(super) struct Body(State);

#[derive(Debug)]
enum State {
    /// So many bytes are left.
    Length(u64),
    /// The line with the length of a chunk.
    Size,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The lines behind the last chunk.
    Trailer,
    UntilClose,
    Done,
}

/// A piece of a body.
#[derive(Debug)]
pub(super) struct Piece {
    /// As it came.
    pub(super) raw: Bytes,
    /// It is content and no framing.
    pub(super) is_data: bool,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// The next piece; `None` behind the last one.
    pub(super) async fn next<R: AsyncRead + Unpin>(
        &mut self,
        source: &mut Source<R>,
    ) -> io::Result<Option<Piece>> {
        match self.0 {
            State::Done | State::Length(0) => Ok(None),
            State::Length(left) => {
                let raw = source.some(left).await?.ok_or_else(ended)?;
                self.0 = State::Length(left - raw.len() as u64);
                Ok(Some(Piece { raw, is_data: true }))
            }
            State::Chunk(left) => {
                let raw = source.some(left).await?.ok_or_else(ended)?;
                let left = left - raw.len() as u64;
                self.0 = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                Ok(Some(Piece { raw, is_data: true }))
            }
            State::UntilClose => {
                let raw = source.some(u64::MAX).await?;
                Ok(raw.map(|raw| Piece { raw, is_data: true }))
            }
            State::Size | State::ChunkEnd | State::Trailer => {
                let raw = source.line().await?;
                self.0 = self.behind(&raw)?;
                Ok(Some(Piece { raw, is_data: false }))
            }
        }
    }

    /// What comes behind a line of framing.
    fn behind(&self, line: &[u8]) -> io::Result<State> {
        Ok(match self.0 {
            State::Size => match chunk_size(line)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            State::Trailer if line.trim_ascii().is_empty() => State::Done,
            State::Trailer => State::Trailer,
            _ => State::Size,
        })
    }
}

/// The length in `1f;extension`.
fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a chunk without a length"))
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within a message")
}

#[cfg(test)]
mod tests {
    use super::{Body, Framing, Source};

    async fn taken(framing: Framing, wire: &[u8]) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut source, mut body) = (Source::new(wire), Body::new(framing));
        let (mut raw, mut data) = (Vec::new(), Vec::new());
        while let Some(piece) = body.next(&mut source).await? {
            raw.extend_from_slice(&piece.raw);
            if piece.is_data {
                data.extend_from_slice(&piece.raw);
            }
        }
        Ok((raw, data))
    }

    #[tokio::test]
    async fn a_body_ends_where_it_ends() {
        let check = async |framing, wire: &[u8], raw: &[u8], data: &[u8]| {
            assert_eq!(taken(framing, wire).await.unwrap(), (raw.to_vec(), data.to_vec()));
        };
        check(Framing::Length(3), b"abcdef", b"abc", b"abc").await;
        check(Framing::Length(0), b"abcdef", b"", b"").await;
        check(Framing::UntilClose, b"abcdef", b"abcdef", b"abcdef").await;
        let chunks = b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: 1\r\n\r\n";
        let mut wire = chunks.to_vec();
        wire.extend_from_slice(b"GET /");
        check(Framing::Chunked, &wire, chunks, b"abc0123456789").await;
    }

    #[tokio::test]
    async fn an_early_end_is_an_error() {
        assert!(taken(Framing::Length(3), b"ab").await.is_err());
        assert!(taken(Framing::Chunked, b"3\r\nabc\r\n").await.is_err());
        assert!(taken(Framing::Chunked, b"x\r\n").await.is_err());
    }

    #[tokio::test]
    async fn heads_come_one_by_one() {
        let mut source = Source::new(&b"GET / HTTP/1.1\r\na: b\r\n\r\nrest"[..]);
        assert_eq!(source.head().await.unwrap().unwrap(), "GET / HTTP/1.1\r\na: b\r\n\r\n");
        assert_eq!(source.some(2).await.unwrap().unwrap(), "re");
        assert!(source.head().await.is_err(), "a head that breaks off is no end");
        assert!(Source::new(&b""[..]).head().await.unwrap().is_none());
    }
}

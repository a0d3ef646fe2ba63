//! Answers whose head and body are changed on their way.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::body::{Body, Source};
use super::fault::{Close, Fault};
use super::head::{Framing, ResponseHead};
use super::journal::Note;

/// What is changed.
#[derive(Debug)]
pub(super) struct Edit {
    /// The status that the client sees.
    pub(super) status: u16,
    head: Bytes,
    /// NULs before the body.
    before: u64,
    /// Bytes of the body that come at most.
    keep: u64,
    /// NULs behind the body.
    behind: u64,
    inverted: Inverted,
    end: End,
}

/// Which bytes are not what they were.
#[derive(Debug)]
enum Inverted {
    None,
    At(u64),
    All,
}

/// How the body ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Cut(Close),
    Never,
}

impl Edit {
    /// What `fault` makes of an answer; `None` if it makes no difference or is no fault of a body.
    pub(super) fn new(fault: &Fault, head: &ResponseHead) -> Option<Self> {
        let length = match head.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        let cuts = |after: u64| length.is_none_or(|length| after < length);
        let has_body = length != Some(0);
        let same = Self {
            status: head.status,
            head: head.raw.clone(),
            before: 0,
            keep: u64::MAX,
            behind: 0,
            inverted: Inverted::None,
            end: End::Whole,
        };
        let of_length = |length: Option<u64>| match length {
            Some(length) => head.rewritten(head.status, &[("content-length", Some(length.to_string()))]),
            None => head.raw.clone(),
        };
        match *fault {
            Fault::StallBody { after } if cuts(after) => Some(Self { keep: after, end: End::Never, ..same }),
            Fault::CutBody { after, close } if cuts(after) => {
                Some(Self { keep: after, end: End::Cut(close), ..same })
            }
            Fault::TruncateBody { keep } if cuts(keep) => {
                Some(Self { head: of_length(length.map(|_| keep)), keep, ..same })
            }
            Fault::PadBody { by } if has_body => {
                Some(Self { head: of_length(length.map(|length| length + by)), behind: by, ..same })
            }
            Fault::CorruptBody { at } if cuts(at) => Some(Self { inverted: Inverted::At(at), ..same }),
            Fault::WrongRange if has_body => {
                let range = shifted(head.range()?);
                let head = head.rewritten(206, &[("content-range", Some(range))]);
                Some(Self { status: 206, head, inverted: Inverted::All, ..same })
            }
            Fault::IgnoreRange if has_body => {
                let (first, last, size) = head.range()?;
                let changes = [("content-range", None), ("content-length", Some(size.to_string()))];
                let behind = size.saturating_sub(last + 1);
                Some(Self { status: 200, head: head.rewritten(200, &changes), before: first, behind, ..same })
            }
            _ => None,
        }
    }

    /// Passes an answer on with the change. Gives back how the connection is to end, if it is.
    pub(super) async fn relay<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        framing: Framing,
        from: &mut Source<R>,
        to: &mut W,
        note: &Note,
    ) -> io::Result<Option<Close>> {
        to.write_all(&self.head).await?;
        let mut sink = Sink { to, chunked: framing == Framing::Chunked, note };
        sink.filler(self.before).await?;
        let (mut body, mut at) = (Body::new(framing), 0);
        while at < self.keep {
            let Some(piece) = body.next(from).await? else { break };
            if !piece.is_data {
                continue;
            }
            let room = usize::try_from(self.keep - at).unwrap_or(usize::MAX);
            let data = self.inverted.apply(at, piece.raw.slice(..piece.raw.len().min(room)));
            at += data.len() as u64;
            sink.data(&data).await?;
        }
        match self.end {
            End::Never => std::future::pending().await,
            End::Cut(close) => Ok(Some(close)),
            End::Whole => {
                sink.filler(self.behind).await?;
                sink.end().await?;
                Ok(None)
            }
        }
    }
}

/// Another range of the same length.
fn shifted((first, last, size): (u64, u64, u64)) -> String {
    if last + 1 < size {
        format!("bytes {}-{}/{size}", first + 1, last + 1)
    } else if first > 0 {
        format!("bytes {}-{}/{size}", first - 1, last - 1)
    } else {
        format!("bytes 1-{}/{}", last + 1, size + 1)
    }
}

impl Inverted {
    fn apply(&self, offset: u64, data: Bytes) -> Bytes {
        match self {
            Self::None => data,
            Self::All => data.iter().map(|byte| !byte).collect(),
            Self::At(at) => match at.checked_sub(offset).and_then(|at| usize::try_from(at).ok()) {
                Some(at) if at < data.len() => {
                    let mut changed = BytesMut::from(&data[..]);
                    changed[at] = !changed[at];
                    changed.freeze()
                }
                _ => data,
            },
        }
    }
}

/// Content on its way out, framed as the head says.
struct Sink<'a, W> {
    to: &'a mut W,
    chunked: bool,
    note: &'a Note,
}

impl<W: AsyncWrite + Unpin> Sink<'_, W> {
    async fn data(&mut self, data: &[u8]) -> io::Result<()> {
        // An empty chunk would be the end.
        if data.is_empty() {
            return Ok(());
        }
        self.note.received(data.len() as u64);
        if self.chunked {
            self.to.write_all(format!("{:x}\r\n", data.len()).as_bytes()).await?;
        }
        self.to.write_all(data).await?;
        if self.chunked {
            self.to.write_all(b"\r\n").await?;
        }
        Ok(())
    }

    async fn filler(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let step = left.min(8192);
            self.data(&vec![0; usize::try_from(step).expect("because it is at most 8192")]).await?;
            left -= step;
        }
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        if self.chunked { self.to.write_all(b"0\r\n\r\n").await } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::shifted;

    #[test]
    fn another_range_is_as_long() {
        assert_eq!(shifted((2, 5, 10)), "bytes 3-6/10");
        assert_eq!(shifted((2, 9, 10)), "bytes 1-8/10");
        assert_eq!(shifted((0, 9, 10)), "bytes 1-10/11");
    }
}

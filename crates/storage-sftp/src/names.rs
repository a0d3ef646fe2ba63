//! Names that are not UTF-8, on their way in (clause KEY-3).
//!
//! The protocol's library takes a name that is not UTF-8 for the end of the connection, and one such name would make
//! its directory unreadable. So its bytes that are no text are made NUL, which no name of a file holds: the name is
//! known for what it is, and the others come as they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, BufReader, ReadBuf};

/// The type of a packet that holds names, by the protocol.
const NAME: u8 = 104;
/// The length and the type in front of each packet, in bytes.
const HEAD: usize = 5;
/// Longer packets of names are none that a server sends; they pass as they are.
const LONGEST: usize = 16 << 20;

/// Whether a name came that is not UTF-8.
pub(crate) fn is_no_text(name: &[u8]) -> bool {
    name.contains(&0)
}

/// What comes from a server, its names made text.
#[derive(Debug)]
pub(crate) struct Names<R> {
    inner: BufReader<R>,
    /// A packet in the making, or its beginning.
    packet: Vec<u8>,
    /// How much of the packet has been handed on; it is whole or needs no look.
    handed: usize,
    /// Bytes of the packet that pass without a look.
    pass: usize,
}

impl<R: AsyncRead + Unpin> Names<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner: BufReader::new(inner), packet: Vec::new(), handed: 0, pass: 0 }
    }

    /// Fills the packet up to `length`; false at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<bool>> {
        let mut space = [0; 4096];
        while self.packet.len() < length {
            let missing = (length - self.packet.len()).min(space.len());
            let mut read = ReadBuf::new(&mut space[..missing]);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.packet.extend_from_slice(read.filled());
        }
        Poll::Ready(Ok(true))
    }

    /// Takes in the next packet, or its head if the rest may pass. At the end of the connection, what there is of it.
    fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !ready!(self.poll_fill(cx, HEAD))? {
            return Poll::Ready(Ok(()));
        }
        let length = self.packet.first_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
        if self.packet.get(HEAD - 1) == Some(&NAME) && length <= LONGEST {
            if ready!(self.poll_fill(cx, HEAD - 1 + length))? {
                make_text(&mut self.packet);
            }
        } else {
            self.pass = length.saturating_sub(1);
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Names<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.handed == 0 && this.pass == 0 {
            ready!(this.poll_packet(cx))?;
        }
        if this.handed < this.packet.len() {
            let length = (this.packet.len() - this.handed).min(buf.remaining());
            buf.put_slice(&this.packet[this.handed..this.handed + length]);
            this.handed += length;
        } else {
            let length = this.pass.min(buf.remaining());
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(length));
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
            this.pass -= read;
        }
        if this.handed == this.packet.len() {
            this.packet.clear();
            this.handed = 0;
        }
        Poll::Ready(Ok(()))
    }
}

/// Makes the names of a packet text. What does not look like one stays as it is.
fn make_text(packet: &mut [u8]) {
    let mut at = HEAD + 4;
    let Some(count) = number(packet, &mut at) else { return };
    for _ in 0..count {
        let Some(length) = number(packet, &mut at) else { return };
        let end = at.saturating_add(length as usize);
        let Some(name) = packet.get_mut(at..end) else { return };
        blank(name);
        at = end;
        if skip_text(packet, &mut at).and_then(|()| skip_attributes(packet, &mut at)).is_none() {
            return;
        }
    }
}

fn blank(mut name: &mut [u8]) {
    while let Err(error) = std::str::from_utf8(name) {
        let wrong = error.valid_up_to()..error.valid_up_to() + error.error_len().unwrap_or(usize::MAX / 2);
        let end = wrong.end.min(name.len());
        name[wrong.start..end].fill(0);
        name = &mut name[end..];
    }
}

fn number(packet: &[u8], at: &mut usize) -> Option<u32> {
    let bytes = packet.get(*at..)?.first_chunk()?;
    *at += 4;
    Some(u32::from_be_bytes(*bytes))
}

fn skip_text(packet: &[u8], at: &mut usize) -> Option<()> {
    let length = number(packet, at)? as usize;
    *at = at.checked_add(length)?;
    Some(())
}

fn skip_attributes(packet: &[u8], at: &mut usize) -> Option<()> {
    let flags = number(packet, at)?;
    // Size, owner and group, permissions, times.
    for (flag, length) in [(1, 8), (2, 8), (4, 4), (8, 8)] {
        if flags & flag != 0 {
            *at += length;
        }
    }
    if flags & (1 << 31) != 0 {
        for _ in 0..number(packet, at)? {
            skip_text(packet, at)?;
            skip_text(packet, at)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{NAME, Names};
    use tokio::io::AsyncReadExt;

    fn text(of: &[u8]) -> Vec<u8> {
        [&(of.len() as u32).to_be_bytes()[..], of].concat()
    }

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        text(&[&[kind], body].concat())
    }

    fn names(names: &[&[u8]]) -> Vec<u8> {
        let mut body = [7u32.to_be_bytes(), (names.len() as u32).to_be_bytes()].concat();
        for name in names {
            body.extend([text(name), text(b"-rw-r--r-- \xff")].concat());
            body.extend([&15u32.to_be_bytes()[..], &[0xff; 28]].concat());
        }
        packet(NAME, &body)
    }

    async fn through(sent: &[u8]) -> Vec<u8> {
        let mut came = Vec::new();
        Names::new(sent).read_to_end(&mut came).await.expect("memory does not fail");
        came
    }

    #[tokio::test]
    async fn names_become_text_and_all_else_stays() {
        let data = packet(103, &[0xff; 100_000]);
        let before = names(&[b"a", b"m\xff\xfez", "\u{e9}".as_bytes(), b"cut \xc3"]);
        let after = names(&[b"a", b"m\0\0z", "\u{e9}".as_bytes(), b"cut \0"]);
        let sent = [&data[..], &before, &data, &names(&[]), &before].concat();
        let expected = [&data[..], &after, &data, &names(&[]), &after].concat();
        assert!(through(&sent).await == expected);
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_none_passes() {
        let whole = names(&[b"a\xff", b"b"]);
        for end in 0..whole.len() {
            assert_eq!(through(&whole[..end]).await, whole[..end]);
        }
        for odd in [packet(NAME, &[]), packet(NAME, &[0xff; 12]), text(b""), packet(NAME, &[0xff; 9])] {
            let sent = [&odd[..], &whole].concat();
            assert_eq!(through(&sent).await.len(), sent.len());
        }
    }
}

//! Streams of bytes through a codec.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{iter, try_unfold};
use futures_util::{FutureExt, StreamExt};

use super::{Codec, Codecs, DecodeOptions, Decoder, EncodeOptions, Encoder, Extent, HEAD, members};
use crate::backend::ByteStream;
use crate::error::{Error, Result};

/// How many bytes come out at a time.
pub(super) const CHUNK: usize = 128 << 10;

/// Which codec a stream is in, by what it begins with or by its name, and the stream, of which nothing was taken.
///
/// # Errors
/// Those of `encoded`.
pub async fn detect(
    encoded: ByteStream,
    codecs: &Codecs,
    name: &str,
) -> Result<(Option<Arc<dyn Codec>>, ByteStream)> {
    // What has ended while it was looked at must not be asked again.
    let mut encoded = encoded.fuse();
    let (mut head, mut pieces) = (Vec::with_capacity(HEAD), Vec::new());
    while head.len() < HEAD
        && let Some(piece) = encoded.next().await.transpose()?
    {
        head.extend_from_slice(&piece[..piece.len().min(HEAD - head.len())]);
        pieces.push(Ok(piece));
    }
    let codec = codecs.detect(&head, name).cloned();
    Ok((codec, iter(pieces).chain(encoded).boxed()))
}

/// What `encoded` means. The stream ends after everything it gave is proved, or with an error.
///
/// # Errors
/// Those of [`Decoder::new`]; the stream's are those of `encoded` and a [`Flaw`](crate::Flaw).
pub fn decode(encoded: ByteStream, codec: Arc<dyn Codec>, options: DecodeOptions) -> Result<ByteStream> {
    if options.threads > 1 {
        return members::decode(encoded, codec, options);
    }
    let way = Way::new(encoded, Decoder::new(codec, options)?);
    Ok(Box::pin(try_unfold(way, Way::next)))
}

/// What `plain` is encoded.
///
/// # Errors
/// Those of [`Encoder::new`]; the stream's are those of `plain`, and of the codec.
pub fn encode(plain: ByteStream, codec: Arc<dyn Codec>, options: &EncodeOptions) -> Result<ByteStream> {
    encode_indexed(plain, codec, options, drop)
}

/// The same, and tells the members of [indexed](EncodeOptions::indexed) data once all have come out, before the stream ends.
///
/// # Errors
/// As [`encode`].
pub fn encode_indexed(
    plain: ByteStream,
    codec: Arc<dyn Codec>,
    options: &EncodeOptions,
    tell: impl FnOnce(Vec<Extent>) + Send + 'static,
) -> Result<ByteStream> {
    let options = options.of(&*codec)?;
    if options.shares_members() {
        return members::encode(plain, codec, options, Box::new(tell));
    }
    let way = Way::new(plain, Telling { encoder: Encoder::new(codec, &options)?, tell: Some(tell) });
    Ok(Box::pin(try_unfold(way, Way::next)))
}

/// An encoder whose members are told.
struct Telling<F> {
    encoder: Encoder,
    tell: Option<F>,
}

/// Either of the two.
trait Machine {
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()>;
    fn end(&mut self, output: &mut Vec<u8>) -> Result<bool>;
}

impl Machine for Decoder {
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        self.decode(input, output)
    }

    fn end(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        self.finish(output)
    }
}

impl<F: FnOnce(Vec<Extent>)> Machine for Telling<F> {
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<()> {
        self.encoder.encode(input, output)
    }

    fn end(&mut self, output: &mut Vec<u8>) -> Result<bool> {
        let ended = self.encoder.finish(output)?;
        if ended && let Some(tell) = self.tell.take() {
            tell(self.encoder.members().to_vec());
        }
        Ok(ended)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Body,
    End,
    Done,
}

struct Way<M> {
    source: ByteStream,
    input: Bytes,
    machine: M,
    at: At,
    /// The last output was: more may be there without any more input.
    is_full: bool,
    failed: Option<Error>,
}

impl<M: Machine> Way<M> {
    fn new(source: ByteStream, machine: M) -> Self {
        Self { source, input: Bytes::new(), machine, at: At::Body, is_full: false, failed: None }
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut output = Vec::with_capacity(CHUNK);
        if let Err(error) = self.fill(&mut output).await {
            if output.is_empty() {
                return Err(error);
            }
            // What came out before goes out before.
            self.failed = Some(error);
        }
        Ok((!output.is_empty()).then(|| (output.into(), self)))
    }

    async fn fill(&mut self, output: &mut Vec<u8>) -> Result<()> {
        while self.at != At::Done && output.len() < CHUNK {
            match self.at {
                At::Body if self.input.is_empty() && !self.is_full => {
                    // What is there goes out before anything is waited for.
                    let next = if output.is_empty() {
                        self.source.next().await
                    } else {
                        let Some(next) = self.source.next().now_or_never() else { break };
                        next
                    };
                    match next.transpose()? {
                        Some(more) => self.input = more,
                        None => self.at = At::End,
                    }
                }
                At::Body => {
                    let mut rest = &self.input[..];
                    self.machine.step(&mut rest, output)?;
                    let left = rest.len();
                    self.input = self.input.split_off(self.input.len() - left);
                    self.is_full = output.len() == output.capacity();
                }
                _ if self.machine.end(output)? => self.at = At::Done,
                _ => break,
            }
        }
        Ok(())
    }
}

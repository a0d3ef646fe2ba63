//! Members side by side: several threads make them or read them, and what they give comes out in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{FutureExt, StreamExt};
use tokio::task::spawn_blocking;

use super::encoder::{extent, member_encoder};
use super::stream::CHUNK;
use super::{Codec, DecodeOptions, Decoder, EncodeOptions, Extent, MemberEncoder, Walk};
use crate::backend::ByteStream;
use crate::error::{Error, ErrorKind, Result};

/// Members are read together up to so many bytes of them: many are small.
const BATCH: usize = 1 << 20;
/// A member of more than that is not gathered: it is read as it comes, and so is what follows it.
const GATHER_MAX: usize = 16 << 20;
/// What all threads together may make of members before it is given out; members that mean more than a thread's share of it, and
/// [`PLAIN_LEAST`], are read as they come.
const PLAIN_MAX: usize = 64 << 20;
const PLAIN_LEAST: usize = 4 << 20;
/// Who waits longer than that for the rest of a member is better off with what there is of it.
const PATIENCE: Duration = Duration::from_millis(100);
/// Of a member that is being made nobody waits for more than so many bytes to be taken before it is given up.
const STEP: usize = 1 << 20;

/// Who is told the members, once all are made.
type Tell = Box<dyn FnOnce(Vec<Extent>) + Send>;

/// Encodes `plain` in members of the size that the options have.
pub(super) fn encode(
    plain: ByteStream,
    codec: Arc<dyn Codec>,
    options: EncodeOptions,
    tell: Tell,
) -> Result<ByteStream> {
    let (threads, indexed) = (options.threads, options.indexed);
    let size = options.member_size.unwrap_or(u64::MAX);
    let idle = Mutex::new(vec![member_encoder(&*codec, &options)?]);
    let makers = Arc::new(Makers { codec: codec.clone(), options, idle, given_up: AtomicBool::new(false) });
    let guard = GiveUp(makers.clone());
    // Its end is come to twice: behind the last content, and behind the last member.
    let plain = plain.fuse().boxed();
    let cutter = Cutter { plain, rest: Bytes::new(), size, is_first: true };
    let make = move |content: Result<Vec<Bytes>>| {
        let makers = makers.clone();
        async move {
            let content = content?;
            aside(move || makers.make(&content)).await?
        }
    };
    let made = try_unfold(cutter, Cutter::next).map(make).buffered(threads).boxed();
    let joiner = Joiner { made, codec, members: indexed.then(Vec::new), tell: Some(tell), _guard: guard };
    Ok(Box::pin(try_unfold(joiner, Joiner::next)))
}

/// Runs on a thread that may be busy.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let gone = |lost| Error::new(ErrorKind::Other, "a codec's thread ended early").with_source(lost);
    spawn_blocking(work).await.map_err(gone)
}

/// Encoders that are used again and again.
struct Makers {
    codec: Arc<dyn Codec>,
    options: EncodeOptions,
    idle: Mutex<Vec<Box<dyn MemberEncoder>>>,
    given_up: AtomicBool,
}

/// Dropped, whatever is being made is given up.
struct GiveUp(Arc<Makers>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }
}

impl Makers {
    fn make(&self, content: &[Bytes]) -> Result<(Bytes, Extent)> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let mut encoder = match reused {
            Some(encoder) => encoder,
            None => member_encoder(&*self.codec, &self.options)?,
        };
        let length: usize = content.iter().map(Bytes::len).sum();
        let mut output = Vec::with_capacity(length / 2 + CHUNK);
        for mut piece in content.iter().flat_map(|piece| piece.chunks(STEP)) {
            if self.given_up.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Other, "nobody waits for this any more"));
            }
            while !piece.is_empty() {
                encoder.encode(&mut piece, &mut output)?;
                output.reserve(CHUNK);
            }
        }
        while !encoder.finish(&mut output)? {
            output.reserve(CHUNK);
        }
        encoder.reset()?;
        idle().push(encoder);
        let extent = extent(output.len() as u64, length as u64)?;
        Ok((output.into(), extent))
    }
}

/// Cuts a stream into the contents of members: all of one size, but for the last, and one at least.
struct Cutter {
    plain: ByteStream,
    rest: Bytes,
    size: u64,
    is_first: bool,
}

impl Cutter {
    async fn next(mut self) -> Result<Option<(Vec<Bytes>, Self)>> {
        let (mut content, mut missing) = (Vec::new(), self.size);
        while missing > 0 {
            if self.rest.is_empty() {
                match self.plain.next().await.transpose()? {
                    Some(more) => self.rest = more,
                    None => break,
                }
            }
            let piece =
                self.rest.split_to(self.rest.len().min(usize::try_from(missing).unwrap_or(usize::MAX)));
            missing -= piece.len() as u64;
            content.push(piece);
        }
        let is_member = missing < self.size || self.is_first;
        self.is_first = false;
        Ok(is_member.then_some((content, self)))
    }
}

/// Gives members out, and behind them what finds them.
struct Joiner {
    made: BoxStream<'static, Result<(Bytes, Extent)>>,
    codec: Arc<dyn Codec>,
    members: Option<Vec<Extent>>,
    tell: Option<Tell>,
    _guard: GiveUp,
}

impl Joiner {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if let Some((member, extent)) = self.made.next().await.transpose()? {
            if let Some(members) = &mut self.members {
                members.push(extent);
            }
            return Ok(Some((member, self)));
        }
        let Some(tell) = self.tell.take() else { return Ok(None) };
        let members = self.members.take();
        let index = members.as_ref().map(|members| self.codec.index(members)).transpose()?;
        tell(members.unwrap_or_default());
        Ok(index.filter(|index| !index.is_empty()).map(|index| (index.into(), self)))
    }
}

/// Decodes `encoded`: members that tell how long they are by several threads, whatever else as it comes.
///
/// What the threads do is a guess: what does not decode cleanly, or to more than is allowed, is decoded again in its turn, so that output,
/// limits and flaws are those of one thread; the ratio is looked at once for all that was decoded together.
pub(super) fn decode(
    encoded: ByteStream,
    codec: Arc<dyn Codec>,
    options: DecodeOptions,
) -> Result<ByteStream> {
    let threads = options.threads;
    let share = (PLAIN_MAX / threads).max(PLAIN_LEAST);
    let judge = Decoder::new(codec.clone(), options.clone())?;
    let gatherer = Gatherer {
        source: encoded,
        codec: codec.clone(),
        data: BytesMut::new(),
        whole: 0,
        walked: 0,
        is_walking: true,
    };
    let guess = move |piece: Result<Piece>| {
        let (codec, options) = (codec.clone(), options.clone());
        async move {
            match piece? {
                Piece::Bytes(encoded) => Ok(Guess { encoded, made: None }),
                Piece::Members(encoded) => {
                    aside(move || {
                        let made = members_of(codec, options, &encoded, share);
                        Guess { encoded, made }
                    })
                    .await
                }
            }
        }
    };
    let guesses = try_unfold(gatherer, Gatherer::next).map(guess).buffered(threads).boxed();
    let way = Judging {
        guesses,
        judge,
        own: Bytes::new(),
        is_full: false,
        at_end: false,
        is_done: false,
        failed: None,
    };
    Ok(Box::pin(try_unfold(way, Judging::next)))
}

/// What the data was cut into.
enum Piece {
    /// Whole members, as far as they tell.
    Members(Bytes),
    /// Anything.
    Bytes(Bytes),
}

/// Cuts data where members end.
struct Gatherer {
    source: ByteStream,
    codec: Arc<dyn Codec>,
    data: BytesMut,
    /// Where the last member ends that is there as a whole.
    whole: usize,
    /// How far the next one was looked at, from there.
    walked: usize,
    /// Members tell how long they are, so far.
    is_walking: bool,
}

impl Gatherer {
    async fn next(mut self) -> Result<Option<(Piece, Self)>> {
        loop {
            if !self.is_walking && !self.data.is_empty() {
                return Ok(Some((self.rest(), self)));
            }
            if self.is_walking && self.walk() {
                let members = self.members();
                return Ok(Some((members, self)));
            }
            if !self.is_walking && !self.data.is_empty() {
                continue;
            }
            let next = if self.whole > 0 {
                // What is there goes out before anything is waited for.
                match self.source.next().now_or_never() {
                    Some(next) => next,
                    None => return Ok(Some((self.members(), self))),
                }
            } else if self.data.is_empty() {
                self.source.next().await
            } else {
                let Ok(next) = tokio::time::timeout(PATIENCE, self.source.next()).await else {
                    self.is_walking = false;
                    continue;
                };
                next
            };
            let next = match next.transpose() {
                Ok(next) => next,
                Err(error) => {
                    // What came before goes out before.
                    self.is_walking = false;
                    self.source = futures_util::stream::iter([Err(error)]).boxed();
                    if self.data.is_empty() {
                        self.source.next().await.transpose()?
                    } else {
                        continue;
                    }
                }
            };
            match next {
                Some(more) if self.is_walking => self.data.extend_from_slice(&more),
                Some(more) => return Ok(Some((Piece::Bytes(more), self))),
                None if self.data.is_empty() => return Ok(None),
                None => {
                    self.is_walking = false;
                    self.source = futures_util::stream::empty().boxed();
                }
            }
        }
    }

    /// Whole members first, and then what is left.
    fn rest(&mut self) -> Piece {
        if self.whole > 0 { self.members() } else { Piece::Bytes(self.data.split().freeze()) }
    }

    fn members(&mut self) -> Piece {
        let members = self.data.split_to(self.whole).freeze();
        self.whole = 0;
        Piece::Members(members)
    }

    /// Goes from member to member. Says whether there are enough of them.
    fn walk(&mut self) -> bool {
        while self.whole < BATCH {
            let data = &self.data[self.whole..];
            if data.is_empty() {
                return false;
            }
            match self.codec.walk(data, self.walked) {
                Walk::End(length) if length > 0 && length <= data.len() => {
                    self.whole += length;
                    self.walked = 0;
                }
                Walk::On(place) if place > self.walked && place < data.len() => self.walked = place,
                Walk::End(length) if (1..=GATHER_MAX).contains(&length) => return false,
                Walk::On(place) if place.max(data.len()) <= GATHER_MAX => {
                    self.walked = self.walked.max(place);
                    return false;
                }
                _ => {
                    self.is_walking = false;
                    return false;
                }
            }
        }
        true
    }
}

/// What members mean, if they are clean and that is not too much.
fn members_of(
    codec: Arc<dyn Codec>,
    options: DecodeOptions,
    encoded: &[u8],
    most: usize,
) -> Option<(Bytes, u64)> {
    let mut decoder = Decoder::new(codec, options).ok()?;
    let (mut input, mut output) = (encoded, Vec::with_capacity(2 * encoded.len() + CHUNK));
    while !input.is_empty() && output.len() <= most {
        decoder.decode(&mut input, &mut output).ok()?;
        output.reserve(CHUNK);
    }
    while output.len() <= most {
        if decoder.finish(&mut output).ok()? {
            return Some((output.into(), decoder.members()));
        }
        output.reserve(CHUNK);
    }
    None
}

/// Bytes, and what members they are if a thread has found out.
struct Guess {
    encoded: Bytes,
    made: Option<(Bytes, u64)>,
}

/// Takes what the threads have made, in order, and decodes what they have not.
struct Judging {
    guesses: BoxStream<'static, Result<Guess>>,
    judge: Decoder,
    /// What it has to decode itself.
    own: Bytes,
    is_full: bool,
    at_end: bool,
    is_done: bool,
    failed: Option<Error>,
}

impl Judging {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if self.is_done {
                return Ok(None);
            }
            if self.at_end || self.is_full || !self.own.is_empty() {
                let mut output = Vec::with_capacity(CHUNK);
                if let Err(error) = self.decode(&mut output) {
                    // What came out before goes out before.
                    self.failed = Some(error);
                }
                if !output.is_empty() {
                    return Ok(Some((output.into(), self)));
                }
                continue;
            }
            let Some(guess) = self.guesses.next().await.transpose()? else {
                self.at_end = true;
                continue;
            };
            match guess.made {
                Some((plain, members))
                    if self.judge.pass(members, guess.encoded.len() as u64, plain.len() as u64) =>
                {
                    if !plain.is_empty() {
                        return Ok(Some((plain, self)));
                    }
                }
                _ => self.own = guess.encoded,
            }
        }
    }

    fn decode(&mut self, output: &mut Vec<u8>) -> Result<()> {
        if self.own.is_empty() && !self.is_full {
            self.is_done = self.judge.finish(output)?;
            return Ok(());
        }
        let mut rest = &self.own[..];
        let decoded = self.judge.decode(&mut rest, output);
        let taken = self.own.len() - rest.len();
        self.own.advance(taken);
        self.is_full = output.len() == output.capacity();
        decoded
    }
}

//! One connection of a client: its requests, one after the other, with the faults they meet.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::Answer;
use super::body::{Body, Source};
use super::edit::Edit;
use super::fault::{Close, Fault};
use super::head::{Framing, RequestHead, ResponseHead};
use super::journal::{Note, Request};
use super::script::{Met, Script};

/// How long a server that answered early may take the rest of a request.
const LATE_BODY: Duration = Duration::from_secs(1);

/// What is to be done after a request.
enum Next {
    Request,
    Close(Close),
}

/// Serves a client until it leaves or a fault ends the connection; tells how it is to end.
pub(super) async fn serve(
    client: &mut TcpStream,
    upstream: SocketAddr,
    script: &Script,
    number: u64,
) -> Close {
    let (from, to) = client.split();
    let mut connection = Connection { from: Source::new(from), to, upstream, script, number };
    loop {
        match connection.request().await {
            Ok(Next::Request) => {}
            Ok(Next::Close(close)) => return close,
            // The proxy hands on how the other side ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Close::Reset,
            Err(_) => return Close::Clean,
        }
    }
}

struct Connection<'a, R, W> {
    from: Source<R>,
    to: W,
    upstream: SocketAddr,
    script: &'a Script,
    number: u64,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<'_, R, W> {
    async fn request(&mut self) -> io::Result<Next> {
        let Some(raw) = self.from.head().await? else { return Ok(Next::Close(Close::Clean)) };
        let head = RequestHead::parse(&raw)?;
        let (note, fault) = self.script.begin(Request::new(&head, self.number));
        match fault {
            Some((met, Fault::Stall)) => {
                met.now();
                self.swallow().await
            }
            Some((met, Fault::ResetBefore)) => {
                met.now();
                Ok(Next::Close(Close::Reset))
            }
            Some((met, Fault::Answer(answer))) => {
                met.now();
                self.answer(&head, &note, &answer).await
            }
            fault => self.forward(&raw, &head, &note, fault).await,
        }
    }

    /// Takes whatever comes until the client gives up.
    async fn swallow(&mut self) -> io::Result<Next> {
        while self.from.some(u64::MAX).await?.is_some() {}
        // A client that only said all it has to say still waits.
        std::future::pending().await
    }

    /// Answers in the server's place.
    async fn answer(&mut self, head: &RequestHead, note: &Note, answer: &Answer) -> io::Result<Next> {
        // Who waits for a word before the body does not send it after this one.
        let last = head.last || head.expects_continue();
        if !head.expects_continue() {
            let mut body = Body::new(head.framing);
            while let Some(piece) = body.next(&mut self.from).await? {
                note.sent(piece.raw.len());
            }
        }
        say(&mut self.to, head, note, answer, last).await
    }

    /// Asks the server, and hands on its answer with the fault in it.
    async fn forward(
        &mut self,
        raw: &[u8],
        head: &RequestHead,
        note: &Note,
        fault: Option<(Met<'_>, Fault)>,
    ) -> io::Result<Next> {
        let mut server = TcpStream::connect(self.upstream).await?;
        server.set_nodelay(true)?;
        let (server_from, mut server_to) = server.split();
        let mut server_from = Source::new(server_from);
        server_to.write_all(raw).await?;

        let mut upload = pin!(upload(&mut self.from, head.framing, &mut server_to, note));
        let (uploaded, answer) = {
            let answer = pin!(final_head(&mut server_from, &mut self.to, &head.method));
            match select(upload.as_mut(), answer).await {
                Either::Right((answer, _)) => (None, answer?),
                Either::Left((Err(error), answer)) => {
                    // A server that takes no more has mostly said why.
                    let stopped = error.into_refusal()?;
                    let answered = tokio::time::timeout(LATE_BODY, answer).await;
                    (Some(false), answered.map_err(|_| stopped)??)
                }
                Either::Left((Ok(()), answer)) => (Some(true), answer.await?),
            }
        };
        let passed = pass_on(&answer, fault, &mut server_from, &mut self.to, note).await?;
        let uploaded = match uploaded {
            Some(uploaded) => uploaded,
            None => matches!(tokio::time::timeout(LATE_BODY, upload).await, Ok(Ok(()))),
        };
        let last = head.last || !uploaded;
        match passed {
            Passed::Whole if last || answer.last => Ok(Next::Close(Close::Clean)),
            Passed::Whole => Ok(Next::Request),
            Passed::Ended(close) => Ok(Next::Close(close)),
            Passed::Swallowed(instead) => say(&mut self.to, head, note, &instead, last).await,
        }
    }
}

/// Gives a client an answer that no server gave.
async fn say<W: AsyncWrite + Unpin>(
    to: &mut W,
    head: &RequestHead,
    note: &Note,
    answer: &Answer,
    last: bool,
) -> io::Result<Next> {
    note.answered(answer.status());
    note.received(answer.length(head.is_head()));
    to.write_all(&answer.wire(head.is_head(), last)).await?;
    Ok(if last { Next::Close(Close::Clean) } else { Next::Request })
}

/// Why a body did not get through.
enum Broken {
    /// The client broke off.
    Client(io::Error),
    /// The server takes no more.
    Server(io::Error),
}

impl Broken {
    fn into_refusal(self) -> io::Result<io::Error> {
        match self {
            Self::Client(error) => Err(error),
            Self::Server(error) => Ok(error),
        }
    }
}

/// Passes the body of a request on.
async fn upload<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut Source<R>,
    framing: Framing,
    to: &mut W,
    note: &Note,
) -> Result<(), Broken> {
    let mut body = Body::new(framing);
    while let Some(piece) = body.next(from).await.map_err(Broken::Client)? {
        note.sent(piece.raw.len());
        to.write_all(&piece.raw).await.map_err(Broken::Server)?;
    }
    Ok(())
}

/// The head of the answer proper; passes on what comes before it, such as 100.
async fn final_head<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut Source<R>,
    to: &mut W,
    method: &str,
) -> io::Result<ResponseHead> {
    loop {
        let raw = from.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = ResponseHead::parse(raw, method)?;
        if !head.is_interim() {
            return Ok(head);
        }
        to.write_all(&head.raw).await?;
    }
}

/// How an answer got to the client.
enum Passed {
    Whole,
    /// In part or not at all; the connection ends so.
    Ended(Close),
    /// Not at all; the client gets this instead.
    Swallowed(Answer),
}

async fn pass_on<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    head: &ResponseHead,
    fault: Option<(Met<'_>, Fault)>,
    from: &mut Source<R>,
    to: &mut W,
    note: &Note,
) -> io::Result<Passed> {
    let Some((met, fault)) = fault else { return whole(head, from, to, note).await };
    match fault {
        Fault::Delay(wait) => {
            met.now();
            tokio::time::sleep(wait).await;
            whole(head, from, to, note).await
        }
        Fault::LoseResponse(close) => {
            swallow(head, from).await?;
            met.now();
            Ok(Passed::Ended(close))
        }
        Fault::Replace(answer) => {
            swallow(head, from).await?;
            met.now();
            Ok(Passed::Swallowed(answer))
        }
        Fault::Drip { step, pause } => {
            if head.framing != Framing::Length(0) {
                met.now();
            }
            drip(head, from, to, note, step.max(1), pause).await
        }
        fault => {
            let Some(edit) = Edit::new(&fault, head) else { return whole(head, from, to, note).await };
            met.now();
            note.answered(edit.status);
            let ended = edit.relay(head.framing, from, to, note).await?;
            Ok(ended.map_or(Passed::Whole, Passed::Ended))
        }
    }
}

/// The answer as it came.
async fn whole<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    head: &ResponseHead,
    from: &mut Source<R>,
    to: &mut W,
    note: &Note,
) -> io::Result<Passed> {
    drip(head, from, to, note, usize::MAX, Duration::ZERO).await
}

/// The answer as it came, in pieces with a wait before each.
async fn drip<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    head: &ResponseHead,
    from: &mut Source<R>,
    to: &mut W,
    note: &Note,
    step: usize,
    pause: Duration,
) -> io::Result<Passed> {
    note.answered(head.status);
    to.write_all(&head.raw).await?;
    let mut body = Body::new(head.framing);
    while let Some(piece) = body.next(from).await? {
        for drop in piece.raw.chunks(step) {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            note.received(drop.len() as u64);
            to.write_all(drop).await?;
        }
    }
    Ok(Passed::Whole)
}

/// Takes an answer and keeps it.
async fn swallow<R: AsyncRead + Unpin>(head: &ResponseHead, from: &mut Source<R>) -> io::Result<()> {
    let mut body = Body::new(head.framing);
    while body.next(from).await?.is_some() {}
    Ok(())
}

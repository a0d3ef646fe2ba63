//! The faults that there are.

use std::time::Duration;

use super::answer::Answer;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // TCP knows these two
pub enum Close {
    /// By RST, as after a crash of the server or of a middlebox.
    Reset,
    /// By FIN, as if everything had been said.
    Clean,
}

/// What happens to a request and to its answer.
///
/// A fault of the body is met by answers that have one, and only where it makes a difference: a cut behind the last
/// byte is none. Where the length is not announced (chunked) the proxy cannot know beforehand, and counts it as met.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Fault {
    /// The server answers, and its answer goes on this much later.
    Delay(Duration),
    /// The request is taken, never passed on and never answered.
    Stall,
    /// The connection is reset before the server hears of the request.
    ResetBefore,
    /// The server gets the whole request and has answered it; the client gets the end of the connection instead.
    LoseResponse(Close),
    /// The server gets the whole request and has answered it; the client gets this answer instead, such as the 504 of
    /// a gateway.
    Replace(Answer),
    /// The server does not hear of the request; the client gets this answer. With status 200 and an error in the body
    /// it is what S3 does to a multipart upload that it cannot complete.
    Answer(Answer),
    /// More than so many requests within this time get the answer, and the server does not hear of them; the rest
    /// passes. What is counted is what the rule matches, such as the requests below one prefix.
    Throttle {
        /// Requests that pass.
        requests: usize,
        /// The time in which they may come.
        within: Duration,
        /// The answer for the rest.
        answer: Answer,
    },

    /// The body comes in pieces of so many bytes, each this much later.
    Drip {
        /// Bytes of one piece.
        step: usize,
        /// The wait before each piece.
        pause: Duration,
    },
    /// The head comes whole, then so many bytes of the body, then nothing more and no end.
    StallBody {
        /// Bytes that come.
        after: u64,
    },
    /// The head comes whole, then so many bytes of the body, then the end of the connection.
    CutBody {
        /// Bytes that come.
        after: u64,
        /// How the connection ends.
        close: Close,
    },
    /// The body has so many bytes, and `Content-Length` says so: it looks complete.
    TruncateBody {
        /// Bytes that come.
        keep: u64,
    },
    /// So many bytes stand behind the body, and `Content-Length` says so.
    PadBody {
        /// Bytes too many.
        by: u64,
    },
    /// The bits of the byte at this place of the body are inverted.
    CorruptBody {
        /// The place, counted from 0.
        at: u64,
    },
    /// The answer holds another range of the same length: `Content-Range` says so, and no byte of the body is the one
    /// that was asked for. Met by answers that have a `Content-Range`.
    WrongRange,
    /// The answer is 200 with an object of the whole size, as if the server knew no ranges. Where the bytes that were
    /// asked for stand in it, they are right; the others are NUL, since requests are signed and the proxy cannot ask
    /// for more. Met by answers that have a `Content-Range`.
    IgnoreRange,
}

/// What happens to a connection. Of a proxy of HTTP such a connection is passed on as bytes, without a journal of its
/// requests.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ConnectionFault {
    /// It is reset as soon as it stands.
    Refuse,
    /// It reaches the server this much later.
    Delay(Duration),
    /// It ends after so many bytes from the client.
    CutUp {
        /// Bytes that reach the server.
        after: u64,
        /// How the connection ends.
        close: Close,
    },
    /// It ends after so many bytes from the server.
    CutDown {
        /// Bytes that reach the client.
        after: u64,
        /// How the connection ends.
        close: Close,
    },
    /// After so many bytes from the server nothing goes either way, and the connection stays open.
    Stall {
        /// Bytes that reach the client.
        after: u64,
    },
}

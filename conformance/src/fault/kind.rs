//! The faults that there are.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use storage_core::{Error, ErrorKind, Retry};

use super::call::Call;

/// What happens to a call. A fault that does not fit the call it meets, such as a cut body of a delete, is a mistake in
/// the plan: the call fails with `InvalidInput` and says so.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request is not applied, and the error says so.
    Before(Refusal),
    /// The request is applied and the answer lost: the error may have been applied.
    After(Refusal),
    /// The request is lost, and the caller cannot know: the error may have been applied.
    Lost(Refusal),
    /// The request is not applied and never answered.
    Hang,
    /// The request is applied and never answered.
    HangAfter,
    /// The request goes out once another call came back that often, with whatever result.
    Until(Call, usize),
    /// The request goes out this much later.
    Late(Duration),

    /// Of a read: the body breaks off with an error after so many bytes.
    Cut {
        /// Bytes that come before the error.
        after: u64,
        /// The error.
        with: Refusal,
    },
    /// Of a read: the body ends after so many bytes, without an error.
    EndEarly {
        /// Bytes that come.
        after: u64,
    },
    /// Of a read: these bytes come behind the body.
    TooLong(Bytes),
    /// Of a read: nothing more comes after so many bytes, and no end.
    Stall {
        /// Bytes that come.
        after: u64,
    },
    /// Of a read: the body comes in pieces of so many bytes, each this much later.
    Trickle {
        /// Bytes of one piece.
        step: usize,
        /// The wait before each piece.
        pause: Duration,
    },
    /// Of a read: the answer claims these bytes, whatever was asked for, and holds that many.
    OtherRange(Range<u64>),
    /// Of a read: the range is ignored. The whole object comes, and the answer says so.
    WholeObject,
    /// Of a read: the answer holds bytes of the right range and length, of another object with this ETag.
    OtherObject {
        /// The ETag of the answer.
        etag: &'static str,
    },

    /// Of a write or part: the last bit of the body is another one than was sent. For a layer around a backend that
    /// verifies writes by itself, declare that it does not: it cannot know what was sent.
    Damage,
    /// Of a write, finish, copy or stat: the answer tells of one byte more than there is.
    WrongSize,
    /// Of a write, finish, copy or stat: the answer tells of a SHA-256 that the content does not have.
    WrongChecksum,

    /// Of a page: the token of the next page is this, and there is a next page.
    Token(&'static str),
    /// Of a page: no entries and a next page, with these tokens in turn.
    EmptyPage(&'static [&'static str]),
    /// Of a page: its entries come in reverse order.
    Backwards,
    /// Of a page: an object of this name stands behind its entries.
    Extra(&'static str),
    /// Of a page: an entry that could not be read stands before its entries.
    BadEntry,

    /// Of a delete: the targets at these places of the request are not applied; the others are.
    Targets(Vec<(usize, Refusal)>),
}

/// An error in the making.
#[derive(Clone, Debug)]
pub struct Refusal {
    kind: ErrorKind,
    retry: Option<Retry>,
}

impl Refusal {
    /// An error of `kind`, with the retry advice of that kind.
    pub fn of(kind: ErrorKind) -> Self {
        Self { kind, retry: None }
    }

    /// The service fails for now (503).
    pub fn unavailable() -> Self {
        Self::of(ErrorKind::Unavailable)
    }

    /// The service asks for fewer requests (429), and for a wait (`Retry-After`).
    pub fn throttled(retry_after: Duration) -> Self {
        Self { kind: ErrorKind::Throttled, retry: Some(Retry::After(retry_after)) }
    }

    /// A failure that no repetition mends.
    pub fn denied() -> Self {
        Self::of(ErrorKind::PermissionDenied)
    }

    /// Makes the error.
    pub fn error(&self) -> Error {
        let error = Error::new(self.kind, "a fault on purpose");
        match self.retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
    }
}

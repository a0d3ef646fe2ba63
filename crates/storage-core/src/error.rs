//! One error type for every backend: what kind it is, whether to try again, and whether it may have been applied.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::key::Key;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for programs that decide by it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The object, version, directory or container does not exist.
    NotFound,
    /// The object exists, and the request asked for it to be absent.
    AlreadyExists,
    /// A condition on ETag, version or time did not hold, or the object changed while it was read.
    PreconditionFailed,
    /// A conditional read found the object unchanged. Not a failure: there is nothing new to send.
    NotModified,
    /// The service knows who asks and refuses.
    PermissionDenied,
    /// The service does not know who asks, or the credentials are wrong or expired.
    Unauthenticated,
    /// The key is malformed, or this backend cannot hold it.
    InvalidKey,
    /// An argument is wrong.
    InvalidInput,
    /// An option, URL or profile is wrong.
    InvalidConfig,
    /// Bytes or an answer are damaged: a wrong checksum, a wrong length, an answer that breaks the protocol.
    InvalidData,
    /// The range starts at or past the end of the object.
    RangeNotSatisfiable,
    /// The backend cannot do this and did nothing.
    Unsupported,
    /// The service asks for fewer requests.
    Throttled,
    /// No connection, or no progress, within the allowed time.
    TimedOut,
    /// The service or the way to it fails for now.
    Unavailable,
    /// No space, no quota, or no inode is left.
    StorageFull,
    /// The caller gave up.
    Cancelled,
    /// Anything else; the source tells more.
    Other,
}

impl ErrorKind {
    /// The kind as words for a sentence, such as `not found`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::PreconditionFailed => "precondition failed",
            Self::NotModified => "not modified",
            Self::PermissionDenied => "permission denied",
            Self::Unauthenticated => "not authenticated",
            Self::InvalidKey => "invalid key",
            Self::InvalidInput => "invalid input",
            Self::InvalidConfig => "invalid configuration",
            Self::InvalidData => "invalid data",
            Self::RangeNotSatisfiable => "range not satisfiable",
            Self::Unsupported => "unsupported",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed out",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage full",
            Self::Cancelled => "cancelled",
            Self::Other => "failed",
        }
    }

    /// The retry advice that an error of this kind starts with.
    const fn default_retry(self) -> Retry {
        match self {
            Self::Throttled | Self::TimedOut | Self::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the same request can succeed later.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails the same way.
    Never,
    /// It may succeed; wait as the policy says.
    Backoff,
    /// It may succeed after this long, by the service's own word (`Retry-After`).
    After(Duration),
}

/// How far an error reaches.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The operation failed; a stream that yields such an error ends with it.
    Operation,
    /// One entry of a listing failed; the listing goes on after it.
    Entry,
}

/// An operation, as errors and progress events name it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it: each is the `Store` method of the same name
pub enum Operation {
    Open,
    Stat,
    Read,
    Write,
    List,
    Delete,
    Copy,
    Rename,
    Update,
    CreateDir,
    RemoveDir,
    Cleanup,
    Checksum,
    Presign,
}

impl Operation {
    /// The operation as a verb, such as `read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
            Self::Rename => "rename",
            Self::Update => "update",
            Self::CreateDir => "create directory",
            Self::RemoveDir => "remove directory",
            Self::Cleanup => "clean up",
            Self::Checksum => "checksum",
            Self::Presign => "sign",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed storage operation.
///
/// Three renderings: `{}` is one line for logs and terminals, `{:?}` is that line and the chain of sources for people
/// who debug, and the methods are for programs. None of them ever holds a secret: backends redact before they build
/// an error (clause ERR-2).
///
/// ```
/// use storage_core::{Error, ErrorKind, Key, Operation};
///
/// # fn main() -> storage_core::Result<()> {
/// let error = Error::new(ErrorKind::NotFound, "no such object")
///     .with_operation(Operation::Read)
///     .with_backend("memory")
///     .with_key(&Key::new("a/b")?);
/// assert_eq!(error.to_string(), "read `a/b` (memory): not found: no such object");
/// assert!(!error.is_retryable());
/// # Ok(()) }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retry: Retry,
    may_have_been_applied: bool,
    unreached: bool,
    scope: Scope,
    operation: Option<Operation>,
    backend: Option<Cow<'static, str>>,
    key: Option<String>,
    attempts: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind`. `message` is a lower-case phrase that says what is wrong, and what to do where that
    /// is known. Retry advice follows the kind; nothing is taken to have been applied.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retry: kind.default_retry(),
            may_have_been_applied: false,
            unreached: false,
            scope: Scope::Operation,
            operation: None,
            backend: None,
            key: None,
            attempts: 1,
            source: None,
        }))
    }

    /// An operation that the backend cannot do. Nothing was sent and nothing changed.
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Sets the cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Overrides the retry advice of the kind.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Says that the request may have taken effect although it failed, such as after a lost answer.
    pub fn maybe_applied(mut self) -> Self {
        self.0.may_have_been_applied = true;
        self
    }

    /// Takes that back: what only reads has no effect that could be in doubt.
    pub(crate) fn never_applied(mut self) -> Self {
        self.0.may_have_been_applied = false;
        self
    }

    /// Says that no connection stood, so that nobody saw the request. A service that was never reached is given less
    /// time than one that answered before; see [`RetryPolicy::first_contact`](crate::RetryPolicy::first_contact).
    pub fn unreached(mut self) -> Self {
        self.0.unreached = true;
        self
    }

    /// Marks this as the error of one listing entry, after which the listing goes on.
    pub fn for_entry(mut self) -> Self {
        self.0.scope = Scope::Entry;
        self
    }

    /// Sets the operation, unless a deeper layer already did.
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Replaces the operation: a copy that consists of a read and a write fails as a copy.
    pub(crate) fn in_operation(mut self, operation: Operation) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Sets the backend's name, unless a deeper layer already did.
    pub fn with_backend(mut self, backend: impl Into<Cow<'static, str>>) -> Self {
        self.0.backend.get_or_insert_with(|| backend.into());
        self
    }

    /// Sets the key, unless a deeper layer already did.
    pub fn with_key(self, key: &Key) -> Self {
        self.with_name(key.as_str())
    }

    /// Sets the name in trouble where it is no key, such as a directory or a name that is not UTF-8.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        if self.0.key.is_none() {
            self.0.key = Some(name.into());
        }
        self
    }

    /// Replaces the name: a store with a prefix, or a program, shows a thing as its user named it.
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.0.key = Some(name.into());
        self
    }

    /// Sets how often the request was tried.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is wrong, without operation, key and source.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether and when the same request can succeed.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether the same request can succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }

    /// Whether the request may have taken effect although it failed (clause ERR-3).
    pub fn may_have_been_applied(&self) -> bool {
        self.0.may_have_been_applied
    }

    /// Whether no connection stood.
    pub fn is_unreached(&self) -> bool {
        self.0.unreached
    }

    /// Whether the operation failed or one entry of a listing.
    pub fn scope(&self) -> Scope {
        self.0.scope
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The backend that failed, such as `fs`.
    pub fn backend(&self) -> Option<&str> {
        self.0.backend.as_deref()
    }

    /// The key, or the name that is no key.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// How often the request was tried; at least 1.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        if let Some(operation) = e.operation {
            write!(f, "{operation}")?;
            if let Some(key) = &e.key {
                write!(f, " `{}`", key.escape_debug())?;
            }
            if let Some(backend) = &e.backend {
                write!(f, " ({backend})")?;
            }
            f.write_str(": ")?;
        } else if let Some(key) = &e.key {
            write!(f, "`{}`: ", key.escape_debug())?;
        }
        write!(f, "{}", e.kind)?;
        if !e.message.is_empty() {
            write!(f, ": {}", e.message)?;
        }
        // The cause closest to the metal is what an operator searches for; wrappers in between repeat it.
        if let Some(cause) = root_cause(self) {
            let cause = cause.to_string();
            if !e.message.contains(&cause) {
                write!(f, ": {cause}")?;
            }
        }
        if e.attempts > 1 {
            write!(f, " (after {} attempts)", e.attempts)?;
        }
        if e.may_have_been_applied {
            f.write_str(" (may have been applied)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|e| e.as_ref() as &(dyn StdError + 'static))
    }
}

fn root_cause(error: &Error) -> Option<&(dyn StdError + 'static)> {
    let mut cause = error.source()?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause)
}

impl From<Error> for std::io::Error {
    /// Keeps the error whole inside an I/O error of the nearest kind, for `AsyncRead` and the like.
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::AlreadyExists => Io::AlreadyExists,
            ErrorKind::PermissionDenied | ErrorKind::Unauthenticated => Io::PermissionDenied,
            ErrorKind::InvalidKey | ErrorKind::InvalidInput | ErrorKind::InvalidConfig => Io::InvalidInput,
            ErrorKind::InvalidData => Io::InvalidData,
            ErrorKind::Unsupported => Io::Unsupported,
            ErrorKind::TimedOut => Io::TimedOut,
            ErrorKind::StorageFull => Io::StorageFull,
            ErrorKind::Cancelled => Io::Interrupted,
            _ => Io::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind, Operation, Retry};

    #[test]
    fn one_line_names_who_what_where_and_why() {
        let io = std::io::Error::from_raw_os_error(28);
        let error = Error::new(ErrorKind::StorageFull, "the staged file could not be written")
            .with_source(io)
            .with_operation(Operation::Write)
            .with_backend("fs")
            .with_name("a\nb")
            .with_attempts(3)
            .maybe_applied();
        assert_eq!(
            error.to_string(),
            "write `a\\nb` (fs): storage full: the staged file could not be written: No space left on device \
             (os error 28) (after 3 attempts) (may have been applied)"
        );
    }

    #[test]
    fn retry_advice_follows_the_kind_until_told_otherwise() {
        assert!(Error::new(ErrorKind::Unavailable, "").is_retryable());
        assert!(!Error::new(ErrorKind::NotFound, "").is_retryable());
        assert!(!Error::new(ErrorKind::Throttled, "").with_retry(Retry::Never).is_retryable());
    }

    #[test]
    fn the_first_context_wins() {
        let error = Error::new(ErrorKind::Other, "x").with_name("inner").with_name("outer");
        assert_eq!(error.key(), Some("inner"));
    }
}

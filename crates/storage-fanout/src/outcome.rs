//! Who holds an object, and who does not.

use std::error::Error as StdError;
use std::fmt;

use storage_core::{Error, ErrorKind, Metadata};

/// What came of a write that succeeded.
#[non_exhaustive]
#[derive(Debug)]
pub struct Outcome {
    /// The stores that hold the object, and what each tells of it.
    pub held: Vec<(String, Metadata)>,
    /// The stores that do not, and why.
    pub failed: Vec<(String, Error)>,
}

/// What came of mending an object.
#[non_exhaustive]
#[derive(Debug)]
pub struct Repaired {
    /// The stores that held it already.
    pub held: Vec<String>,
    /// The stores that it was copied to.
    pub mended: Vec<String>,
    /// The stores that it could not be copied to, or that did not answer, and why.
    pub failed: Vec<(String, Error)>,
}

/// Too few stores hold an object: the [source](std::error::Error::source) of the error that reports it.
#[derive(Debug)]
pub struct Lacking {
    held: Vec<String>,
    failed: Vec<(String, Error)>,
    needed: usize,
}

impl Lacking {
    pub(crate) fn new(held: Vec<String>, failed: Vec<(String, Error)>, needed: usize) -> Self {
        Self { held, failed, needed }
    }

    /// What an error tells of this, if it does.
    pub fn of(error: &Error) -> Option<&Self> {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(lacking) = cause.downcast_ref::<Self>() {
                return Some(lacking);
            }
            source = cause.source();
        }
        None
    }

    /// The stores that hold the new object all the same: there it was published before the others failed.
    pub fn held(&self) -> &[String] {
        &self.held
    }

    /// The stores that failed, and why.
    pub fn failed(&self) -> &[(String, Error)] {
        &self.failed
    }

    pub(crate) fn into_error(self) -> Error {
        // What most of them say, or the first: whoever decides by the kind wants the cause.
        let kinds: Vec<ErrorKind> = self.failed.iter().map(|(_, error)| error.kind()).collect();
        let count = |kind: &ErrorKind| kinds.iter().filter(|other| *other == kind).count();
        let kind = kinds.iter().rev().max_by_key(|kind| count(kind)).copied().unwrap_or(ErrorKind::Other);
        let may_be_there =
            !self.held.is_empty() || self.failed.iter().any(|(_, error)| error.may_have_been_applied());
        let error = Error::new(kind, "").with_source(self);
        if may_be_there { error.maybe_applied() } else { error }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stores are needed", self.needed)?;
        for (name, error) in &self.failed {
            write!(f, "; {name}: {error}")?;
        }
        if !self.held.is_empty() {
            write!(f, "; held by {}", self.held.join(", "))?;
        }
        Ok(())
    }
}

impl StdError for Lacking {}

//! From redb's errors to Haul's.

use std::io;

use storage_core::{Error, ErrorKind};

/// An error inside a transaction. Neither side's error is ours to implement `From` for, and `?` should take both.
#[derive(Debug)]
pub(crate) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for Error {
    fn from(Failure(error): Failure) -> Self {
        error
    }
}

macro_rules! from_redb {
    ($($name:ident),*) => {$(
        impl From<redb::$name> for Failure {
            fn from(error: redb::$name) -> Self {
                Self(map(error.into()))
            }
        }
    )*};
}
from_redb!(DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError);

impl From<redb::CommitError> for Failure {
    /// The disk failed somewhere between the first page and the last: the transaction may stand or not.
    fn from(error: redb::CommitError) -> Self {
        Self(map(error.into()).maybe_applied())
    }
}

/// The one place that knows what redb's errors mean.
pub(crate) fn map(error: redb::Error) -> Error {
    let (kind, message) = match &error {
        redb::Error::Io(error) => (io_kind(error.kind()), "the database file failed"),
        redb::Error::PreviousIo => (ErrorKind::Other, "the file failed before; it has to be opened anew"),
        redb::Error::Corrupted(_) => (ErrorKind::InvalidData, "the database file is damaged"),
        redb::Error::UpgradeRequired(_) => (ErrorKind::InvalidConfig, "the file is of an older redb"),
        redb::Error::TableTypeMismatch { .. } => (ErrorKind::InvalidConfig, "the file holds other tables"),
        redb::Error::DatabaseAlreadyOpen => (ErrorKind::Unavailable, "the file is open elsewhere"),
        _ => (ErrorKind::Other, "the database refused"),
    };
    Error::new(kind, message).with_source(error)
}

fn io_kind(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::InvalidData => ErrorKind::InvalidData,
        _ => ErrorKind::Other,
    }
}

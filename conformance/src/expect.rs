//! Expectations. Each failure says what was expected and what came.

use std::fmt::{Debug, Display};

use storage_core::{Error, ErrorKind};

use crate::failure::Failure;

/// Two values are equal.
#[track_caller]
pub(crate) fn same<T: PartialEq<U> + Debug, U: Debug>(
    what: impl Display,
    actual: T,
    expected: U,
) -> Result<(), Failure> {
    if actual == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!("{what}: expected {expected:?}, got {actual:?}")))
}

/// Something holds; `otherwise` says what was expected and what came.
#[track_caller]
pub(crate) fn holds(condition: bool, otherwise: impl Display) -> Result<(), Failure> {
    if condition { Ok(()) } else { Err(Failure::new(otherwise)) }
}

/// Two contents are equal; tells lengths and the first difference, not megabytes.
#[track_caller]
pub(crate) fn same_bytes(what: impl Display, actual: &[u8], expected: &[u8]) -> Result<(), Failure> {
    if actual == expected {
        return Ok(());
    }
    let at = actual.iter().zip(expected).take_while(|(a, e)| a == e).count();
    Err(Failure::new(format_args!(
        "{what}: expected {} bytes, got {} bytes; they differ from byte {at} on",
        expected.len(),
        actual.len()
    )))
}

/// The operation fails with this kind; gives its error.
#[track_caller]
pub(crate) fn fails<T>(
    what: impl Display,
    result: Result<T, Error>,
    kind: ErrorKind,
) -> Result<Error, Failure> {
    match result {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => {
            Err(Failure::new(format_args!("{what}: expected {kind:?}, got {:?}: {error}", error.kind())))
        }
        Ok(_) => Err(Failure::new(format_args!("{what}: expected {kind:?}, it succeeded"))),
    }
}

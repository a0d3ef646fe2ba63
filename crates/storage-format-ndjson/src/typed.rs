//! Records as values of a type, by serde.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use storage_core::format::Record;
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result};

use crate::NAME;

/// The value that a record holds.
///
/// # Errors
/// `InvalidData` with a [`Flaw`]: the byte of the data at which the record stops being JSON, or a value of this type.
pub fn from_record<T: DeserializeOwned>(record: &Record) -> Result<T> {
    serde_json::from_slice(&record.content).map_err(|failed| {
        // A record is one line: the column is the byte, counted from 1. What is missing is missing at its end.
        let column = if failed.is_eof() { record.content.len() } else { failed.column().saturating_sub(1) };
        let at = record.offset + column as u64;
        let kind = if failed.is_eof() { FlawKind::UnexpectedEnd } else { FlawKind::Damaged };
        let text = failed.to_string();
        // The place in the record says less than the one in the data.
        let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
        Flaw::new(kind, NAME, why).at(at, record.number).into()
    })
}

/// Whether a record is JSON at all; nothing of it is kept.
///
/// # Errors
/// As [`from_record`].
pub fn check(record: &Record) -> Result<()> {
    // What is passed over is not looked at closely.
    if let Err(wrong) = std::str::from_utf8(&record.content) {
        let at = record.offset + wrong.valid_up_to() as u64;
        return Err(Flaw::new(FlawKind::Damaged, NAME, "no UTF-8").at(at, record.number).into());
    }
    from_record::<IgnoredAny>(record).map(drop)
}

/// The record that a value is written as.
///
/// # Errors
/// `InvalidInput` for a value that JSON cannot hold, such as a map whose keys are no text.
pub fn to_record<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|failed| {
        Error::new(ErrorKind::InvalidInput, "JSON cannot hold this value").with_source(failed)
    })
}

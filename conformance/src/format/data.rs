//! Records into bytes and back, in the ways that cases share.

use bytes::{Bytes, BytesMut};
use storage_core::format::{Framing, Record, Skipped, SplitOptions, Splitter};
use storage_core::{Error, Flaw, Result};

use super::FormatSubject;
use crate::failure::Failure;

/// The bytes of the subject's records, and at which of them each begins; the last number is where they end.
pub(super) fn written(s: &FormatSubject) -> Result<(Vec<u8>, Vec<u64>), Failure> {
    let (mut output, mut begins) = (BytesMut::new(), vec![0]);
    for record in &s.records {
        s.framing.write(record, &mut output).map_err(Error::from)?;
        begins.push(output.len() as u64);
    }
    Ok((output.to_vec(), begins))
}

/// What a splitter gave, up to its end or an error.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) ended: Result<()>,
}

impl Found {
    pub(super) fn contents(&self) -> Vec<&[u8]> {
        self.records.iter().map(|record| &record.content[..]).collect()
    }
}

pub(super) fn split(s: &FormatSubject, data: &[u8]) -> Found {
    split_in(s, data, usize::MAX, SplitOptions::new())
}

/// Splits data that comes in pieces of so many bytes.
pub(super) fn split_in(s: &FormatSubject, data: &[u8], step: usize, options: SplitOptions) -> Found {
    let pieces = data.chunks(step.min(data.len()).max(1));
    split_pieces(s, pieces, options)
}

pub(super) fn split_pieces<'a>(
    s: &FormatSubject,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    options: SplitOptions,
) -> Found {
    let mut splitter = Splitter::new(s.framing.clone(), options);
    let mut records = Vec::new();
    let mut drain = |splitter: &mut Splitter<_>| -> Result<()> {
        while let Some(record) = splitter.next()? {
            records.push(record);
        }
        Ok(())
    };
    let mut ended = Ok(());
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        ended = drain(&mut splitter);
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        splitter.end();
        ended = drain(&mut splitter);
    }
    Found { records, skipped: splitter.skipped(), ended }
}

/// The flaw that an end tells.
#[track_caller]
pub(super) fn flaw(what: &str, ended: &Result<()>) -> Result<Flaw, Failure> {
    let Err(error) = ended else {
        return Err(Failure::new(format_args!("{what}: expected an error, got success")));
    };
    let none = || Failure::new(format_args!("{what}: expected an error that tells a flaw, got {error}"));
    Flaw::of(error).cloned().ok_or_else(none)
}

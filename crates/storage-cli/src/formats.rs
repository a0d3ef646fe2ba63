//! The record formats in this build.

use std::sync::Arc;

use storage_core::codec::EncodeOptions;
use storage_core::format::Format;
use storage_core::{Error, ErrorKind, Result, suggest};
use storage_format_csv::Csv;
use storage_format_length_prefix::{LengthPrefix, RecordFile, TfRecord, Varint, Width};
use storage_format_ndjson::Ndjson;
use storage_format_parquet::Parquet;

use crate::codecs::codecs;

pub(crate) fn formats() -> Vec<Arc<dyn Format>> {
    let mut formats: Vec<Arc<dyn Format>> = vec![
        Arc::new(Ndjson),
        Arc::new(Csv::new()),
        Arc::new(Csv::tabs()),
        Arc::new(Parquet::new()),
        Arc::new(record_file()),
        Arc::new(TfRecord),
        Arc::new(Varint),
    ];
    for width in [Width::U16, Width::U32, Width::U64] {
        formats.push(Arc::new(LengthPrefix::big_endian(width)));
        formats.push(Arc::new(LengthPrefix::little_endian(width)));
    }
    formats
}

/// The same format, which reads these columns only.
pub(crate) fn of_columns(format: &Arc<dyn Format>, columns: &[String]) -> Result<Arc<dyn Format>> {
    let parquet = Parquet::new().columns(columns);
    if format.about().name == parquet.about().name {
        return Ok(Arc::new(parquet));
    }
    let message = format!("columns are chosen of parquet alone, and this is {}", format.about().name);
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// Record files, written with what compresses well and fast, if this build has it.
fn record_file() -> RecordFile {
    let plain = RecordFile::new(codecs());
    let zstd = codecs().named("zstd").cloned();
    let compressed = zstd.map(|zstd| plain.clone().compressed(zstd, EncodeOptions::new()));
    compressed.and_then(Result::ok).unwrap_or(plain)
}

/// The format of this name, or of this ending of names.
pub(crate) fn named(name: &str) -> Result<Arc<dyn Format>> {
    let formats = formats();
    let fits = |format: &&Arc<dyn Format>| {
        format.about().name == name || format.about().extensions.contains(&name.trim_start_matches('.'))
    };
    formats.iter().find(fits).cloned().ok_or_else(|| {
        let names: Vec<&str> = formats.iter().map(|format| format.about().name).collect();
        let near = suggest(name, names.iter().copied());
        let message = format!("no format is called `{name}`{near}; there are {}", names.join(", "));
        Error::new(ErrorKind::InvalidInput, message)
    })
}

/// The format that a name tells, before the ending of a codec or at its end: of `a.ndjson.gz` it is ndjson.
pub(crate) fn of_name(name: &str) -> Option<Arc<dyn Format>> {
    let codecs = codecs();
    let stem = codecs.of_name(name).map_or(name, |(stem, _)| stem);
    let (_, extension) = stem.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    formats().into_iter().find(|format| format.about().extensions.contains(&&*extension))
}

/// The format that was asked for, or else that the name tells.
pub(crate) fn chosen(asked: Option<&str>, name: &str, flag: &str) -> Result<Arc<dyn Format>> {
    match asked {
        Some(asked) => named(asked),
        None => of_name(name).ok_or_else(|| {
            let message = format!("the name tells no record format; say which with {flag}");
            Error::new(ErrorKind::InvalidInput, message).with_name(name)
        }),
    }
}

//! Anything as a file of records: no panic, no hang, and the same records whatever pieces it comes in.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use storage_core::codec::Codecs;
use storage_core::format::{Format, OnFlaw, SplitOptions};
use storage_core::{Flaw, FlawKind};
use storage_format_csv::Csv;
use storage_format_length_prefix::{LengthPrefix, RecordFile, TfRecord, Varint, Width};
use storage_format_ndjson::Ndjson;

fuzz_target!(|data: &[u8]| {
    let [which, step, data @ ..] = data else { return };
    let formats: [Box<dyn Format>; 8] = [
        Box::new(Csv::new()),
        Box::new(Csv::new().escape(b'\\').comment(b'#')),
        Box::new(LengthPrefix::big_endian(Width::U16)),
        Box::new(LengthPrefix::little_endian(Width::U64)),
        Box::new(Ndjson),
        Box::new(RecordFile::new(Codecs::new([Arc::new(storage_codec_zstd::Zstd) as Arc<_>]))),
        Box::new(TfRecord),
        Box::new(Varint),
    ];
    let format = &formats[usize::from(which & 0x7f) % formats.len()];
    let on_flaw = if which & 0x80 == 0 { OnFlaw::Fail } else { OnFlaw::Skip(u64::MAX) };
    let options = SplitOptions::new().record_max(1 << 16).on_flaw(on_flaw);
    let whole = read(&**format, data, usize::MAX, options.clone());
    let pieces = read(&**format, data, usize::from(*step).max(1), options);
    assert_eq!(whole, pieces, "{format:?}");
});

type Found = (Vec<(Vec<u8>, u64, u64)>, u64, Option<FlawKind>);

fn read(format: &dyn Format, data: &[u8], step: usize, options: SplitOptions) -> Found {
    let mut reader = format.reader(options).expect("options that every format takes");
    let mut pieces = data.chunks(step.min(data.len()).max(1));
    let (mut records, mut at_end) = (Vec::new(), false);
    loop {
        match reader.next() {
            Ok(Some(record)) => records.push((record.content.to_vec(), record.offset, record.number)),
            Ok(None) if at_end => return (records, reader.skips(), None),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(Bytes::copy_from_slice(piece)),
                None => {
                    reader.end();
                    at_end = true;
                }
            },
            Err(error) => {
                let flaw = Flaw::of(&error).expect("an error tells a flaw");
                return (records, reader.skips(), Some(flaw.kind()));
            }
        }
    }
}

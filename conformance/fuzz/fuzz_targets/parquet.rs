//! Anything as a Parquet file: no panic that gets out, no hang, and the same rows whatever pieces it comes in.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use storage_core::format::{Format, OnFlaw, SplitOptions};
use storage_core::{Flaw, FlawKind};
use storage_format_parquet::Parquet;

// What its library panics at is told as damage: only what gets out of the reader counts.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| {
    let [which, step, data @ ..] = data else { return };
    let format = if which & 1 == 0 { Parquet::new() } else { Parquet::new().columns(["n", "o.x"]) };
    let on_flaw = if which & 0x80 == 0 { OnFlaw::Fail } else { OnFlaw::Skip(u64::MAX) };
    let options = SplitOptions::new().record_max(1 << 16).on_flaw(on_flaw);
    let whole = read(&format, data, usize::MAX, options.clone());
    let pieces = read(&format, data, usize::from(*step).max(1), options);
    assert_eq!(whole, pieces);
});

type Found = (u64, u64, Option<Option<FlawKind>>);

/// How many rows there are, how many flaws were left out, and what ended it.
fn read(format: &dyn Format, data: &[u8], step: usize, options: SplitOptions) -> Found {
    let mut reader = format.reader(options).expect("options that it takes");
    let (mut rows, mut pieces, mut at_end) = (0, data.chunks(step.min(data.len()).max(1)), false);
    loop {
        match reader.next() {
            // Nobody waits for more.
            Ok(Some(_)) if rows > 100_000 => return (rows, reader.skips(), None),
            Ok(Some(_)) => rows += 1,
            Ok(None) if at_end => return (rows, reader.skips(), None),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(Bytes::copy_from_slice(piece)),
                None => {
                    reader.end();
                    at_end = true;
                }
            },
            // A column that is not there is the caller's fault, and no flaw.
            Err(error) => return (rows, reader.skips(), Some(Flaw::of(&error).map(Flaw::kind))),
        }
    }
}

//! The suite on gzip.

use std::process::ExitCode;

use storage_codec_gzip::Gzip;
use storage_conformance::CodecSubject;
use storage_core::Store;
use storage_memory::Memory;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Gzip).store(Store::new(Memory::new()));
    storage_conformance::run_codec(subject.tool(&["gzip", "-c"], &["gzip", "-d", "-c"]))
}

//! The suite on zstd.

use std::process::ExitCode;

use storage_codec_zstd::Zstd;
use storage_conformance::CodecSubject;
use storage_core::Store;
use storage_memory::Memory;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Zstd).store(Store::new(Memory::new()));
    storage_conformance::run_codec(subject.tool(&["zstd", "-q", "-c"], &["zstd", "-d", "-q", "-c"]))
}

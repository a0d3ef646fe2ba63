//! The suite on zstd.

use std::process::ExitCode;

use storage_codec_zstd::Zstd;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Zstd);
    storage_conformance::run_codec(subject.tool(&["zstd", "-q", "-c"], &["zstd", "-d", "-q", "-c"]))
}

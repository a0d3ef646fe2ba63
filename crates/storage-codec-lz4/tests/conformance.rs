//! The suite on lz4.

use std::process::ExitCode;

use storage_codec_lz4::Lz4;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Lz4);
    storage_conformance::run_codec(subject.tool(&["lz4", "-c"], &["lz4", "-d", "-c"]))
}

//! The suite on Brotli.

use std::process::ExitCode;

use storage_codec_brotli::Brotli;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Brotli);
    storage_conformance::run_codec(subject.tool(&["brotli", "-c"], &["brotli", "-d", "-c"]))
}

//! The suite on gzip.

use std::process::ExitCode;

use storage_codec_gzip::Gzip;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Gzip);
    storage_conformance::run_codec(subject.tool(&["gzip", "-c"], &["gzip", "-d", "-c"]))
}

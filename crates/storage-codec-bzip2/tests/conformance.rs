//! The suite on bzip2.

use std::process::ExitCode;

use storage_codec_bzip2::Bzip2;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Bzip2);
    storage_conformance::run_codec(subject.tool(&["bzip2", "-c"], &["bzip2", "-d", "-c"]))
}

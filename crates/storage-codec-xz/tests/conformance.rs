//! The suite on xz.

use std::process::ExitCode;

use storage_codec_xz::Xz;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    let subject = CodecSubject::new(Xz);
    storage_conformance::run_codec(subject.tool(&["xz", "-c"], &["xz", "-d", "-c"]))
}

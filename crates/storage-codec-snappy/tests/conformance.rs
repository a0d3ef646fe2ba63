//! The suite on snappy. It has no ordinary program that systems bring along.

use std::process::ExitCode;

use storage_codec_snappy::Snappy;
use storage_conformance::CodecSubject;

fn main() -> ExitCode {
    storage_conformance::run_codec(CodecSubject::new(Snappy))
}

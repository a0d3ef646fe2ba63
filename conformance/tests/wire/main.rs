//! The suite on a small object store over HTTP, whose wire it can cut.

mod tiny;

use std::process::ExitCode;

fn main() -> ExitCode {
    storage_conformance::run(tiny::subject())
}

//! The whole suite on the emulator, uploads by sessions.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::subject;

fn main() -> ExitCode {
    storage_conformance::run(subject("gcs on the emulator", |config| config, false))
}

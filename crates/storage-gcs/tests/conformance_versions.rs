//! The suite on a bucket of the emulator that keeps old generations.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::subject;

fn main() -> ExitCode {
    let subject = subject("gcs on the emulator, versions", |config| config, true);
    storage_conformance::run(subject.modes(&["plain", "property"]))
}

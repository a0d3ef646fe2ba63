//! The suite on the emulator, uploads by parts that are put together.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use storage_gcs::Uploads;
use support::subject;

fn main() -> ExitCode {
    let subject = subject("gcs on the emulator, composed", |config| config.uploads(Uploads::Compose), false);
    storage_conformance::run(subject.modes(&["plain", "property", "wire"]))
}

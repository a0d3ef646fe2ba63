//! The whole suite on SeaweedFS.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::{SEAWEEDFS, on_seaweedfs, subject};

fn main() -> ExitCode {
    let subject = subject("s3 on SeaweedFS", SEAWEEDFS, |config| config.sorted(false));
    storage_conformance::run(on_seaweedfs(subject))
}

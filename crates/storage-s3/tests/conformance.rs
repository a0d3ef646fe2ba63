//! The whole suite on SeaweedFS.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::{SEAWEEDFS, subject};

fn main() -> ExitCode {
    storage_conformance::run(subject("s3 on SeaweedFS", SEAWEEDFS, |config| config.sorted(false)))
}

//! The whole suite on a bucket of SeaweedFS that keeps versions.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::{SEAWEEDFS, subject};

fn main() -> ExitCode {
    let name = "s3 on SeaweedFS, versions";
    storage_conformance::run(subject(name, SEAWEEDFS, |config| config.sorted(false).versions(true)))
}

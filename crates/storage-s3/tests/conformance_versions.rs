//! The whole suite on a bucket of SeaweedFS that keeps versions.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::{SEAWEEDFS, on_seaweedfs, with_versions};

fn main() -> ExitCode {
    let subject = with_versions("s3 on SeaweedFS, versions", SEAWEEDFS, |config| config.sorted(false));
    storage_conformance::run(on_seaweedfs(subject).modes(&["plain", "property"]))
}

//! The whole suite on the Ceph Object Gateway, which takes every key.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use storage_s3::Conditions;
use support::{CEPH, subject};

fn main() -> ExitCode {
    // Of release 16: it takes `If-None-Match` on writes in one request alone, and refuses every `If-Match`.
    storage_conformance::run(subject("s3 on Ceph", CEPH, |config| config.conditions(Conditions::NONE)))
}

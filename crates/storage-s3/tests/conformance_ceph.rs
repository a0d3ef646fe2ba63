//! The whole suite on the Ceph Object Gateway, which takes every key.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use storage_s3::Conditions;
use support::{CEPH, subject};

fn main() -> ExitCode {
    // Of release 16: it takes `If-None-Match` on writes in one request alone, and refuses every `If-Match`.
    let subject = subject("s3 on Ceph", CEPH, |config| config.conditions(Conditions::NONE))
        .ignore("key/KEY-1-unicode-*", "Ceph lists a name with U+FFFF as XML that is none")
        .ignore(
            "metadata/WRITE-7-user-metadata-survives",
            "Ceph takes `_` for `-` in the names of user metadata",
        );
    storage_conformance::run(subject.modes(&["plain", "prefixed", "property"]))
}

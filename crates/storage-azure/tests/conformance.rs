//! The whole suite on Azurite.

#[allow(dead_code)] // each test takes what it needs
mod support;

use std::process::ExitCode;

use support::subject;

fn main() -> ExitCode {
    let race = "Azurite changes a blob under its own reads, and tells the new ETag with the old bytes";
    let subject = subject("azure on Azurite")
        .ignore("consistency/READ-2-metadata-is-of-the-bytes-read", race)
        .ignore("consistency/READ-2-vectored-pieces-are-of-one-version", race)
        .ignore(
            "write/WRITE-5-two-writers-of-one-key-*",
            "Azure drops the blocks of other uploads when one of a blob ends; the others fail, and say so",
        )
        .ignore(
            "sign/SIGN-1-a-put-is-bound-to-its-content-type",
            "a shared access signature binds no content type, and the request is refused",
        );
    storage_conformance::run(subject)
}

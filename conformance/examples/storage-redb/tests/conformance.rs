//! The whole suite on a fresh file for each case.

use std::process::ExitCode;

use storage_conformance::{Fixture, Subject};
use storage_redb::Redb;

fn main() -> ExitCode {
    storage_conformance::run(Subject::new("redb", || async {
        let directory = tempfile::tempdir().expect("because tests may make temporary directories");
        let backend = Redb::open(directory.path().join("objects.redb")).await?;
        Ok(Fixture::new(backend).guard(directory))
    }))
}

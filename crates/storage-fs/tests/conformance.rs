//! The suite on a directory, with links followed, as the crate opens one.

use std::process::ExitCode;

use storage_conformance::{Fixture, Subject};
use storage_core::Result;
use storage_fs::{Config, Fs, Symlinks};

fn main() -> ExitCode {
    storage_conformance::run(Subject::new("fs", || async { fresh() }))
}

fn fresh() -> Result<Fixture> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // The suite is about meaning; whether synced writes survive a loss of power no test here can tell.
    let config = Config::new(directory.path()).symlinks(Symlinks::Follow).fsync(false);
    Ok(Fixture::new(Fs::open(config)?).guard(directory))
}

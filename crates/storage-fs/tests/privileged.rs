//! What only some machines and users can show: full, read-only and foreign volumes, other users, few open files.
//!
//! A trial that lacks a privilege or a tool is ignored, and says what it lacks.

#[path = "privileged/child.rs"]
mod child;
mod common;
#[path = "privileged/full.rs"]
mod full;
#[path = "privileged/mount.rs"]
mod mount;
#[path = "privileged/users.rs"]
mod users;
#[path = "privileged/volumes.rs"]
mod volumes;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A trial's end: passed, or ignored for this reason. It fails by a panic.
type Outcome = Result<(), String>;

/// Runs a trial with a runtime of its own.
fn trial<F: Future<Output = Outcome> + 'static>(name: &str, run: fn() -> F) -> Trial {
    Trial::ignorable_test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        match runtime.block_on(run()) {
            Ok(()) => Ok::<_, Failed>(libtest_mimic::Completion::Completed),
            Err(why) => Ok(libtest_mimic::Completion::ignored_with(why)),
        }
    })
}

fn main() -> ExitCode {
    if let Some(role) = std::env::var_os("TEST_CHILD") {
        return child::run(&role);
    }
    let trials = full::trials().into_iter().chain(volumes::trials()).chain(users::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

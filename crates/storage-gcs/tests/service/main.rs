//! What the suite does not see: the service's own settings, its errors, and what each operation costs in requests.

#[allow(dead_code)] // each test takes what it needs
#[path = "../support/mod.rs"]
mod support;

mod compose;
mod credentials;
mod errors;
mod foreign;
mod requests;
mod resumable;
mod resumed;
mod run;
mod sessions;
mod settings;
mod signing;
mod versions;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::all(
        [
            compose::tests(),
            credentials::tests(),
            errors::tests(),
            foreign::tests(),
            requests::tests(),
            resumable::tests(),
            resumed::tests(),
            sessions::tests(),
            settings::tests(),
            signing::tests(),
            versions::tests(),
        ]
        .into_iter()
        .flatten(),
    )
}

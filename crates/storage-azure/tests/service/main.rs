//! What the suite does not see: the service's own settings, its errors, and what each operation costs in requests.

#[allow(dead_code)] // each test takes what it needs
#[path = "../support/mod.rs"]
mod support;

mod append;
mod copies;
mod deletes;
mod errors;
mod fake;
mod hostile;
mod races;
mod requests;
mod run;
mod settings;
mod tls;
mod uploads;
mod versions;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::all(
        [
            append::tests(),
            copies::tests(),
            deletes::tests(),
            errors::tests(),
            hostile::tests(),
            races::tests(),
            requests::tests(),
            settings::tests(),
            tls::tests(),
            uploads::tests(),
            versions::tests(),
        ]
        .into_iter()
        .flatten(),
    )
}

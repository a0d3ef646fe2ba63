//! What the suite does not see: the service's own settings, its errors, and what each operation costs in requests.

#[allow(dead_code)] // each test takes what it needs
#[path = "../support/mod.rs"]
mod support;

mod copies;
mod deletes;
mod errors;
mod race;
mod requests;
mod resumed;
mod run;
mod settings;
mod tls;
mod uploads;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::all(
        [
            copies::tests(),
            deletes::tests(),
            errors::tests(),
            race::tests(),
            requests::tests(),
            resumed::tests(),
            settings::tests(),
            uploads::tests(),
            wire::tests(),
        ]
        .into_iter()
        .flatten(),
    )
}

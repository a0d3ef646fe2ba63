//! A bucket on the server that `cargo xtask serve seaweedfs` started.

use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};

use super::Sandbox;

/// Where the server is.
const SERVER: &str = "HAUL_TEST_SEAWEEDFS";

/// A trial that does nothing but tell why, where there is no server. It gets a bucket of its own, which the profile `s3`
/// leads to.
pub(crate) fn needs_s3(name: &'static str, trial: fn(&Sandbox)) -> Trial {
    Trial::ignorable_test(name, move || -> Result<Completion, Failed> {
        let Ok(endpoint) = std::env::var(SERVER) else {
            let why = format!("no server: `{SERVER}` is not set, see `cargo xtask serve`");
            return Ok(Completion::ignored_with(why));
        };
        let bucket = bucket(name);
        put_empty(&format!("{endpoint}/{bucket}"));
        let sandbox = Sandbox::new();
        sandbox.put(
            super::CONFIG,
            format!(
                "[profile.s3]\nurl = \"s3://{bucket}\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"AKTEST\"\n\
                 secret_access_key = \"SKTEST\"\n"
            ),
        );
        // What another run left there.
        sandbox.run(["rm", "-rf", "s3:"]).ok();
        trial(&sandbox);
        Ok(Completion::Completed)
    })
}

fn bucket(trial: &str) -> String {
    format!("haul-cli-{}", trial.replace('_', "-").chars().take(50).collect::<String>())
}

/// Puts empty objects of these names into the bucket of a trial, as other tools do.
#[allow(dead_code)] // not every program of tests needs it
pub(crate) fn put(trial: &str, names: &[&str]) {
    let endpoint = std::env::var(SERVER).expect("a server, since the trial runs");
    for name in names {
        put_empty(&format!("{endpoint}/{}/{name}", bucket(trial)));
    }
}

/// A bucket or an object, by the client that the server was started with: the program itself makes neither buckets nor
/// objects whose names end in a slash.
fn put_empty(url: &str) {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let script =
        "import sys, _s3; status = _s3.request('PUT', sys.argv[1])[0]; sys.exit(status not in (200, 409))";
    let made = Command::new("python3")
        .args(["-c", script, url])
        .current_dir(format!("{crates}/storage-s3/tests/servers"))
        .env("PYTHONPATH", format!(".:{crates}/../xtask/servers"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status();
    assert!(made.expect("python3, which started the server").success(), "{url}");
}

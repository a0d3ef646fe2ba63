//! Google Cloud Storage and Azure by the program, with the credentials that people have on their machines.

mod common;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use common::{Ran, Sandbox};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Published with the emulator, and no secret.
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for cloud in [Cloud::Gcs, Cloud::Azure] {
        trials.extend([
            trial(cloud, "there_and_back", there_and_back),
            trial(cloud, "single_objects", single),
            trial(cloud, "a_large_object_from_a_pipe", large),
            trial(cloud, "doctor_finds_all_well", doctor),
            trial(cloud, "credentials_of_the_environment", environment),
            trial(cloud, "wrong_credentials_say_what_to_do", wrong),
        ]);
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[derive(Clone, Copy, Debug)]
enum Cloud {
    Gcs,
    Azure,
}

impl Cloud {
    /// Where its server is.
    fn variable(self) -> &'static str {
        match self {
            Self::Gcs => "HAUL_TEST_GCS_STRICT",
            Self::Azure => "HAUL_TEST_AZURITE",
        }
    }

    fn url(self, path: &str) -> String {
        match self {
            Self::Gcs => format!("gs://haul/{path}"),
            Self::Azure => format!("az://haul/{path}"),
        }
    }

    /// A profile `cloud` that leads to a place of its own.
    fn profile(self, endpoint: &str, place: &str) -> String {
        let credentials = match self {
            Self::Gcs => format!("credentials_file = \"{}\"", key_file()),
            Self::Azure => format!("account = \"devstoreaccount1\"\naccount_key = \"{AZURITE_KEY}\""),
        };
        format!("[profile.cloud]\nurl = \"{}\"\nendpoint = \"{endpoint}\"\n{credentials}\n", self.url(place))
    }
}

fn key_file() -> String {
    std::env::var("HAUL_TEST_GCS_KEY").expect("the server's variables come together")
}

/// What a trial has.
struct Place {
    cloud: Cloud,
    endpoint: String,
    name: String,
    sandbox: Sandbox,
}

impl Place {
    fn run<const N: usize>(&self, args: [&str; N]) -> Ran {
        self.sandbox.run(args)
    }
}

/// A trial that does nothing but tell why, where there is no server.
fn trial(cloud: Cloud, name: &'static str, trial: fn(&Place)) -> Trial {
    let full = format!("{}_{name}", format!("{cloud:?}").to_lowercase());
    Trial::ignorable_test(full.clone(), move || -> Result<Completion, Failed> {
        let variable = cloud.variable();
        let Ok(endpoint) = std::env::var(variable) else {
            let why = format!("no server: `{variable}` is not set, see `cargo xtask serve`");
            return Ok(Completion::ignored_with(why));
        };
        let name = format!("cli-{full}-{}", std::process::id());
        let sandbox = Sandbox::new();
        sandbox.put(common::CONFIG, cloud.profile(&endpoint, &name));
        trial(&Place { cloud, endpoint, name, sandbox });
        Ok(Completion::Completed)
    })
}

fn there_and_back(p: &Place) {
    // Not written just now: the services tell their times in seconds.
    let then = SystemTime::now() - Duration::from_secs(60);
    for (name, content) in [("s/a b+c%", "one"), ("s/käse/日本", "two"), ("s/deep/er/empty", "")] {
        let path = p.sandbox.put(name, content);
        std::fs::File::open(path).and_then(|file| file.set_modified(then)).expect("its time");
    }
    p.run(["sync", "s", "cloud:t"]).ok().tells("copied 3 files").tells("all verified");
    p.run(["sync", "s", "cloud:t"]).ok().tells("copied 0 files (0 B), 3 unchanged");
    p.run(["check", "s", "cloud:t"]).ok();
    p.run(["sync", "cloud:t", "back"]).ok().tells("copied 3 files");
    p.run(["check", "s", "back"]).ok();
    p.sandbox.put("s/a b+c%", "1st");
    p.run(["sync", "--delete", "s", "cloud:t"]).ok().tells("copied 1 file");
    assert_eq!(p.run(["cat", "cloud:t/a b+c%"]).ok().out(), "1st");
    p.run(["rm", "-r", "cloud:t"]).ok();
    p.run(["ls", "-r", "cloud:"]).ends(1).tells("not found");
}

fn single(p: &Place) {
    p.sandbox.put("f", "content");
    p.run(["put", "f", "cloud:dir/k"]).ok();
    p.run(["cp", "cloud:dir/k", "cloud:dir/copy"]).ok();
    p.run(["mv", "cloud:dir/copy", "cloud:dir/moved"]).ok();
    assert_eq!(p.run(["ls", "-r", "cloud:"]).ok().lines(), ["dir/k", "dir/moved"]);
    assert_eq!(p.run(["cat", "-r", "3..7", "cloud:dir/moved"]).ok().out(), "tent");
    let url = p.run(["presign", "cloud:dir/k"]).ok();
    assert!(url.out().contains("/dir/k?"), "{url:?}");
    p.run(["cat", "cloud:missing"]).ends(1).tells("not found");
    p.run(["cleanup", "cloud:"]).ok();
    p.run(["rm", "-r", "cloud:"]).ok();
}

fn large(p: &Place) {
    let content: Vec<u8> = (0..20_000_000u32).map(|at| ((at * 31) >> 3) as u8).collect();
    p.sandbox.feed(["put", "-", "cloud:large"], &content).ok();
    p.run(["cp", "cloud:large", "large"]).ok();
    assert_eq!(p.sandbox.read("large"), content);
    p.run(["rm", "cloud:large"]).ok();
}

fn doctor(p: &Place) {
    let ran = p.run(["doctor", "cloud:"]).ok().silent();
    assert!(ran.lines().iter().all(|line| line.starts_with("ok ")), "{ran:?}");
}

fn environment(p: &Place) {
    p.sandbox.put("f", "content");
    let url = p.cloud.url(&format!("{}/f", p.name));
    let run = |args: &[&str]| {
        let mut command = p.sandbox.command(args);
        match p.cloud {
            Cloud::Gcs => command
                .env("GOOGLE_APPLICATION_CREDENTIALS", key_file())
                .env("HAUL_GCS_ENDPOINT", &p.endpoint),
            Cloud::Azure => command.env(
                "AZURE_STORAGE_CONNECTION_STRING",
                format!("AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};BlobEndpoint={};", p.endpoint),
            ),
        };
        Ran::of(&mut command)
    };
    run(&["put", "f", &url]).ok();
    assert_eq!(run(&["cat", &url]).ok().out(), "content");
    run(&["rm", &url]).ok();
}

fn wrong(p: &Place) {
    let secret = "aHVudGVyMmh1bnRlcjI=";
    let (option, advice) = match p.cloud {
        Cloud::Gcs => (format!("token={secret}"), "takes no such credentials"),
        Cloud::Azure => (format!("account_key={secret}"), ""),
    };
    let url = p.cloud.url("");
    let endpoint = format!("endpoint={}", p.endpoint);
    let args = ["-o", &option, "-o", &endpoint, "ls", &url];
    let ran = p.run(args).ends(1).tells(advice);
    let said = format!("{ran:?}");
    assert!(!said.contains(secret), "{said}");
}

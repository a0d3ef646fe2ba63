//! `haul doctor`.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

use common::s3::needs_s3;
use common::tree::tree;
use common::{Ran, Sandbox};
use libtest_mimic::{Arguments, Trial};
use rustix::process::{Pid, Signal, kill_process};

fn main() -> ExitCode {
    let always = |name: &'static str, trial: fn()| {
        Trial::test(name, move || {
            trial();
            Ok(())
        })
    };
    let trials = vec![
        always("a_directory_can_everything_and_stays_as_it_was", directory),
        always("read_only_writes_nothing", read_only),
        always("a_missing_directory_is_an_error", missing),
        always("an_unreachable_service_is_told_at_once", unreachable),
        always("an_interrupted_one_leaves_nothing", interrupted),
        needs_s3("doctor_s3", s3),
        needs_s3("doctor_s3_read_only", s3_read_only),
        needs_s3("doctor_s3_keys_that_only_read", s3_reading_keys),
        needs_s3("doctor_s3_wrong_key", s3_wrong_key),
        needs_s3("doctor_s3_interrupted", s3_interrupted),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn directory() {
    let sandbox = Sandbox::new();
    sandbox.put("d/f", "x");
    let ran = sandbox.run(["doctor", "d"]).ok().silent();
    assert!(ran.lines().iter().all(|line| line.starts_with("ok ")), "{ran:?}");
    assert_eq!(tree(&sandbox.at("d")).len(), 1);
    let ran = sandbox.run(["doctor", "d", "--json"]).ok();
    let known = |line: &serde_json::Value| line["result"] == "ok" && line["check"].is_string();
    assert!(ran.json().iter().all(known), "{ran:?}");
    assert_eq!(tree(&sandbox.at("d")).len(), 1);
}

fn read_only() {
    let sandbox = Sandbox::new();
    let directory = sandbox.mkdir("d");
    common::tree::set_modified(&directory, 1_000_000_000);
    let before = tree(sandbox.path());
    let ran = sandbox.run(["doctor", "--read-only", "d"]).ok().silent();
    assert_eq!(ran.lines().len(), 2, "{ran:?}");
    assert_eq!(tree(sandbox.path()), before);
}

fn missing() {
    let sandbox = Sandbox::new();
    sandbox.run(["doctor", "d"]).ends(2).tells("no such directory");
    assert!(!sandbox.exists("d"));
}

fn unreachable() {
    let sandbox = Sandbox::new();
    let keys = ["-o", "access_key_id=AK", "-o", "secret_access_key=hunter2"];
    let place = ["doctor", "s3://bucket", "-o", "endpoint=http://127.0.0.1:9"];
    let begun = std::time::Instant::now();
    let ran = sandbox.run(place.iter().chain(&keys)).ends(1);
    // Retries would take half a minute.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert!(
        ran.out().contains("FAILED  answers a listing") && ran.out().contains("no connection"),
        "{ran:?}"
    );
    assert!(!format!("{ran:?}").contains("hunter2"));
}

/// Runs it and sends Ctrl-C once it has written.
fn interrupt(sandbox: &Sandbox, place: &str) {
    let mut command = sandbox.command(["doctor", place]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let pid = Pid::from_child(&run);
    // The checks come in blocks when stdout is no terminal, so that the time has to do.
    std::thread::sleep(std::time::Duration::from_millis(60));
    let _ = kill_process(pid, Signal::INT);
    let out = BufReader::new(run.stdout.take().expect("a pipe")).lines().count();
    let ran = Ran::from(run.wait_with_output().expect("it ends"));
    // It may have been faster.
    assert!(matches!(ran.code, Some(0 | 130)), "{out} lines, {ran:?}");
}

fn interrupted() {
    let sandbox = Sandbox::new();
    sandbox.put("d/f", "x");
    for _ in 0..3 {
        interrupt(&sandbox, "d");
        assert_eq!(tree(&sandbox.at("d")).len(), 1);
    }
}

fn s3(sandbox: &Sandbox) {
    let ran = sandbox.run(["doctor", "s3:"]).ok().silent();
    for check in ["takes a write", "reads a range", "takes an upload in parts", "deletes"] {
        assert!(
            ran.lines().iter().any(|line| line.starts_with("ok") && line.contains(check)),
            "{check}: {ran:?}"
        );
    }
    assert!(ran.out().contains("advice  set `conditions=all`"), "{ran:?}");
    assert_eq!(sandbox.run(["ls", "-r", "s3:"]).ok().out(), "");
    // What it advised is a promise that is kept; it goes to a profile as any option does.
    let ran = sandbox.run(["doctor", "s3:", "-o", "conditions=all", "-o", "sorted=false"]).ok();
    assert!(!ran.out().contains("advice"), "{ran:?}");
}

fn s3_read_only(sandbox: &Sandbox) {
    let ran = sandbox.run(["doctor", "--read-only", "s3:"]).ok();
    assert_eq!(ran.lines().len(), 2, "{ran:?}");
}

/// Runs it with other keys.
fn with_keys(sandbox: &Sandbox, id: &str, secret: &str, args: &[&str]) -> Ran {
    let mut command = sandbox.command([&["doctor", "s3:"], args].concat());
    Ran::of(command.env("HAUL_PROFILE_S3_ACCESS_KEY_ID", id).env("HAUL_PROFILE_S3_SECRET_ACCESS_KEY", secret))
}

fn s3_reading_keys(sandbox: &Sandbox) {
    let ran = with_keys(sandbox, "AKREAD", "SKREAD", &[]).ends(1);
    assert!(
        ran.out().contains("FAILED  takes a write") && ran.out().contains("permission denied"),
        "{ran:?}"
    );
    with_keys(sandbox, "AKREAD", "SKREAD", &["--read-only"]).ok();
}

fn s3_wrong_key(sandbox: &Sandbox) {
    for (id, secret) in [("AKTEST", "hunter2"), ("NOBODY", "hunter2")] {
        let ran = with_keys(sandbox, id, secret, &["-v", "--json"]).ends(1);
        let failed = &ran.json()[1];
        assert_eq!((&failed["result"], &failed["check"]), (&"FAILED".into(), &"answers a listing".into()));
        assert!(!format!("{ran:?}").contains("hunter2"));
    }
}

fn s3_interrupted(sandbox: &Sandbox) {
    for _ in 0..3 {
        interrupt(sandbox, "s3:");
        assert_eq!(sandbox.run(["ls", "-r", "s3:"]).ok().out(), "");
    }
}

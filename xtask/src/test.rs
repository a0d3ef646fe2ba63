//! `cargo xtask test`: everything that has to be green, in the order in which it fails fastest.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::run::{Outcome, cargo, exists, root, say, succeed, target, watch};
use crate::servers::{self, Environment, Servers};
use crate::{docs, scaffold, tidy};

/// Tests counted over all runners.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// With `without_servers`, cases that want a server are ignored.
pub(crate) fn run(without_servers: bool) -> Outcome {
    let mut count = Count::default();
    // They start while the lints run.
    let scripts = if without_servers { Vec::new() } else { servers::find()? };
    let mut servers = Servers::start(scripts)?;
    step("format", || succeed(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("lints", || {
        succeed(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("tidy", || tidy::run(false))?;
    let environment = servers.ready()?;
    step("tests", || tests(&environment, &mut count))?;
    drop(servers);
    step("documentation examples", || counted(&mut cargo(&["test", "--workspace", "--doc"]), &mut count))?;
    step("the backend outside the tree", || outside(&mut count))?;
    step("what `new backend` writes", || scaffolded(&mut count))?;
    step("licences, bans and sources", deny)?;
    step("documentation", docs::run)?;
    say(&format!("\n{} passed, {} failed, {} skipped\n", count.passed, count.failed, count.ignored));
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    say(&format!("\n== {name}\n"));
    let begun = Instant::now();
    work().map_err(|e| format!("{name}: {e}"))?;
    say(&format!("== {name}: green after {:.0} s\n", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// All tests, which learn from the environment where servers are.
fn tests(environment: &Environment, count: &mut Count) -> Outcome {
    if exists("cargo-nextest", &["nextest", "--version"]) {
        // The tests' own closing lines stand in what nextest quotes of failures: only its summary counts.
        let quiet = ["--status-level", "slow", "--final-status-level", "fail", "--no-fail-fast"];
        let (green, lines) = watch(with(environment, &["nextest", "run", "--workspace"]).args(quiet))?;
        lines.iter().filter(|line| line.trim().starts_with("Summary [")).for_each(|line| count.add(line));
        return if green { Ok(()) } else { Err(format!("{} of the tests failed", count.failed.max(1))) };
    }
    counted(&mut with(environment, &["test", "--workspace", "--all-targets", "--no-fail-fast"]), count)
}

fn with(environment: &Environment, args: &[&str]) -> Command {
    let mut command = cargo(args);
    command.envs(environment.iter().cloned());
    command
}

/// Every crate of `conformance/examples` is a workspace of its own, as a stranger's would be.
fn outside(count: &mut Count) -> Outcome {
    let examples = root().join("conformance/examples");
    let entries = std::fs::read_dir(&examples).map_err(|e| format!("{}: {e}", examples.display()))?;
    for entry in entries.flatten().filter(|e| e.path().join("Cargo.toml").exists()) {
        lints_and_tests(&entry.path(), count)?;
    }
    Ok(())
}

/// The template compiles, has clean lints and passes what it declares.
fn scaffolded(count: &mut Count) -> Outcome {
    let folder = target().join("scaffold");
    scaffold::workspace(&folder)?;
    lints_and_tests(&folder, count)
}

/// Lints and tests of another workspace than this one.
fn lints_and_tests(folder: &Path, count: &mut Count) -> Outcome {
    // One target directory for all of them: the same dependencies need not be built twice.
    let there = |args: &[&str]| {
        let mut command = cargo(args);
        command.current_dir(folder).env("CARGO_TARGET_DIR", target().join("outside"));
        command
    };
    succeed(&mut there(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    counted(&mut there(&["test", "--quiet", "--workspace"]), count)
}

fn counted(command: &mut Command, count: &mut Count) -> Outcome {
    let (green, lines) = watch(command)?;
    lines.iter().for_each(|line| count.add(line));
    if green { Ok(()) } else { Err(format!("{} of the tests failed", count.failed.max(1))) }
}

impl Count {
    /// Adds what a closing line of a runner tells.
    fn add(&mut self, line: &str) {
        let line = line.trim();
        // libtest: `test result: ok. 3 passed; 0 failed; 1 ignored; …`; nextest: `Summary [ 1.0s] 5 tests run: 5 passed, 2 skipped`.
        if !line.starts_with("test result:") && !line.starts_with("Summary [") {
            return;
        }
        let words: Vec<&str> = line.split([' ', ';', ',', ':']).filter(|w| !w.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" | "skipped" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// cargo-deny, installed if missing. Advisories need a database that not every network reaches: they run where they can.
fn deny() -> Outcome {
    if !exists("cargo-deny", &["deny", "--version"]) {
        say("installing cargo-deny, once\n");
        succeed(&mut cargo(&["install", "--locked", "--quiet", "cargo-deny"]))?;
    }
    succeed(&mut cargo(&["deny", "--workspace", "--all-features", "check", "licenses", "bans", "sources"]))?;
    let fetch = cargo(&["deny", "fetch", "db"]).output().is_ok_and(|o| o.status.success());
    if fetch {
        return succeed(&mut cargo(&["deny", "--workspace", "--all-features", "check", "advisories"]));
    }
    say("advisories: not checked, the advisory database cannot be reached from here\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn closing_lines() {
        let mut count = Count::default();
        count.add(
            "test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        count.add("     Summary [   1.234s] 105 tests run: 104 passed (1 slow), 1 failed, 7 skipped");
        count.add("test a ... ok");
        assert_eq!((count.passed, count.failed, count.ignored), (107, 2, 9));
    }
}

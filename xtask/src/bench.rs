//! `cargo xtask bench [NAME...] [--quick]`: the program beside its peers.

use std::process::ExitCode;

use crate::run::{Outcome, cargo, exists, root, say, succeed, target};
use crate::servers;

pub(crate) fn run(words: &[&str]) -> Outcome<ExitCode> {
    if !exists("/usr/bin/time", &["--version"]) {
        return Err("`/usr/bin/time` is missing; Debian has it in the package `time`".into());
    }
    let build = ["build", "--release", "--package", "storage-cli", "--package", "storage-benches"];
    succeed(cargo(&build).args(["--features", "storage-benches/library"]))?;
    let quick = words.contains(&"--quick");
    // Small figures are no results: they only show that everything works.
    let results = if quick { target().join("bench") } else { root().join("benches/results") };
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (bench, haul) = (path(target().join("release/storage-benches")), path(target().join("release/haul")));
    let results = path(results);
    let command = [&[bench.as_str(), &haul, &results], words].concat();
    say(&format!("results: {results}\n"));
    // Works against S3 are called so, or are among those of a wider name.
    let mut names = words.iter().filter(|word| word.starts_with(char::is_alphabetic)).peekable();
    if names.peek().is_none() || names.any(|name| name.contains("s3") || *name == "verify") {
        return servers::serve(&[&["seaweedfs", "--"], command.as_slice()].concat());
    }
    succeed(std::process::Command::new(&bench).args(&command[1..])).map(|()| ExitCode::SUCCESS)
}

//! Haul beside its peers, on the same work in one run.
//!
//! `cargo xtask bench` builds the program and starts this. Each round runs every tool once, in turn, so that a machine that
//! drifts drifts for all; figures are medians over rounds, with the spread beside them.

mod bench;
mod chart;
mod disk;
mod machine;
mod measure;
mod nginx;
mod options;
mod peers;
mod race;
mod report;
mod s3;
mod sets;
mod tools;
mod works;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        // A contender itself, in a process of its own.
        ["memcpy", bytes] => measure::memcpy(bytes),
        [haul, results, words @ ..] => {
            options::Options::parse(words).and_then(|options| works::run(haul, results, options))
        }
        _ => Err(options::USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tell(&message);
            ExitCode::FAILURE
        }
    }
}

fn tell(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "bench: {message}");
}

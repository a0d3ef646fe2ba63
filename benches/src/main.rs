//! Haul beside its peers, on the same work in one run.
//!
//! `cargo xtask bench` builds the program and starts this. Each round runs every tool once, in turn, so that a machine that
//! drifts drifts for all; figures are medians over rounds, with the spread beside them.

mod chart;
mod measure;
mod report;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(haul), Some(results)) = (args.next(), args.next()) else {
        eprint("usage: storage-benches HAUL RESULTS [SOURCE]");
        return ExitCode::from(2);
    };
    match work::local_sync(&haul, &results, args.next()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprint(&message);
            ExitCode::FAILURE
        }
    }
}

fn eprint(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "storage-benches: {message}");
}

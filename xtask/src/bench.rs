//! `cargo xtask bench`: the program beside its peers.

use crate::run::{Outcome, cargo, exists, root, say, succeed, target};

pub(crate) fn run() -> Outcome {
    for (program, package) in [("rsync", "rsync"), ("/usr/bin/time", "time")] {
        if !exists(program, &["--version"]) {
            return Err(format!("`{program}` is missing; Debian has it in the package `{package}`"));
        }
    }
    succeed(&mut cargo(&["build", "--release", "--package", "storage-cli", "--package", "storage-benches"]))?;
    let target = target();
    let (haul, results) = (target.join("release/haul"), root().join("benches/results"));
    std::fs::create_dir_all(&results).map_err(|e| format!("{}: {e}", results.display()))?;
    let mut bench = std::process::Command::new(target.join("release/storage-benches"));
    succeed(bench.arg(haul).arg(&results))?;
    say(&std::fs::read_to_string(results.join("local-sync.md")).unwrap_or_default());
    Ok(())
}

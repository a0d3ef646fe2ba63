//! `cargo xtask builds`: what each crate costs those who depend on it alone, into docs/builds.md.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::run::{Outcome, cargo, output, root, say, succeed, target, write};

const PAGE: &str = "docs/builds.md";

pub(crate) fn run() -> Outcome {
    // Downloads are no part of the figures.
    succeed(&mut cargo(&["fetch", "--quiet"]))?;
    let mut rows = String::new();
    for package in packages()? {
        let tree = output(&mut cargo(&["tree", "-e", "normal", "--prefix", "none", "-p", &package]))?;
        let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        let seconds = seconds(&package)?;
        let row = format!("| `{package}` | {} | {seconds:.0} |\n", crates.len().saturating_sub(1));
        say(&row);
        rows.push_str(&row);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!(
        "# What each crate costs to build\n\nWritten by `cargo xtask builds`: every crate alone, without its tests, in an empty target directory, in the dev \
         profile of this workspace, with all downloads done before, one after another on a machine with {cores} cores. A count is of the crates beneath it, of all kinds of \
         dependencies but those of tests and build scripts.\n\n| crate | crates beneath it | seconds |\n|---|--:|--:|\n{rows}"
    );
    write(PAGE, &text)?;
    say(&format!("wrote {PAGE}\n"));
    Ok(())
}

/// The crates that people depend on, and the program.
fn packages() -> Outcome<Vec<String>> {
    let crates = root().join("crates");
    let entries = std::fs::read_dir(&crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn seconds(package: &str) -> Outcome<f64> {
    let folder = target().join("builds");
    let _ = std::fs::remove_dir_all(&folder);
    let begun = Instant::now();
    let built = succeed(cargo(&["build", "--quiet", "-p", package]).env("CARGO_TARGET_DIR", &folder));
    let taken = begun.elapsed().as_secs_f64();
    let _ = std::fs::remove_dir_all(&folder);
    built.map(|()| taken)
}

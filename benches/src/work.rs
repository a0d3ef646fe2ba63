//! The work: a real tree of tens of thousands of files, copied on local disks, and copied again when nothing changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Run, Spread, clear, run};
use crate::report::{Row, Table};
use crate::{chart, report};

const ROUNDS: usize = 3;

/// A tool and how it copies `source` to `destination`.
struct Tool {
    name: &'static str,
    command: fn(haul: &str, source: &str, destination: &str) -> Vec<String>,
}

const TOOLS: [Tool; 4] = [
    Tool { name: "haul sync", command: |haul, from, to| words(&[haul, "sync", "-q", from, to]) },
    Tool {
        name: "haul sync --no-fsync --verify size",
        command: |haul, from, to| words(&[haul, "sync", "-q", "--no-fsync", "--verify", "size", from, to]),
    },
    Tool {
        name: "rsync -a",
        command: |_, from, to| words(&["rsync", "-a", &format!("{from}/"), &format!("{to}/")]),
    },
    Tool {
        name: "cp -a",
        command: |_, from, to| words(&["cp", "-a", &format!("{from}/."), &format!("{to}/")]),
    },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn local_sync(haul: &Path, results: &Path, source: Option<PathBuf>) -> Result<(), String> {
    let source = source.map_or_else(documentation, Ok)?;
    let scratch = results.join("scratch");
    clear(&scratch)?;
    let (haul, from) = (shown(haul), shown(&source));
    let mut first: Vec<Vec<Run>> = vec![Vec::new(); TOOLS.len()];
    let mut again = first.clone();
    for round in 0..=ROUNDS {
        for (at, tool) in TOOLS.iter().enumerate() {
            // A place of its own for every run, and nothing deleted before the end: ext4 passes over inodes that were
            // freed in the last minutes, and whoever creates files then pays for it.
            let destination = scratch.join(format!("{round}-{at}"));
            let to = shown(&destination);
            std::fs::create_dir_all(&destination).map_err(|e| format!("{to}: {e}"))?;
            // Earlier rounds' dirty pages are not this run's to write.
            let _ = Command::new("sync").status();
            let command = (tool.command)(&haul, &from, &to);
            let copied = run(&command)?;
            let second = run(&command)?;
            // The first round warms the cache and does not count.
            if round > 0 {
                first[at].push(copied);
                again[at].push(second);
            }
        }
    }
    clear(&scratch)?;
    let tables = [
        Table { title: "Copy a tree to an empty place", rows: rows(&first) },
        Table { title: "The same again, nothing changed", rows: rows(&again) },
    ];
    let conditions = report::Conditions::of(&source, ROUNDS)?;
    let write = |name: &str, text: String| {
        let path = results.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    write("local-sync.md", report::markdown(&conditions, &tables))?;
    write("local-sync.svg", chart::svg(&tables))
}

fn rows(runs: &[Vec<Run>]) -> Vec<Row> {
    let spread = |runs: &[Run], figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure).collect());
    TOOLS
        .iter()
        .zip(runs)
        .map(|(tool, runs)| Row {
            name: tool.name,
            command: (tool.command)("haul", "SOURCE", "DESTINATION").join(" "),
            wall: spread(runs, |r| r.wall),
            cpu: spread(runs, |r| r.cpu),
            peak: spread(runs, |r| r.peak_mib),
        })
        .collect()
}

/// The toolchain's own documentation: more than 50,000 files on every machine that builds this.
fn documentation() -> Result<PathBuf, String> {
    let printed =
        Command::new("rustc").args(["--print", "sysroot"]).output().map_err(|e| format!("rustc: {e}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim()).join("share/doc");
    if path.is_dir() { Ok(path) } else { Ok(PathBuf::from("/usr/share")) }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

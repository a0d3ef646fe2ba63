//! Figures as Markdown, with the conditions they were measured under.

use std::path::Path;
use std::process::Command;

use crate::measure::Spread;

pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) command: String,
    pub(crate) wall: Spread,
    pub(crate) cpu: Spread,
    pub(crate) peak: Spread,
}

pub(crate) struct Conditions {
    files: u64,
    bytes: u64,
    rounds: usize,
    machine: String,
    versions: Vec<String>,
}

impl Conditions {
    pub(crate) fn of(source: &Path, rounds: usize) -> Result<Self, String> {
        let (files, bytes) = count(source).map_err(|e| format!("{}: {e}", source.display()))?;
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = first_line("uname", &["-sr"]);
        let versions = ["rsync", "cp"].map(|tool| first_line(tool, &["--version"]));
        Ok(Self {
            files,
            bytes,
            rounds,
            machine: format!("{cores} cores, {kernel}"),
            versions: versions.into(),
        })
    }
}

fn count(directory: &Path) -> std::io::Result<(u64, u64)> {
    let mut total = (0, 0);
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.path().symlink_metadata()?;
        if metadata.is_dir() {
            let below = count(&entry.path())?;
            total = (total.0 + below.0, total.1 + below.1);
        } else {
            total = (total.0 + 1, total.1 + metadata.len());
        }
    }
    Ok(total)
}

fn first_line(program: &str, args: &[&str]) -> String {
    let printed = Command::new(program).args(args).output().map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).lines().next().unwrap_or("unknown").to_owned()
}

pub(crate) fn markdown(conditions: &Conditions, tables: &[Table]) -> String {
    let mut text = format!(
        "# Syncing a tree on a local disk\n\nWritten by `cargo xtask bench`. {} files, {:.0} MiB, page cache warm; {}; {}. \
         Each round ran every tool once, in turn; {} rounds after one to warm up. Figures are medians, with the least and the most \
         in parentheses.\n\n\
         `haul sync` as it is puts every file on stable storage before it takes its name, hashes it and reads it back; the others do \
         neither. The second row leaves both out, to compare like with like.\n\n![chart](local-sync.svg)\n",
        conditions.files,
        conditions.bytes as f64 / f64::from(1 << 20),
        conditions.machine,
        conditions.versions.join("; "),
        conditions.rounds,
    );
    for table in tables {
        let best = best_peer(table);
        text.push_str(&format!(
            "\n## {}\n\n| tool | wall s | to the best peer | CPU s | peak MiB |\n|---|--:|--:|--:|--:|\n",
            table.title
        ));
        for row in &table.rows {
            let ratio = row.wall.median / best;
            text.push_str(&format!(
                "| {} | {} | {ratio:.2} | {} | {:.0} |\n",
                row.name,
                spread(row.wall),
                spread(row.cpu),
                row.peak.median
            ));
        }
    }
    text.push_str("\n## Commands\n\n");
    for row in tables.iter().take(1).flat_map(|table| &table.rows) {
        text.push_str(&format!("    {}\n", row.command));
    }
    text
}

/// The best wall time of a tool that is not ours.
fn best_peer(table: &Table) -> f64 {
    let peers = table.rows.iter().filter(|row| !row.name.starts_with("haul"));
    peers.map(|row| row.wall.median).fold(f64::INFINITY, f64::min).max(0.01)
}

fn spread(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}

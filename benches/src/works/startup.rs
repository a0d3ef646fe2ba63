//! What it costs to start at all.

use crate::bench::{Bench, Sample, repeat};
use crate::disk;
use crate::measure::run as measure;
use crate::race::{Table, Unit, race};
use crate::tools::{Flags, Tool};

pub(super) fn run(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let folder = bench.path("small");
    disk::make(folder.as_ref())?;
    for at in 0..20 {
        let path = format!("{folder}/{at}");
        std::fs::write(&path, "small").map_err(|e| format!("{path}: {e}"))?;
    }
    let version: fn(Tool) -> &'static [&'static str] = |tool| match tool {
        Tool::S5cmd | Tool::Rclone => &["version"],
        Tool::True => &[],
        _ => &["--version"],
    };
    let listing = |tool: Tool| match tool {
        Tool::Haul(Flags::Default) => Ok(vec!["ls".to_owned(), folder.clone()]),
        Tool::Rclone => Ok(vec!["lsf".to_owned(), folder.clone()]),
        Tool::True => Ok(Vec::new()),
        _ => Err("does not list local directories".to_owned()),
    };
    let words = |tool| Ok(version(tool).iter().map(|word| (*word).to_owned()).collect());
    Ok(vec![
        table(bench, "Telling the version", tools, words)?,
        table(bench, "Listing a local directory of 20 files", tools, listing)?,
    ])
}

fn table(
    bench: &Bench,
    title: &str,
    tools: &[Tool],
    words: impl Fn(Tool) -> Result<Vec<String>, String>,
) -> Result<Table, String> {
    let times = if bench.options.quick { 10 } else { 50 };
    race(bench, &format!("{title}, {times} processes"), Unit::each(times), tools, |heat| {
        let command = [bench.peers.program(heat.tool)?, words(heat.tool)?].concat();
        let environment = [("RCLONE_CONFIG".to_owned(), "/dev/null".to_owned())];
        let run = measure(&repeat(&command, times), &environment, &bench.papers())?;
        let shown = bench.peers.shorten(&command).replace(&bench.path(""), "");
        Ok(Sample { run, command: shown, requests: None })
    })
}

//! Trees copied on a local disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, How, Sample};
use crate::disk;
use crate::race::{Heat, Table, Unit, race};
use crate::sets::Set;
use crate::tools::{Action, Task, Tool};

pub(super) fn copy(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    bench
        .sets()
        .into_iter()
        .map(|set| {
            let from = bench.files(set)?;
            let run = |heat| run(bench, Action::Local, set, &from, heat);
            race(bench, &set.shown(), Unit::SECONDS, tools, run)
        })
        .collect()
}

/// A real tree, copied to an empty place and again when nothing changed.
pub(super) fn sync(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let from = documentation(bench.options.quick)?;
    let (objects, bytes) = disk::count(&from)?;
    let (from, set) =
        (from.to_string_lossy(), Set { name: "documentation", objects, size: bytes / objects.max(1) });
    let title = format!("{objects} files, {} MiB, to an empty place", bytes >> 20);
    let first = race(bench, &title, Unit::SECONDS, tools, |heat| run(bench, Action::Sync, set, &from, heat))?;
    // The places that the first race left.
    let again = race(bench, "The same again, nothing changed", Unit::SECONDS, tools, |heat| {
        command(bench, Action::Sync, set, &from, &bench.place(set, heat), heat.tool)
    })?;
    // Not before: the second race needs them.
    let runs = (tools.len() * (bench.options.rounds + 1)) as u64;
    bench.scratch.borrow_mut().leaves(objects * runs, bytes * runs);
    Ok(vec![first, again])
}

fn run(bench: &Bench, action: Action, set: Set, from: &str, heat: Heat) -> Result<Sample, String> {
    let to = bench.place(set, heat);
    // Whether `cp -r` copies into a directory or makes it depends on whether it is there; one file needs it.
    let parent = if set.one() || action == Action::Sync {
        Path::new(&to)
    } else {
        Path::new(&to).parent().unwrap_or(Path::new(&to))
    };
    disk::make(parent)?;
    let sample = command(bench, action, set, from, &to, heat.tool)?;
    if action == Action::Local && heat.tool != Tool::Memcpy {
        super::transfer::arrived(Path::new(&to), set)?;
        super::transfer::left(bench, Path::new(&to), set)?;
    }
    Ok(sample)
}

fn command(
    bench: &Bench,
    action: Action,
    set: Set,
    from: &str,
    to: &str,
    tool: Tool,
) -> Result<Sample, String> {
    let scratch = bench.scratch.borrow().folder.clone();
    let task = Task { action, set, bucket: "", from, to, count: 1, endpoint: "", scratch: &scratch };
    let sample = bench.run(tool, &task, &How::once(false))?;
    Ok(Sample { command: sample.command.replace(from, "SOURCE"), ..sample })
}

/// The toolchain's own documentation: more than 50,000 files on every machine that builds this, or a part of it.
fn documentation(part: bool) -> Result<PathBuf, String> {
    let printed =
        Command::new("rustc").args(["--print", "sysroot"]).output().map_err(|e| format!("rustc: {e}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim()).join("share/doc");
    let path = if part { path.join("rust/html/std") } else { path };
    if path.is_dir() {
        Ok(path)
    } else {
        Err(format!("{} is missing: rustup component add rust-docs", path.display()))
    }
}

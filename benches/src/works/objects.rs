//! Many small objects listed and deleted.

use std::process::Command;

use crate::bench::{Bench, How, Sample};
use crate::race::{Table, Unit, race};
use crate::s3::environment;
use crate::sets::Set;
use crate::tools::{Action, Flags, Task, Tool};

const BUCKET: &str = "haul-bench-many";

pub(super) fn list(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let set = Set { name: "keys", objects: bench.options.keys, size: 0 };
    prepare(bench)?;
    fill(bench, set, "from")?;
    let title = format!("{} keys", set.objects);
    let table = race(bench, &title, Unit::SECONDS, tools, |heat| {
        let sample = run(bench, heat.tool, heat.round, Action::List, set, "from")?;
        // curl prints pages, not keys, and drops them.
        if heat.tool != Tool::Curl {
            printed(bench, set.objects)?;
        }
        Ok(sample)
    })?;
    bench.service.clone()?.drop(BUCKET)?;
    Ok(vec![table])
}

pub(super) fn delete(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let set = Set { name: "objects", objects: bench.options.deletes, size: 64 };
    prepare(bench)?;
    let title = format!("{} objects", set.objects);
    let table = race(bench, &title, Unit::SECONDS, tools, |heat| {
        let prefix = format!("{}-{}", heat.round, heat.at);
        fill(bench, set, &prefix)?;
        let sample = run(bench, heat.tool, heat.round, Action::Delete, set, &prefix)?;
        gone(bench, set, &prefix)?;
        Ok(sample)
    })?;
    bench.service.clone()?.drop(BUCKET)?;
    Ok(vec![table])
}

fn prepare(bench: &Bench) -> Result<(), String> {
    let service = bench.service.clone()?;
    // What an interrupted run left.
    let _ = service.drop(BUCKET);
    service.make(BUCKET)
}

/// Writes a set of small objects without files.
fn fill(bench: &Bench, set: Set, prefix: &str) -> Result<(), String> {
    let program = bench.peers.program(Tool::Library)?;
    let (count, size) = (set.objects.to_string(), set.size.to_string());
    let mut command = Command::new(&program[0]);
    command.args(["fill", BUCKET, prefix, &count, &size]).envs(environment(&bench.endpoint(false)?, false));
    let done = command.output().map_err(|e| format!("{}: {e}", program[0]))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

fn run(
    bench: &Bench,
    tool: Tool,
    round: usize,
    action: Action,
    set: Set,
    from: &str,
) -> Result<Sample, String> {
    let counted = round == 0 && bench.nginx.is_ok();
    let (endpoint, scratch) = (bench.endpoint(counted)?, bench.scratch.borrow().folder.clone());
    let task =
        Task { action, set, bucket: BUCKET, from, to: "", count: 1, endpoint: &endpoint, scratch: &scratch };
    bench.run(tool, &task, &How::once(counted))
}

/// Whether as many lines were printed as there are keys; directories and headings may stand between them.
fn printed(bench: &Bench, keys: u64) -> Result<(), String> {
    let path = bench.papers().output;
    let text = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    if lines >= keys { Ok(()) } else { Err(format!("printed {lines} lines for {keys} keys")) }
}

fn gone(bench: &Bench, set: Set, prefix: &str) -> Result<(), String> {
    run(bench, Tool::Haul(Flags::Default), 1, Action::List, set, prefix).map_or(Ok(()), |_| {
        match printed(bench, 1) {
            Ok(()) => Err("said that it is done, and left objects".into()),
            Err(_) => Ok(()),
        }
    })
}

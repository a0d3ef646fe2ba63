//! What a single request costs.

use crate::bench::{Bench, How, Sample};
use crate::race::{Heat, Table, Unit, race};
use crate::sets::Set;
use crate::tools::{Action, Flags, Task, Tool};

pub(super) const LIBRARIES: [Tool; 6] =
    [Tool::Library, Tool::S3dlio, Tool::Obstore, Tool::ObjectStore, Tool::Opendal, Tool::Curl];

const BUCKET: &str = "haul-bench-requests";
/// Requests of one process, or processes of one request.
const READS: u64 = 1000;
const PROCESSES: u64 = 20;

pub(super) fn first_byte(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    table(bench, tools, &format!("{READS} reads"), Action::Reads, 1 << 10, READS, 1)
}

pub(super) fn first_byte_process(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    table(bench, tools, &format!("{PROCESSES} processes"), Action::Reads, 1 << 10, 1, PROCESSES)
}

pub(super) fn ranges(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    table(bench, tools, &format!("{READS} ranges of an object of 16 MiB"), Action::Ranges, 16 << 20, READS, 1)
}

fn table(
    bench: &Bench,
    tools: &[Tool],
    title: &str,
    action: Action,
    size: u64,
    count: u64,
    times: u64,
) -> Result<Vec<Table>, String> {
    // A set is made once by its name: two sizes are two sets.
    let name = if action == Action::Ranges { "ranged" } else { "request" };
    let set = Set { name, objects: 1, size };
    let (service, files) = (bench.service.clone()?, bench.files(set)?);
    let _ = service.drop(BUCKET);
    service.make(BUCKET)?;
    let run = |tool: Tool, action, from: &str, to: &str, counted, times| -> Result<Sample, String> {
        let (endpoint, scratch) = (bench.endpoint(counted)?, bench.scratch.borrow().folder.clone());
        let task =
            Task { action, set, bucket: BUCKET, from, to, count, endpoint: &endpoint, scratch: &scratch };
        bench.run(tool, &task, &How { counted, anonymous: false, times })
    };
    run(Tool::Haul(Flags::Default), Action::Up, &files, "from", false, 1)?;
    let table = race(bench, title, Unit::each(count * times), tools, |Heat { tool, round, .. }| {
        let counted = round == 0 && bench.nginx.is_ok();
        run(tool, action, "from/object", "", counted, times)
    })?;
    service.drop(BUCKET)?;
    Ok(vec![table])
}

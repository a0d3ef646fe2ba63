//! One object from a static HTTP server, which costs that server next to nothing.

use std::path::Path;

use crate::bench::{Bench, How, Sample};
use crate::disk;
use crate::race::{Heat, Table, Unit, race};
use crate::sets::Set;
use crate::tools::{Action, Flags, Task, Tool};

pub(super) const TOOLS: [Tool; 12] = [
    Tool::Haul(Flags::Default),
    Tool::Haul(Flags::Unsynced),
    Tool::Haul(Flags::Lax),
    Tool::Rclone,
    Tool::S5cmd,
    Tool::Aws,
    Tool::S3dlio,
    Tool::Obstore,
    Tool::ObjectStore,
    Tool::Opendal,
    Tool::Curls,
    Tool::Curl,
];
const PRINTERS: [Tool; 5] = [Tool::Haul(Flags::Default), Tool::Rclone, Tool::S5cmd, Tool::Aws, Tool::Curl];

const BUCKET: &str = "bucket";
const OBJECT: &str = "one/object";

pub(super) fn run(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let size = if bench.options.quick { 256 << 20 } else { 4 << 30 };
    let set = Set { name: "one", objects: 1, size };
    // What lies below a folder of the bucket's name is an object of that bucket.
    let folder = bench.scratch.borrow().path("static").join(BUCKET);
    set.make(&folder)?;
    let tools: Vec<Tool> = tools.iter().copied().filter(|tool| *tool != Tool::Curl).collect();
    let title = format!("{}, to a file", set.shown());
    let fetched = race(bench, &title, Unit::SECONDS, &tools, |heat| fetch(bench, set, heat))?;
    let title = format!("{}, to nowhere", set.shown());
    let printed =
        race(bench, &title, Unit::SECONDS, &PRINTERS, |heat| one(bench, set, heat, Action::Print, ""))?;
    Ok(vec![fetched, printed])
}

fn fetch(bench: &Bench, set: Set, heat: Heat) -> Result<Sample, String> {
    let place = bench.place(set, heat);
    let folder = Path::new(&place);
    disk::make(folder)?;
    let sample = one(bench, set, heat, Action::Fetch, &format!("{place}/object"))?;
    if heat.tool == Tool::Curls {
        super::transfer::filled(folder, set)?;
    } else {
        super::transfer::arrived(folder, set)?;
    }
    super::transfer::left(bench, folder, set)?;
    Ok(sample)
}

fn one(bench: &Bench, set: Set, heat: Heat, action: Action, to: &str) -> Result<Sample, String> {
    let counted = heat.round == 0;
    let nginx = bench.nginx.as_ref().map_err(String::clone)?;
    let endpoint = if counted { &nginx.counted } else { &nginx.plain };
    let scratch = bench.scratch.borrow().folder.clone();
    let task = Task { action, set, bucket: BUCKET, from: OBJECT, to, count: 1, endpoint, scratch: &scratch };
    bench.run(heat.tool, &task, &How { counted, anonymous: true, times: 1 })
}

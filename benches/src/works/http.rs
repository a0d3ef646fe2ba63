//! One object from a static HTTP server, which costs that server next to nothing.

use std::path::Path;

use crate::bench::{Bench, How};
use crate::disk;
use crate::race::{Table, Unit, race};
use crate::sets::Set;
use crate::tools::{Action, Task, Tool};

const BUCKET: &str = "bucket";

pub(super) fn run(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let size = if bench.options.quick { 256 << 20 } else { 4 << 30 };
    let set = Set { name: "one", objects: 1, size };
    // What lies below a folder of the bucket's name is an object of that bucket.
    let folder = bench.scratch.borrow().path("static").join(BUCKET);
    set.make(&folder)?;
    let table = race(bench, &set.shown(), Unit::SECONDS, tools, |heat| {
        let counted = heat.round == 0;
        let nginx = bench.nginx.as_ref().map_err(String::clone)?;
        let endpoint = if counted { &nginx.counted } else { &nginx.plain };
        let (place, scratch) = (bench.place(set, heat), bench.scratch.borrow().folder.clone());
        disk::make(Path::new(&place))?;
        let to = format!("{place}/object");
        let (action, from) = (Action::Fetch, "one/object");
        let task = Task { action, set, bucket: BUCKET, from, to: &to, count: 1, endpoint, scratch: &scratch };
        let sample = bench.run(heat.tool, &task, &How { counted, anonymous: true, times: 1 })?;
        if heat.tool != Tool::Curl {
            super::transfer::arrived(Path::new(&place), set)?;
        }
        super::transfer::left(bench, Path::new(&place), set)?;
        Ok(sample)
    })?;
    Ok(vec![table])
}

//! Sets of objects moved to S3, from it and within it.

use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, How};
use crate::disk;
use crate::race::{Table, Unit, race};
use crate::s3::{Service, environment};
use crate::sets::Set;
use crate::tools::{Action, Flags, Task, Tool};

const BUCKET: &str = "haul-bench";
/// How much may lie in a bucket besides the set: deleted objects would stay until the service cleans up.
const KEPT: u64 = 3 << 30;
/// Up to how many files may be deleted between runs.
const FEW: u64 = 100;

pub(super) fn run(bench: &Bench, tools: &[Tool], action: Action) -> Result<Vec<Table>, String> {
    bench.sets().into_iter().map(|set| table(bench, tools, action, set)).collect()
}

fn table(bench: &Bench, tools: &[Tool], action: Action, set: Set) -> Result<Table, String> {
    let mut bucket = Bucket::new(bench, set, action != Action::Up)?;
    let files = bench.files(set)?;
    let table = race(bench, &set.shown(), Unit::SECONDS, tools, |heat| {
        let counted = heat.round == 0 && bench.nginx.is_ok();
        let endpoint = bench.endpoint(counted)?;
        let (prefix, place) = (format!("to-{}-{}", heat.round, heat.at), bench.place(set, heat));
        let (from, to) = match action {
            Action::Up => (files.as_str(), prefix.as_str()),
            Action::Down => ("from", place.as_str()),
            _ => ("from", prefix.as_str()),
        };
        if action != Action::Down {
            bucket.room_for(set)?;
        }
        let scratch = bench.scratch.borrow().folder.clone();
        let task =
            Task { action, set, bucket: BUCKET, from, to, count: 1, endpoint: &endpoint, scratch: &scratch };
        if action == Action::Down {
            disk::make(Path::new(to))?;
        }
        let sample = bench.run(heat.tool, &task, &How::once(counted))?;
        match action {
            // The raw limit writes nothing.
            Action::Down if heat.tool == Tool::Curl => {}
            Action::Down => {
                let place = Path::new(to);
                arrived(place, set)?;
                left(bench, place, set)?;
            }
            _ => bucket.arrived(&prefix)?,
        }
        Ok(sample)
    })?;
    bucket.service.drop(BUCKET)?;
    Ok(table)
}

/// The bucket that everything happens in. It is made anew when too much lies in it.
struct Bucket<'a> {
    bench: &'a Bench,
    service: Service,
    set: Set,
    filled: bool,
    kept: u64,
}

impl<'a> Bucket<'a> {
    fn new(bench: &'a Bench, set: Set, filled: bool) -> Result<Self, String> {
        let bucket = Self { bench, service: bench.service.clone()?, set, filled, kept: 0 };
        // What an interrupted run left.
        let _ = bucket.service.drop(BUCKET);
        bucket.make()?;
        Ok(bucket)
    }

    fn make(&self) -> Result<(), String> {
        self.service.make(BUCKET)?;
        if !self.filled {
            return Ok(());
        }
        let (bench, set) = (self.bench, self.set);
        let (files, scratch) = (bench.files(set)?, bench.scratch.borrow().folder.clone());
        let endpoint = &self.service.endpoint;
        let task = Task {
            action: Action::Up,
            set,
            bucket: BUCKET,
            from: &files,
            to: "from",
            count: 1,
            endpoint,
            scratch: &scratch,
        };
        bench.run(Tool::Haul(Flags::Lax), &task, &How::once(false))?;
        self.arrived("from")
    }

    fn room_for(&mut self, set: Set) -> Result<(), String> {
        if self.kept > 0 && self.kept + set.bytes() > KEPT {
            self.service.drop(BUCKET)?;
            self.make()?;
            self.kept = 0;
        }
        self.kept += set.bytes();
        Ok(())
    }

    /// Whether the whole set lies below a prefix.
    fn arrived(&self, prefix: &str) -> Result<(), String> {
        let mut haul = Command::new(&self.bench.peers.program(Tool::Haul(Flags::Default))?[0]);
        haul.args(["du", "--json", &format!("s3://{BUCKET}/{prefix}")]);
        haul.envs(environment(&self.service.endpoint, false));
        let printed = haul.output().map_err(|e| format!("haul du: {e}"))?;
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        let number = |name: &str| {
            let rest = text.split_once(&format!("\"{name}\":"))?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        whole(number("objects").unwrap_or(0), number("bytes").unwrap_or(0), self.set)
    }
}

/// Whether all bytes of a set lie below a path, in whatever files.
pub(super) fn filled(place: &Path, set: Set) -> Result<(), String> {
    let (_, bytes) = disk::count(place)?;
    whole(set.objects, bytes, set)
}

/// Whether the whole set lies below a path.
pub(super) fn arrived(place: &Path, set: Set) -> Result<(), String> {
    let (objects, bytes) = disk::count(place)?;
    whole(objects, bytes, set)
}

fn whole(objects: u64, bytes: u64, set: Set) -> Result<(), String> {
    if (objects, bytes) == (set.objects, set.bytes()) {
        return Ok(());
    }
    Err(format!("said that it is done, and left {objects} objects of {bytes} bytes in all"))
}

/// What a run left on the disk goes if it is little work, else it is remembered.
pub(super) fn left(bench: &Bench, place: &Path, set: Set) -> Result<(), String> {
    if set.objects <= FEW {
        return disk::clear(place);
    }
    bench.scratch.borrow_mut().leaves(set.objects, set.bytes());
    Ok(())
}

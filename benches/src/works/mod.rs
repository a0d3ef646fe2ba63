//! The works, by name.

mod http;
mod local;
mod objects;
mod requests;
mod startup;
mod streams;
mod transfer;

use std::cell::{Cell, RefCell};
use std::path::Path;

use crate::bench::Bench;
use crate::disk::{self, Scratch};
use crate::nginx::Nginx;
use crate::options::Options;
use crate::peers::Peers;
use crate::race::Table;
use crate::report::Report;
use crate::s3::Service;
use crate::tools::{Action, Flags, Tool};
use crate::{chart, machine, tell};

/// Room that all works need, full and quick.
const ROOM: [u64; 2] = [30 << 30, 6 << 30];

struct Work {
    name: &'static str,
    title: &'static str,
    note: &'static str,
    tools: &'static [Tool],
    run: fn(&Bench, &[Tool]) -> Result<Vec<Table>, String>,
}

const LAX: &str = "`haul` as it is puts every local file on stable storage before it takes its name, and verifies the copy; the others do \
                   neither. `haul, lax` leaves both out (the flags stand in the command), to compare like with like.";

const VERIFIED: &str =
    "The same program with and without `--verify size`; the column *to the raw limit* is the price.";

const S3: &str = "The service is SeaweedFS on the same machine, so that client and server share its cores: CPU says more about the client \
                  than wall time does.";

const WORKS: [Work; 17] = [
    Work {
        name: "startup",
        title: "Starting up",
        note: "Processes one after the other, the mean of one.",
        tools: &[Tool::Haul(Flags::Default), Tool::Rclone, Tool::S5cmd, Tool::Aws, Tool::True],
        run: startup::run,
    },
    Work {
        name: "local-sync",
        title: "Syncing a tree on a local disk",
        note: "The tree is the toolchain's own documentation, page cache warm.",
        tools: &[Tool::Haul(Flags::Default), Tool::Haul(Flags::Lax), Tool::Rclone, Tool::Rsync, Tool::Cp],
        run: local::sync,
    },
    Work {
        name: "local-copy",
        title: "Copying on a local disk",
        note: "Page cache warm.",
        tools: &[
            Tool::Haul(Flags::Default),
            Tool::Haul(Flags::Unsynced),
            Tool::Haul(Flags::Lax),
            Tool::Rclone,
            Tool::Rsync,
            Tool::Cp,
            Tool::Memcpy,
        ],
        run: local::copy,
    },
    Work {
        name: "http",
        title: "Reading from a static HTTP server",
        note: "nginx with `sendfile`, in one process, anonymous requests: what remains is the client. The raw limit of a file is four \
               `curl`, each with a quarter and a file of its own; to nowhere one `curl` takes the four side by side.",
        tools: &http::TOOLS,
        run: http::run,
    },
    Work {
        name: "s3-up",
        title: "From a local disk to S3",
        note: "`haul, unsigned bodies` leaves the SHA-256 of bodies out of its signatures, as it does by itself over https.",
        tools: &[
            Tool::Haul(Flags::Default),
            Tool::Haul(Flags::Unsigned),
            Tool::Haul(Flags::Lax),
            Tool::Rclone,
            Tool::S5cmd,
            Tool::Aws,
            Tool::S3dlio,
            Tool::Obstore,
            Tool::ObjectStore,
            Tool::Opendal,
            Tool::Curl,
        ],
        run: |bench, tools| transfer::run(bench, tools, Action::Up),
    },
    Work {
        name: "s3-down",
        title: "From S3 to a local disk",
        note: "The raw limit writes no files.",
        tools: &Tool::S3,
        run: |bench, tools| transfer::run(bench, tools, Action::Down),
    },
    Work {
        name: "s3-copy",
        title: "From prefix to prefix of one bucket",
        note: "Who lets the service copy sends one PUT for an object, or one for a part; whoever reads and writes it instead shows a GET besides.",
        tools: &Tool::S3,
        run: |bench, tools| transfer::run(bench, tools, Action::Copy),
    },
    Work {
        name: "verify-local",
        title: "What verification costs on a local disk",
        note: VERIFIED,
        tools: &[Tool::Haul(Flags::Default), Tool::Haul(Flags::Unverified)],
        run: local::copy,
    },
    Work {
        name: "verify-s3-up",
        title: "What verification costs on the way to S3",
        note: VERIFIED,
        tools: &[Tool::Haul(Flags::Default), Tool::Haul(Flags::Unverified)],
        run: |bench, tools| transfer::run(bench, tools, Action::Up),
    },
    Work {
        name: "verify-s3-down",
        title: "What verification costs on the way from S3",
        note: VERIFIED,
        tools: &[Tool::Haul(Flags::Default), Tool::Haul(Flags::Unverified)],
        run: |bench, tools| transfer::run(bench, tools, Action::Down),
    },
    Work {
        name: "s3-list",
        title: "Listing a bucket",
        note: "The raw limit asks for pages whose beginnings it knows.",
        tools: &[
            Tool::Haul(Flags::Default),
            Tool::Rclone,
            Tool::S5cmd,
            Tool::Aws,
            Tool::S3dlio,
            Tool::Obstore,
            Tool::ObjectStore,
            Tool::Opendal,
            Tool::Curl,
        ],
        run: objects::list,
    },
    Work {
        name: "s3-delete",
        title: "Deleting many objects",
        note: "Objects of 64 bytes; each run finds its own.",
        tools: &[
            Tool::Haul(Flags::Default),
            Tool::Rclone,
            Tool::S5cmd,
            Tool::Aws,
            Tool::S3dlio,
            Tool::Obstore,
            Tool::ObjectStore,
            Tool::Opendal,
            Tool::Curl,
        ],
        run: objects::delete,
    },
    Work {
        name: "codecs",
        title: "Compressing and decompressing",
        note: "From a file in the page cache to nowhere, each at the level it has by default: 6 of gzip, 3 of zstd.",
        tools: &streams::CODECS,
        run: streams::codecs,
    },
    Work {
        name: "records",
        title: "Files of records",
        note: "From a file in the page cache; what becomes a file goes to nowhere by `haul`, and to a file that is not synced by those who write none else. DuckDB and Polars use both cores. The raw limit counts line feeds.",
        tools: &streams::RECORDS,
        run: streams::records,
    },
    Work {
        name: "s3-first-byte",
        title: "Reading one object of 1 KiB again and again",
        note: "One read after the other in one process.",
        tools: &requests::LIBRARIES,
        run: requests::first_byte,
    },
    Work {
        name: "s3-first-byte-process",
        title: "Reading one object of 1 KiB, a process each",
        note: "The start of the program is part of it.",
        tools: &[Tool::Haul(Flags::Default), Tool::Rclone, Tool::S5cmd, Tool::Aws, Tool::Curl],
        run: requests::first_byte_process,
    },
    Work {
        name: "s3-ranges",
        title: "Reading ranges of 1 KiB",
        note: "One after the other in one process, from one object.",
        tools: &requests::LIBRARIES,
        run: requests::ranges,
    },
];

pub(crate) fn run(haul: &str, results: &str, options: Options) -> Result<(), String> {
    let wanted: Vec<&Work> = WORKS.iter().filter(|work| options.wants(work.name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
        return Err(format!("no such work; there are: {}", names.join(", ")));
    }
    let results = Path::new(results);
    disk::make(results)?;
    // One folder for all works, and the end of the run is the end of what they leave.
    let bench = set_up(haul, results, options)?;
    let mut failed = Vec::new();
    for work in wanted {
        match one(work, &bench, results) {
            Ok(()) => tell(&format!("{}: done", work.name)),
            Err(why) => {
                tell(&format!("{}: {why}", work.name));
                failed.push(work.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn one(work: &Work, bench: &Bench, results: &Path) -> Result<(), String> {
    bench.work.set(work.name);
    let tables = (work.run)(bench, work.tools)?;
    let mut notes = vec![work.note];
    notes.extend(work.tools.contains(&Tool::Haul(Flags::Lax)).then_some(LAX));
    notes.extend(work.name.contains("s3").then_some(S3));
    let mut versions: Vec<String> = work.tools.iter().map(|tool| bench.peers.version(*tool)).collect();
    versions.retain(|version| !version.is_empty());
    let report = Report {
        name: work.name,
        title: work.title,
        note: notes.join(" "),
        machine: machine::sentence(),
        versions,
        rounds: bench.options.rounds,
        tables,
    };
    let write = |ending: &str, text: String| {
        let path = results.join(format!("{}.{ending}", work.name));
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    write("md", report.markdown())?;
    write("svg", chart::svg(&report.tables))
}

fn set_up(haul: &str, results: &Path, options: Options) -> Result<Bench, String> {
    let results = results.canonicalize().map_err(|e| format!("{}: {e}", results.display()))?;
    let scratch = Scratch::new(results.join("scratch"), ROOM[usize::from(options.quick)])?;
    let peers = Peers::new(haul);
    let service = std::env::var("HAUL_TEST_SEAWEEDFS").map(|endpoint| Service { endpoint });
    let service = service.map_err(|_| "HAUL_TEST_SEAWEEDFS does not say where SeaweedFS is".to_owned());
    let behind = service.as_ref().ok().map(|service| service.endpoint.as_str());
    let nginx = peers
        .nginx()
        .and_then(|program| Nginx::start(&program, &scratch.path("nginx"), &scratch.path("static"), behind));
    if let Err(why) = &nginx {
        tell(&format!("requests are not counted: {why}"));
    }
    let aws = scratch.path("aws.conf");
    let text = "[default]\ns3 =\n  preferred_transfer_client = crt\n  addressing_style = path\n";
    std::fs::write(&aws, text).map_err(|e| format!("{}: {e}", aws.display()))?;
    Ok(Bench {
        options,
        work: Cell::new(""),
        peers,
        aws: ("AWS_CONFIG_FILE".into(), aws.to_string_lossy().into_owned()),
        scratch: RefCell::new(scratch),
        service,
        nginx,
    })
}

//! What one process makes of one file: compression, and records.

use std::io::Write;
use std::path::Path;

use crate::bench::{Bench, Sample};
use crate::measure::run as measure;
use crate::race::{Table, Unit, race};
use crate::tools::{Flags, Tool};

const HAUL: Tool = Tool::Haul(Flags::Default);

pub(super) const CODECS: [Tool; 5] = [HAUL, Tool::Gzip, Tool::Pigz, Tool::Bgzip, Tool::Zstd];
pub(super) const RECORDS: [Tool; 5] = [HAUL, Tool::Jq, Tool::Duckdb, Tool::Polars, Tool::Wc];

/// The files of a job: what is read, and where something may be written.
struct Files<'a> {
    from: &'a str,
    to: &'a str,
}

/// The words that make a tool do a job, if it can.
type Words = fn(Tool, &Files<'_>) -> Option<Vec<String>>;

pub(super) fn codecs(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let plain = text(bench)?;
    let title = |what: &str| format!("{what}, {} of text", size(&plain));
    let jobs: [(&str, &str, Words); 6] = [
        ("gzip, one thread", "", |tool, files| gzip(tool, "1", files)),
        ("gzip, two threads", "", |tool, files| gzip(tool, "2", files)),
        ("zstd, one thread", "", |tool, files| zstd(tool, "1", files)),
        ("zstd, two threads", "", |tool, files| zstd(tool, "2", files)),
        ("gzip back", ".gz", back),
        ("zstd back", ".zst", back),
    ];
    let mut tables = Vec::new();
    for (what, ending, words) in jobs {
        let from = if ending.is_empty() { plain.clone() } else { compressed(bench, &plain, ending)? };
        tables.push(table(bench, tools, &title(what), words, &from)?);
    }
    Ok(tables)
}

pub(super) fn records(bench: &Bench, tools: &[Tool]) -> Result<Vec<Table>, String> {
    let plain = text(bench)?;
    let parquet = made(bench, &plain, ".parquet", &["convert"])?;
    let jobs: [(&str, Words, &str); 4] = [
        ("Counting the lines", count, &plain),
        ("Parsing every line", parse, &plain),
        ("To Parquet", to_parquet, &plain),
        ("From Parquet to lines of JSON", from_parquet, &parquet),
    ];
    let title = |what: &str| format!("{what}, {} of JSON", size(&plain));
    jobs.into_iter().map(|(what, words, from)| table(bench, tools, &title(what), words, from)).collect()
}

fn gzip(tool: Tool, threads: &str, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["compress", "-q", "--codec", "gzip", "--threads", threads, files.from, "-"],
        Tool::Gzip if threads == "1" => &["-6", "-c", files.from],
        Tool::Pigz => &["-6", "-p", threads, "-c", files.from],
        Tool::Bgzip => &["-@", threads, "-c", files.from],
        _ => return None,
    };
    Some(owned(words))
}

fn zstd(tool: Tool, threads: &str, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["compress", "-q", "--codec", "zstd", "--threads", threads, files.from, "-"],
        Tool::Zstd => &["-3", "-q", &format!("-T{threads}"), "-c", files.from],
        _ => return None,
    };
    Some(owned(words))
}

fn back(tool: Tool, files: &Files<'_>) -> Option<Vec<String>> {
    let is_gzip = files.from.ends_with(".gz");
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["decompress", "-q", files.from, "-"],
        Tool::Gzip | Tool::Pigz | Tool::Bgzip if is_gzip => &["-d", "-c", files.from],
        Tool::Zstd if !is_gzip => &["-d", "-q", "-c", files.from],
        _ => return None,
    };
    Some(owned(words))
}

fn count(tool: Tool, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["records", "count", "-q", files.from],
        Tool::Wc => &["-l", files.from],
        Tool::Jq => &["-n", "reduce inputs as $line (0; . + 1)", files.from],
        Tool::Duckdb | Tool::Polars => &["count", files.from],
        _ => return None,
    };
    Some(owned(words))
}

fn parse(tool: Tool, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["records", "validate", "-q", files.from],
        Tool::Jq => &["-c", ".", files.from],
        Tool::Duckdb | Tool::Polars => &["parse", files.from],
        _ => return None,
    };
    Some(owned(words))
}

fn to_parquet(tool: Tool, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["convert", "-q", files.from, "-", "--to", "parquet"],
        Tool::Duckdb | Tool::Polars => &["to-parquet", files.from, files.to],
        _ => return None,
    };
    Some(owned(words))
}

fn from_parquet(tool: Tool, files: &Files<'_>) -> Option<Vec<String>> {
    let words: &[&str] = match tool {
        Tool::Haul(_) => &["convert", "-q", files.from, "-", "--to", "ndjson"],
        Tool::Duckdb | Tool::Polars => &["from-parquet", files.from, files.to],
        _ => return None,
    };
    Some(owned(words))
}

fn table(bench: &Bench, tools: &[Tool], title: &str, words: Words, from: &str) -> Result<Table, String> {
    let to = bench.path("stream-output");
    let files = Files { from, to: &to };
    let able: Vec<Tool> = tools.iter().copied().filter(|tool| words(*tool, &files).is_some()).collect();
    race(bench, title, Unit::SECONDS, &able, |heat| {
        let words = words(heat.tool, &files).ok_or("does no such thing")?;
        let command = [bench.peers.program(heat.tool)?, words].concat();
        let run = measure(&command, &[], &bench.papers().without_output())?;
        let _ = std::fs::remove_file(&to);
        let shown = bench.peers.shorten(&command).replace(&bench.path(""), "");
        Ok(Sample { run, command: shown, requests: None })
    })
}

/// Lines of JSON as a service logs them: most of each has been seen before, and a part has not.
fn text(bench: &Bench) -> Result<String, String> {
    let path = bench.path("log.ndjson");
    if Path::new(&path).exists() {
        return Ok(path);
    }
    let length: u64 = if bench.options.quick { 64 << 20 } else { 1 << 30 };
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
        let (mut written, mut seed) = (0, 0x9e37_79b9_7f4a_7c15_u64);
        while written < length {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let line = format!(
                "{{\"time\":\"2026-11-22T06:{:02}:{:02}Z\",\"level\":\"info\",\"user\":{},\"path\":\"/items/{}\",\"took_ms\":{},\"trace\":\"{seed:016x}\"}}\n",
                seed % 60,
                (seed >> 8) % 60,
                seed % 10_007,
                seed % 997,
                seed >> 52,
            );
            file.write_all(line.as_bytes())?;
            written += line.len() as u64;
        }
        file.flush()
    };
    write().map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

fn compressed(bench: &Bench, plain: &str, ending: &str) -> Result<String, String> {
    made(bench, plain, ending, &["compress"])
}

/// What `haul` makes of the text, once.
fn made(bench: &Bench, plain: &str, ending: &str, command: &[&str]) -> Result<String, String> {
    let path = format!("{plain}{ending}");
    if !Path::new(&path).exists() {
        let words = [command, &["-q", plain, &path]].concat();
        let command = [bench.peers.program(HAUL)?, owned(&words)].concat();
        measure(&command, &[], &bench.papers())?;
    }
    Ok(path)
}

fn size(path: &str) -> String {
    let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
    format!("{} MiB", bytes >> 20)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

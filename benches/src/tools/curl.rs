//! The raw limit: `curl` with the least that moves the same bytes. One process keeps no file; none checks anything.

use std::fmt::Write as _;
use std::process::Command;

use super::{Action, Task, cannot};
use crate::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// Transfers side by side of many objects, and ranges of one.
const OBJECTS: &str = "16";
const RANGES: u64 = 4;
/// Keys of a page and of a batch.
const PAGE: u64 = 1000;

pub(super) fn words(task: &Task<'_>) -> Result<Vec<String>, String> {
    let mut jobs = Jobs { config: String::new(), signed: task.action != Action::Print };
    let Task { from, to, set, endpoint, bucket, .. } = *task;
    let url = |key: &str| format!("{endpoint}/{bucket}/{key}");
    match task.action {
        Action::Up => set.files().for_each(|file| {
            jobs.add(&url(&format!("{to}/{file}")), &[("upload-file", &format!("{from}/{file}"))]);
        }),
        Action::Down if set.one() => jobs.ranges(&url(&format!("{from}/object")), set.size),
        Action::Down => set.files().for_each(|file| jobs.add(&url(&format!("{from}/{file}")), &[])),
        Action::Print => jobs.ranges(&url(from), set.size),
        Action::Copy => set.files().for_each(|file| {
            let source = format!("x-amz-copy-source: /{bucket}/{from}/{file}");
            jobs.add(&url(&format!("{to}/{file}")), &[("request", "PUT"), ("header", &source)]);
        }),
        // Where a page begins has to be known: only the keys of the bench itself are.
        Action::List => {
            for first in (0..set.objects).step_by(PAGE as usize) {
                let after = first.checked_sub(1).map(|at| format!("{from}/{}", set.file(at)));
                let after = after.unwrap_or_else(|| format!("{from}/")).replace('/', "%2F");
                let query = format!("list-type=2&max-keys={PAGE}&prefix={from}%2F&start-after={after}");
                jobs.add(&format!("{endpoint}/{bucket}?{query}"), &[]);
            }
        }
        Action::Delete => {
            for (batch, checksum) in batches(task)? {
                // By itself it signs another path than it asks for, and not the body.
                let checksum = format!("x-amz-content-sha256: {checksum}");
                let settings = [
                    ("data-binary", format!("@{batch}")),
                    ("header", "content-type: application/xml".into()),
                    ("header", checksum),
                ];
                let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
                jobs.add(&format!("{endpoint}/{bucket}/?delete="), &settings);
            }
        }
        Action::Reads => (0..task.count).for_each(|_| jobs.add(&url(from), &[])),
        Action::Ranges => (0..task.count).for_each(|at| {
            jobs.add(&url(from), &[("range", &format!("{}-{}", at * 1024, at * 1024 + 1023))]);
        }),
        Action::Fetch => return cannot("writes one file from one range"),
        Action::Local | Action::Sync => return cannot("is about services"),
    }
    let path = task.scratch.join("curl");
    std::fs::write(&path, jobs.config).map_err(|e| format!("{}: {e}", path.display()))?;
    let parallel: &[&str] = match task.action {
        // One after the other, as the question is what one costs.
        Action::List | Action::Reads | Action::Ranges => &[],
        _ => &["-Z", "--parallel-max", OBJECTS],
    };
    let path = path.to_string_lossy().into_owned();
    Ok([super::words(parallel), vec!["-K".into(), path]].concat())
}

/// Quarters of one object side by side, each by a process and into a file beside `to`: for the arguments of `sh`.
pub(super) fn processes(task: &Task<'_>) -> Result<Vec<String>, String> {
    let Task { action: Action::Fetch, from, to, set, endpoint, bucket, .. } = *task else {
        return cannot("fetches one object");
    };
    let fetch = |(at, range): (usize, (u64, u64))| {
        let (first, last) = range;
        format!("curl -s -f --noproxy '*' -r {first}-{last} -o {to}.{at} {endpoint}/{bucket}/{from} & ")
    };
    let script: String = quarters(set.size).enumerate().map(fetch).collect();
    Ok(vec!["-c".into(), format!("{script}wait")])
}

/// The first and the last byte of each.
fn quarters(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let length = size.div_ceil(RANGES);
    (0..RANGES).map(move |at| (at * length, size.min((at + 1) * length) - 1))
}

/// Files with the bodies of requests that delete, and their checksums.
fn batches(task: &Task<'_>) -> Result<Vec<(String, String)>, String> {
    let mut paths = Vec::new();
    for first in (0..task.set.objects).step_by(PAGE as usize) {
        let keys = (first..task.set.objects.min(first + PAGE)).map(|at| task.set.file(at));
        let objects: String =
            keys.map(|key| format!("<Object><Key>{}/{key}</Key></Object>", task.from)).collect();
        let path = task.scratch.join(format!("batch-{first}"));
        std::fs::write(&path, format!("<Delete><Quiet>true</Quiet>{objects}</Delete>"))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        paths.push(path);
    }
    let printed = Command::new("sha256sum").args(&paths).output().map_err(|e| format!("sha256sum: {e}"))?;
    let text = String::from_utf8_lossy(&printed.stdout);
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines.map(|(checksum, path)| (path.to_owned(), checksum.to_owned())).collect())
}

/// Transfers as a configuration of curl lists them.
struct Jobs {
    config: String,
    signed: bool,
}

impl Jobs {
    fn add(&mut self, url: &str, settings: &[(&str, &str)]) {
        // What was set before does not hold for the next one.
        let next = if self.config.is_empty() { "" } else { "next\n" };
        let _ = writeln!(self.config, "{next}silent\nshow-error\nfail\nnoproxy = \"*\"");
        if self.signed {
            let _ = writeln!(
                self.config,
                "aws-sigv4 = \"aws:amz:{REGION}:s3\"\nuser = \"{ACCESS_KEY}:{SECRET_KEY}\""
            );
        }
        let _ = writeln!(self.config, "url = \"{url}\"\noutput = \"/dev/null\"");
        for (name, value) in settings {
            let _ = writeln!(self.config, "{name} = \"{value}\"");
        }
    }

    fn ranges(&mut self, url: &str, size: u64) {
        for (first, last) in quarters(size) {
            self.add(url, &[("range", &format!("{first}-{last}"))]);
        }
    }
}

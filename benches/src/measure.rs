//! One run of one command, by the operating system's own accounting (`/usr/bin/time`, Debian package `time`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// After how many seconds a command counts as hanging.
const LIMIT: &str = "1800";

/// What a run took: the command with all processes that it started and waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    /// Of its largest process.
    pub(crate) peak_mib: f64,
}

/// Where a run leaves what it printed.
pub(crate) struct Papers {
    pub(crate) output: PathBuf,
    errors: PathBuf,
    figures: PathBuf,
}

impl Papers {
    pub(crate) fn within(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name);
        Self { output: path("output"), errors: path("errors"), figures: path("figures") }
    }

    /// What it prints is not kept.
    pub(crate) fn without_output(self) -> Self {
        Self { output: "/dev/null".into(), ..self }
    }
}

pub(crate) fn run(
    command: &[String],
    environment: &[(String, String)],
    papers: &Papers,
) -> Result<Run, String> {
    let create = |path: &PathBuf| File::create(path).map_err(|e| format!("{}: {e}", path.display()));
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(&papers.figures).args(["timeout", LIMIT]).args(command);
    timed.envs(environment.iter().cloned());
    timed.stdin(Stdio::null()).stdout(create(&papers.output)?).stderr(create(&papers.errors)?);
    let begun = Instant::now();
    let status =
        timed.status().map_err(|e| format!("/usr/bin/time: {e}; Debian has it in the package `time`"))?;
    let wall = begun.elapsed().as_secs_f64();
    match status.code() {
        Some(0) => {}
        Some(124) => return Err(format!("did not end within {LIMIT} s")),
        _ => return Err(format!("ended with {status}: {}", last_words(&papers.errors))),
    }
    let text =
        std::fs::read_to_string(&papers.figures).map_err(|e| format!("{}: {e}", papers.figures.display()))?;
    parse(wall, &text).ok_or_else(|| format!("/usr/bin/time printed `{text}`"))
}

fn parse(wall: f64, text: &str) -> Option<Run> {
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().ok());
    let mut next = || numbers.next().flatten();
    let (user, system, peak) = (next()?, next()?, next()?);
    Some(Run { wall, cpu: user + system, peak_mib: peak / 1024.0 })
}

/// The end of what a tool said, which is mostly why it failed.
fn last_words(path: &Path) -> String {
    const LENGTH: usize = 240;
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    let skipped = text.chars().count().saturating_sub(LENGTH);
    let end: String = text.chars().skip(skipped).collect();
    match (end.is_empty(), skipped) {
        (true, _) => "it said nothing".into(),
        (_, 0) => end,
        _ => format!("…{end}"),
    }
}

/// The median, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        };
        Self { median, min: at(0), max: at(values.len().saturating_sub(1)) }
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor }
    }
}

/// The raw limit of whatever stays on this machine: so many bytes copied in memory.
pub(crate) fn memcpy(bytes: &str) -> Result<(), String> {
    const BLOCK: usize = 8 << 20;
    let mut left: usize = bytes.parse().map_err(|e| format!("{bytes}: {e}"))?;
    let (from, mut to) = (vec![1u8; BLOCK], vec![0u8; BLOCK]);
    while left > 0 {
        let length = left.min(BLOCK);
        to[..length].copy_from_slice(&from[..length]);
        std::hint::black_box(&mut to);
        left -= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Spread, parse};

    #[test]
    fn figures() {
        let run = parse(1.5, "0.25 0.75 2048\n").unwrap();
        assert_eq!((run.wall, run.cpu, run.peak_mib), (1.5, 1.0, 2.0));
        assert_eq!(parse(1.0, "no figures"), None);
    }

    #[test]
    fn spread() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![2.0, 1.0]).median, 1.5);
    }
}

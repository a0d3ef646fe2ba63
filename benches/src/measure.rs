//! One run of one command, by the operating system's own accounting (`/usr/bin/time`, Debian package `time`).

use std::path::Path;
use std::process::{Command, Stdio};

/// What a run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
}

pub(crate) fn run(command: &[String]) -> Result<Run, String> {
    let figures = std::env::temp_dir().join(format!("haul-bench-{}", std::process::id()));
    let status = Command::new("/usr/bin/time")
        .args(["-f", "%e %U %S %M", "-o"])
        .arg(&figures)
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("/usr/bin/time: {e}; Debian has it in the package `time`"))?;
    if !status.success() {
        return Err(format!("`{}` ended with {status}", command.join(" ")));
    }
    let text = std::fs::read_to_string(&figures).map_err(|e| format!("{}: {e}", figures.display()))?;
    let _ = std::fs::remove_file(&figures);
    parse(&text).ok_or_else(|| format!("/usr/bin/time printed `{text}`"))
}

fn parse(text: &str) -> Option<Run> {
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().ok());
    let mut next = || numbers.next().flatten();
    let (wall, user, system, peak) = (next()?, next()?, next()?, next()?);
    Some(Run { wall, cpu: user + system, peak_mib: peak / 1024.0 })
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
        Self { median: at(values.len() / 2), min: at(0), max: at(values.len().saturating_sub(1)) }
    }
}

/// Removes a tree, if it is there.
pub(crate) fn clear(path: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, parse};

    #[test]
    fn figures() {
        let run = parse("1.50 0.25 0.75 2048\n").expect("four numbers");
        assert_eq!((run.wall, run.cpu, run.peak_mib), (1.5, 1.0, 2.0));
        assert_eq!(parse("no figures"), None);
    }

    #[test]
    fn spread() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
    }
}

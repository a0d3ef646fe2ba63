//! What the figures were measured on.

use std::process::Command;

/// The machine and the day, in a sentence.
pub(crate) fn sentence() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let gib = memory.unwrap_or_default() >> 20;
    format!(
        "{model}, {cores} cores, {gib} GiB; {}; {}",
        first_line("uname", &["-sr"]),
        first_line("date", &["-u", "+%-d %B %Y"])
    )
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a program prints first, on whichever of its outputs.
pub(crate) fn first_line(program: &str, args: &[&str]) -> String {
    let printed = Command::new(program).args(args).output();
    let text = printed.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}

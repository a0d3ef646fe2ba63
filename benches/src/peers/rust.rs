//! Libraries of the Rust registry, through the small program in `peers`: a workspace of its own, so that ours stays small.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tell;

const LOCK: &str = include_str!("../../peers/Cargo.lock");

pub(super) fn build(cache: &Path) -> Result<PathBuf, String> {
    let target = cache.join("rust");
    if !target.exists() {
        tell("building the Rust peers, which takes minutes");
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    cargo.arg(super::python::folder().join("Cargo.toml")).arg("--target-dir").arg(&target);
    super::install(&mut cargo)?;
    Ok(target.join("release/haul-bench-peers"))
}

/// Which version of a package is locked.
pub(super) fn version(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != name);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    version.map_or("unknown", |text| text.trim_matches('"'))
}

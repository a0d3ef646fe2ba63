//! Packages of PyPI in an environment of their own, at the versions of `peers/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{disk, tell};

const REQUIREMENTS: &str = include_str!("../../peers/requirements.txt");

/// The folder of its programs.
pub(super) fn install(cache: &Path) -> Result<PathBuf, String> {
    let (folder, bin) = (cache.join("python"), cache.join("python/bin"));
    // It stands there once everything is installed.
    let mark = folder.join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(bin);
    }
    tell("installing packages of PyPI");
    disk::clear(&folder)?;
    disk::make(cache)?;
    super::install(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    super::install(pip.arg(self::folder().join("requirements.txt")))?;
    std::fs::write(&mark, REQUIREMENTS).map_err(|e| format!("{}: {e}", mark.display()))?;
    Ok(bin)
}

/// Where our scripts are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

pub(super) fn script(name: &str) -> String {
    folder().join(name).to_string_lossy().into_owned()
}

/// Which version of a package is asked for.
pub(super) fn version(package: &str) -> &'static str {
    let lines = REQUIREMENTS.lines().filter_map(|line| line.split_once("=="));
    lines.filter(|(name, _)| *name == package).map(|(_, version)| version).next().unwrap_or("unknown")
}

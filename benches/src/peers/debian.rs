//! Programs of Debian; where one is missing and we may, its package is installed.

use std::path::Path;
use std::process::Command;

use crate::machine::first_line;
use crate::tell;

/// The system's daemons are not in every user's path.
const ALSO: &str = "/usr/sbin:/sbin";

pub(super) fn program(name: &str, package: &str) -> Result<String, String> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    if first_line("id", &["-u"]) != "0" || find("apt-get").is_none() {
        return Err(format!("`{name}` is missing; Debian has it in the package `{package}`"));
    }
    tell(&format!("installing Debian's {package}"));
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        // No daemon may start by itself, and none of them has a question that we could answer.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        super::install(command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(words))
    };
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", package])?;
    find(name).ok_or_else(|| format!("Debian's package `{package}` has no `{name}`"))
}

fn find(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(ALSO.split(':')).filter(|folder| !folder.is_empty());
    let found = folders.map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    found.map(|path| path.to_string_lossy().into_owned())
}

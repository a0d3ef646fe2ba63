//! Room on the disk, and who gives it back.
//!
//! Nothing of many files is deleted between runs: ext4 passes over inodes that were freed in the last minutes, and whoever
//! creates files then pays for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::tell;

/// How much a round may find left by earlier ones, besides what the disk has room for anyway.
const KEPT: u64 = 3 << 30;
/// How long ext4 remembers freed inodes.
const FORGET: Duration = Duration::from_secs(300);
/// From how many files on that shows.
const MANY: u64 = 2_000;

/// A folder for everything that runs leave.
pub(crate) struct Scratch {
    pub(crate) folder: PathBuf,
    files: u64,
    bytes: u64,
    kept: u64,
}

impl Scratch {
    /// A new one, if the disk has room.
    pub(crate) fn new(folder: PathBuf, needed: u64) -> Result<Self, String> {
        clear(&folder)?;
        make(&folder)?;
        let free = free(&folder)?;
        if free < needed {
            let gib = |bytes: u64| bytes.div_ceil(1 << 30);
            return Err(format!("{} GiB are free, and it takes {}", gib(free), gib(needed)));
        }
        Ok(Self { folder, files: 0, bytes: 0, kept: KEPT + (free - needed) })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Says that runs leave so much in `left`.
    pub(crate) fn leaves(&mut self, files: u64, bytes: u64) {
        self.files += files;
        self.bytes += bytes;
    }

    /// Where runs leave what they make.
    pub(crate) fn left(&self) -> PathBuf {
        self.path("left")
    }

    /// Between rounds: makes room if too much was left.
    pub(crate) fn tidy(&mut self) -> Result<(), String> {
        if self.bytes < self.kept {
            return Ok(());
        }
        clear(&self.left())?;
        sync();
        if self.files > MANY {
            tell(&format!("waits {} s until the disk has forgotten {} files", FORGET.as_secs(), self.files));
            std::thread::sleep(FORGET);
        }
        (self.files, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = clear(&self.folder);
    }
}

/// Writes what is dirty: earlier runs' pages are not the next one's to write.
pub(crate) fn sync() {
    let _ = Command::new("sync").status();
}

pub(crate) fn make(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Removes a tree, if it is there.
pub(crate) fn clear(path: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

/// Files below a directory and their bytes.
pub(crate) fn count(directory: &Path) -> Result<(u64, u64), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut total = (0, 0);
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let metadata = entry.path().symlink_metadata().map_err(fail)?;
        if metadata.is_dir() {
            let below = count(&entry.path())?;
            total = (total.0 + below.0, total.1 + below.1);
        } else {
            total = (total.0 + 1, total.1 + metadata.len());
        }
    }
    Ok(total)
}

fn free(folder: &Path) -> Result<u64, String> {
    let printed = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output();
    let printed = printed.map_err(|e| format!("df: {e}"))?.stdout;
    let text = String::from_utf8_lossy(&printed);
    text.lines()
        .nth(1)
        .and_then(|line| line.trim().parse().ok())
        .ok_or_else(|| format!("df printed `{text}`"))
}

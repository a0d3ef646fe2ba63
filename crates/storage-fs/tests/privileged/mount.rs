//! Volumes made for one trial.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted volume, which goes with its guard.
pub(crate) struct Mount {
    path: PathBuf,
}

impl Mount {
    /// A volume in memory of this kind (`tmpfs` or `ramfs`).
    pub(crate) fn memory(kind: &str, options: &str, path: &Path) -> Result<Self, String> {
        Self::attach(&["-t", kind, "-o", options, "haul-test"], path)
    }

    /// A small ext4 volume in a file.
    pub(crate) fn ext4(image: &Path, path: &Path) -> Result<Self, String> {
        std::fs::File::create(image).and_then(|file| file.set_len(4 << 20)).map_err(|e| e.to_string())?;
        let image = image.to_string_lossy();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal", "-m", "0", &*image]))?;
        Self::attach(&["-o", "loop", &*image], path)
    }

    /// Makes the volume read-only.
    pub(crate) fn freeze(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.path))
    }

    fn attach(how: &[&str], path: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(path).map_err(|e| e.to_string())?;
        run(Command::new("mount").args(how).arg(path))?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.path));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{name}` does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

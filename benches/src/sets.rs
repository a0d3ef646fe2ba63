//! What is copied: sets of files that cannot be compressed.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::disk;

/// Files in directories of a thousand.
const PER_DIRECTORY: u64 = 1000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) objects: u64,
    pub(crate) size: u64,
}

impl Set {
    /// The four sets of every work that moves bytes.
    pub(crate) fn all(quick: bool) -> [Self; 4] {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        if quick {
            [
                Self { name: "one", objects: 1, size: 256 * MIB },
                Self { name: "large", objects: 8, size: 32 * MIB },
                Self { name: "medium", objects: 500, size: 100 * KIB },
                Self { name: "small", objects: 2_000, size: 4 * KIB },
            ]
        } else {
            [
                Self { name: "one", objects: 1, size: 4096 * MIB },
                Self { name: "large", objects: 64, size: 64 * MIB },
                Self { name: "medium", objects: 10_000, size: 100 * KIB },
                Self { name: "small", objects: 50_000, size: 4 * KIB },
            ]
        }
    }

    pub(crate) fn bytes(self) -> u64 {
        self.objects * self.size
    }

    pub(crate) fn one(self) -> bool {
        self.objects == 1
    }

    /// `64 × 64 MiB`.
    pub(crate) fn shown(self) -> String {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let size = units.iter().find(|(bits, _)| self.size.is_multiple_of(1 << bits));
        let size =
            size.map_or(format!("{} B", self.size), |(bits, unit)| format!("{} {unit}", self.size >> bits));
        format!("{} × {size}", self.objects)
    }

    /// The names of its files, in order.
    pub(crate) fn files(self) -> impl Iterator<Item = String> {
        (0..self.objects).map(move |at| self.file(at))
    }

    /// The name of one of them; a set of one has a fixed one.
    pub(crate) fn file(self, at: u64) -> String {
        if self.one() { "object".into() } else { format!("{:03}/{at:06}", at / PER_DIRECTORY) }
    }

    /// Makes it below a folder, once; each file is filled from another place in a noise.
    pub(crate) fn make(self, folder: &Path) -> Result<PathBuf, String> {
        let path = folder.join(self.name);
        if path.exists() {
            return Ok(path);
        }
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        for name in self.files() {
            let file = path.join(name);
            disk::make(file.parent().unwrap_or(&path))?;
            noise.fill(&file, self.size).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        disk::sync();
        Ok(path)
    }
}

/// Xorshift: no compression finds anything in it.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, path: &Path, size: u64) -> std::io::Result<()> {
        let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
        for _ in 0..size / 8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            file.write_all(&self.0.to_le_bytes())?;
        }
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Set;

    #[test]
    fn shown() {
        let shown = Set::all(false).map(Set::shown);
        assert_eq!(shown, ["1 × 4 GiB", "64 × 64 MiB", "10000 × 100 KiB", "50000 × 4 KiB"]);
    }

    #[test]
    fn files_are_made_once() {
        let folder = std::env::temp_dir().join(format!("haul-bench-sets-{}", std::process::id()));
        let set = Set { name: "x", objects: 2, size: 16 };
        let made = set.make(&folder).unwrap();
        assert_eq!(crate::disk::count(&made).unwrap(), (2, 32));
        assert_ne!(
            std::fs::read(made.join("000/000000")).unwrap(),
            std::fs::read(made.join("000/000001")).unwrap()
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}

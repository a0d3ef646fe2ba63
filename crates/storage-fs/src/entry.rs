//! What stands at a place, as the policy on links sees it.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use storage_core::KeyPath;

use crate::config::Symlinks;
use crate::root::Root;

/// An entry of a directory and the object that it is or leads to.
pub(crate) struct Found {
    /// The entry itself, never through a link.
    pub(crate) entry: Stat,
    /// The object: what a followed link leads to, else the entry. A link that leads nowhere stays a link.
    pub(crate) object: Stat,
}

impl Found {
    /// Looks at `place`, whose directory is open.
    pub(crate) fn at(root: &Root, directory: &OwnedFd, place: KeyPath<'_>) -> Result<Self, Errno> {
        let entry = root.stat_at(directory, place.name)?;
        let leads = is_link(&entry) && root.follows();
        let object = if leads { root.stat_path(place.path).unwrap_or(entry) } else { entry };
        Ok(Self { entry, object })
    }

    pub(crate) fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.object.st_mode) == FileType::Directory
    }

    /// Whether this is a link that leads to something.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        is_link(&self.entry) && !is_link(&self.object)
    }

    /// Whether the policy has it that there is nothing.
    pub(crate) fn is_skipped(&self, root: &Root) -> bool {
        is_link(&self.entry) && root.config.symlinks == Symlinks::Skip
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

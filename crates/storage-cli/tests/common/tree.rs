//! A directory tree as a value that can be compared.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File { content: Vec<u8>, mode: u32, modified: (i64, i64) },
    Directory { mode: u32, modified: (i64, i64) },
    Link { target: PathBuf, modified: (i64, i64) },
}

/// Everything below a directory, by its path there. The directory itself is left out.
pub(crate) type Tree = BTreeMap<PathBuf, Node>;

pub(crate) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    gather(root, Path::new(""), &mut found);
    found
}

fn gather(root: &Path, below: &Path, found: &mut Tree) {
    let directory = root.join(below);
    for entry in fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        let stat = path.symlink_metadata().expect("it was listed");
        let (mode, modified) = (stat.mode() & 0o7777, (stat.mtime(), stat.mtime_nsec()));
        let node = if stat.is_dir() {
            gather(root, &name, found);
            Node::Directory { mode, modified }
        } else if stat.is_symlink() {
            Node::Link { target: fs::read_link(&path).expect("a link"), modified }
        } else {
            Node::File { content: fs::read(&path).expect("a file"), mode, modified }
        };
        found.insert(name, node);
    }
}

/// Asserts that two trees are the same, and says where they are not without printing them whole.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let (left, right) = (tree(one), tree(other));
    let names: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let brief = |node: Option<&Node>| match node {
        Some(Node::File { content, mode, modified }) => {
            format!("file of {} bytes, mode {mode:o}, modified {modified:?}", content.len())
        }
        other => format!("{other:?}"),
    };
    let apart: Vec<String> = names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{}: {} / {}", name.display(), brief(left.get(name)), brief(right.get(name))))
        .collect();
    assert!(apart.is_empty(), "{} and {} differ:\n{}", one.display(), other.display(), apart.join("\n"));
}

/// Names below a directory that only unfinished writes have.
pub(crate) fn leftovers(root: &Path) -> Vec<OsString> {
    let staged = |name: &&Path| {
        let name = name.file_name().expect("a name").as_bytes();
        name.starts_with(b".haul-") && name.ends_with(b".tmp")
    };
    tree(root).keys().map(PathBuf::as_path).filter(staged).map(|name| name.as_os_str().to_owned()).collect()
}

/// Sets the modification time of a file or directory, in nanoseconds since 1970.
pub(crate) fn set_modified(path: &Path, nanos: u64) {
    let time = UNIX_EPOCH + Duration::from_nanos(nanos);
    fs::File::open(path)
        .and_then(|f| f.set_modified(time))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

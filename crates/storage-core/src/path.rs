//! Keys as relative paths, for backends whose objects are files: what no directory can hold is refused before it is
//! touched (clause KEY-2), and unfinished writes have names of their own.

use crate::error::{Error, ErrorKind, Result};
use crate::key::{Key, Prefix};

/// The longest name of a directory entry on the volumes in use, in bytes.
const NAME_MAX: usize = 255;
const STAGED_PREFIX: &str = ".haul-";
const STAGED_SUFFIX: &str = ".tmp";

/// A key as a directory and a name in it.
///
/// ```
/// use storage_core::{Key, KeyPath};
///
/// # fn main() -> storage_core::Result<()> {
/// let key = Key::new("a/b/c")?;
/// let path = KeyPath::of(&key)?;
/// assert_eq!((path.directory, path.name), ("a/b", "c"));
/// assert!(KeyPath::of(&Key::new("a/../b")?).is_err());
/// # Ok(()) }
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct KeyPath<'a> {
    /// The directory relative to the root, without a `/` at its end; empty for the root.
    pub directory: &'a str,
    /// The name in it.
    pub name: &'a str,
    /// Both together, relative to the root.
    pub path: &'a str,
}

impl<'a> KeyPath<'a> {
    /// The path of an object.
    ///
    /// # Errors
    /// `InvalidKey` for an empty segment, `.` and `..`, more than 255 bytes in a segment, and the names that
    /// [`staged_name`] makes.
    pub fn of(key: &'a Key) -> Result<Self> {
        let path = checked(key.as_str())?;
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(Self { directory, name, path })
    }

    /// The path of a directory relative to the root, without a `/` at its end.
    ///
    /// # Errors
    /// As [`of`](KeyPath::of).
    pub fn directory(prefix: &'a Prefix) -> Result<&'a str> {
        match prefix.as_str().strip_suffix('/') {
            Some(path) => checked(path),
            None => Ok(prefix.as_str()),
        }
    }
}

fn checked(path: &str) -> Result<&str> {
    path.split('/').try_for_each(check_segment)?;
    Ok(path)
}

fn check_segment(segment: &str) -> Result<()> {
    let why = match segment {
        "" => "an empty segment (a `/` at the start or end, or two in a row)".to_owned(),
        "." | ".." => format!("the segment `{segment}`"),
        long if long.len() > NAME_MAX => format!("a segment of {} bytes, more than {NAME_MAX}", long.len()),
        staged if is_staged_name(staged.as_bytes()) => "a name that is kept for unfinished writes".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidKey, format!("a file system cannot hold {why}")))
}

/// A fresh name for an unfinished write, which lies in the directory of the object that it becomes.
pub fn staged_name() -> String {
    format!("{STAGED_PREFIX}{:016x}{STAGED_SUFFIX}", fastrand::u64(..))
}

/// Whether a name is one of [`staged_name`]'s.
pub fn is_staged_name(name: &[u8]) -> bool {
    name.strip_prefix(STAGED_PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(STAGED_SUFFIX.as_bytes()))
        .is_some_and(|middle| {
            middle.len() == 16 && middle.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
}

#[cfg(test)]
mod tests {
    use super::{KeyPath, is_staged_name, staged_name};
    use crate::key::Key;

    #[test]
    fn places() {
        let check = |key: &str, expect: Option<(&str, &str)>| {
            let key = Key::new(key).expect("a valid key");
            assert_eq!(KeyPath::of(&key).ok().map(|p| (p.directory, p.name)), expect, "{key}");
        };
        check("a", Some(("", "a")));
        check("a/b/c", Some(("a/b", "c")));
        check(" a", Some(("", " a")));
        check("...", Some(("", "...")));
        check("a\\b", Some(("", "a\\b")));
        for wrong in ["/a", "a/", "a//b", ".", "a/../b", "..", "/"] {
            check(wrong, None);
        }
        check(&"x".repeat(255), Some(("", &"x".repeat(255))));
        check(&"x".repeat(256), None);
        check(&format!("a/{}", staged_name()), None);
    }

    #[test]
    fn staged_names() {
        assert!(is_staged_name(staged_name().as_bytes()));
        for other in [
            ".haul-.tmp",
            ".haul-0123456789abcdeg.tmp",
            ".haul-0123456789ABCDEF.tmp",
            "haul-0123456789abcdef.tmp",
            ".haul",
        ] {
            assert!(!is_staged_name(other.as_bytes()), "{other}");
        }
    }
}

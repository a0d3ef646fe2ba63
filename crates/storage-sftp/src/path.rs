//! Keys as relative paths: what a file system cannot hold is refused before it is touched (clause KEY-2).

use storage_core::{Error, ErrorKind, Key, Prefix, Result};

/// The longest name of a directory entry on the usual volumes, in bytes.
const NAME_MAX: usize = 255;
const STAGED_PREFIX: &str = ".haul-";
const STAGED_SUFFIX: &str = ".tmp";

/// A key as a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The directory relative to the root, without a `/` at its end; empty for the root.
    pub(crate) directory: &'a str,
    /// The directory and the name in it, relative to the root.
    pub(crate) path: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(key: &'a Key) -> Result<Self> {
        let path = checked(key.as_str())?;
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        Ok(Self { directory, path })
    }
}

/// The path of a directory relative to the root, without a `/` at its end.
pub(crate) fn directory(prefix: &Prefix) -> Result<&str> {
    match prefix.as_str().strip_suffix('/') {
        Some(path) => checked(path),
        None => Ok(prefix.as_str()),
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
        staged if is_staged(staged.as_bytes()) => "a name that is kept for unfinished writes".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidKey, format!("a directory cannot hold {why}")))
}

/// A fresh name for an unfinished write.
pub(crate) fn staged_name() -> String {
    format!("{STAGED_PREFIX}{:016x}{STAGED_SUFFIX}", fastrand::u64(..))
}

/// Whether a name is one of [`staged_name`]'s.
pub(crate) fn is_staged(name: &[u8]) -> bool {
    name.strip_prefix(STAGED_PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(STAGED_SUFFIX.as_bytes()))
        .is_some_and(|middle| {
            middle.len() == 16 && middle.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
}

#[cfg(test)]
mod tests {
    use super::{Place, is_staged, staged_name};
    use storage_core::Key;

    #[test]
    fn places() {
        let check = |key: &str, expect: Option<&str>| {
            let key = Key::new(key).expect("a valid key");
            assert_eq!(Place::of(&key).ok().map(|p| p.directory), expect, "{key}");
        };
        check("a", Some(""));
        check("a/b/c", Some("a/b"));
        check(" a", Some(""));
        check("...", Some(""));
        check("a\\b", Some(""));
        for wrong in ["/a", "a/", "a//b", ".", "a/../b", "..", "/"] {
            check(wrong, None);
        }
        check(&"x".repeat(255), Some(""));
        check(&"x".repeat(256), None);
        check(&format!("a/{}", staged_name()), None);
    }

    #[test]
    fn staged_names() {
        assert!(is_staged(staged_name().as_bytes()));
        for other in [
            ".haul-.tmp",
            ".haul-0123456789abcdeg.tmp",
            ".haul-0123456789ABCDEF.tmp",
            "haul-0123456789abcdef.tmp",
            ".haul",
        ] {
            assert!(!is_staged(other.as_bytes()), "{other}");
        }
    }
}

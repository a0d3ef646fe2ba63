//! Keys and prefixes: byte-exact names, valid by construction.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// The name of an object: 1 to 1,024 bytes of UTF-8 without NUL (clause KEY-1).
///
/// A key is byte-exact. It is never trimmed, folded, collapsed, percent-decoded or normalised: `a//b`, ` a`, `a%2Fb`
/// and `../a` are ordinary keys, different from every other. A backend that cannot hold one of them says so with
/// [`ErrorKind::InvalidKey`]. Keys order by their bytes. A clone is cheap.
///
/// ```
/// use storage_core::Key;
///
/// # fn main() -> storage_core::Result<()> {
/// let key = Key::new("logs/2026/day 1.gz")?;
/// assert_eq!(key.as_str(), "logs/2026/day 1.gz");
/// assert_eq!(key.name(), "day 1.gz");
/// assert!(Key::new("").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Makes a key of `name` as it stands.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if it is empty, longer than 1,024 bytes, or holds NUL.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidKey, "a key must not be empty"));
        }
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last `/`; the whole key where there is none. Empty for a key that ends in `/`.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory part: up to and with the last `/`, or empty.
    pub fn parent(&self) -> Prefix {
        Prefix(self.0.rfind('/').map_or("", |at| &self.0[..=at]).into())
    }
}

/// A raw byte prefix of keys, possibly empty (clause LIST-1).
///
/// `Prefix::new("a/b")` covers `a/b`, `a/bc` and `a/b/c`. A prefix that ends in `/` also names a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Makes a prefix of `text` as it stands.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if it is longer than 1,024 bytes or holds NUL.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        check(text)?;
        Ok(Self(text.into()))
    }

    /// Makes the prefix of a directory: `a/b` and `a/b/` give `a/b/`, the empty text stays the root.
    ///
    /// # Errors
    /// As [`Prefix::new`].
    pub fn directory(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        if text.is_empty() || text.ends_with('/') { Self::new(text) } else { Self::new(format!("{text}/")) }
    }

    /// The empty prefix, which covers every key.
    pub fn root() -> Self {
        Self("".into())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this covers every key.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this names a directory: the root, or a text that ends in `/`.
    pub fn is_directory(&self) -> bool {
        self.is_root() || self.0.ends_with('/')
    }

    /// The key `self + rest`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the whole is no key.
    pub fn key(&self, rest: &str) -> Result<Key> {
        if self.is_root() { Key::new(rest) } else { Key::new(format!("{}{rest}", self.0)) }
    }

    /// The prefix `self + rest`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the whole is too long.
    pub fn join(&self, rest: &Prefix) -> Result<Prefix> {
        match (self.is_root(), rest.is_root()) {
            (true, _) => Ok(rest.clone()),
            (_, true) => Ok(self.clone()),
            _ => Prefix::new(format!("{}{}", self.0, rest.0)),
        }
    }

    /// The last segment of a directory, without its `/`.
    pub fn name(&self) -> &str {
        self.0.trim_end_matches('/').rsplit('/').next().unwrap_or("")
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self::root()
    }
}

fn check(text: &str) -> Result<()> {
    if text.len() > MAX_KEY_BYTES {
        let message = format!("{} bytes are more than the {MAX_KEY_BYTES} that a key may have", text.len());
        return Err(Error::new(ErrorKind::InvalidKey, message).with_name(text));
    }
    match text.find('\0') {
        Some(at) => {
            Err(Error::new(ErrorKind::InvalidKey, format!("NUL at byte {at} of the key")).with_name(text))
        }
        None => Ok(()),
    }
}

macro_rules! text_impls {
    ($($name:ident),*) => {$(
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }
    )*};
}
text_impls!(Key, Prefix);

impl From<&Key> for Prefix {
    fn from(key: &Key) -> Self {
        Self(key.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Prefix};

    #[test]
    fn keys_are_byte_exact() {
        for name in ["a//b", " a", "a ", "a%2Fb", "../a", "/", "a/", "e\u{301}", "\u{e9}", "a\nb", "-x"] {
            assert_eq!(Key::new(name).expect("a valid key").as_str(), name);
        }
    }

    #[test]
    fn bounds() {
        assert!(Key::new("").is_err());
        assert!(Key::new("a\0b").is_err());
        assert!(Key::new("x".repeat(1024)).is_ok());
        assert!(Key::new("x".repeat(1025)).is_err());
        assert!(Key::new("é".repeat(513)).is_err(), "bytes count, not characters");
        assert!(Prefix::new("").is_ok());
    }

    #[test]
    fn parts() {
        let check = |key: &str, parent: &str, name: &str| {
            let key = Key::new(key).expect("a valid key");
            assert_eq!((key.parent().as_str(), key.name()), (parent, name));
        };
        check("a", "", "a");
        check("a/b", "a/", "b");
        check("a//b", "a//", "b");
        check("a/", "a/", "");
        assert_eq!(Prefix::new("a/b/").expect("valid").name(), "b");
    }
}

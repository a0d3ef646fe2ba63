//! URLs as Haul reads them: `scheme://authority/path`, the path byte for byte.

use std::fmt;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;

/// A parsed URL.
///
/// The path is taken byte for byte, as object stores name keys: `%20` is three characters, `//` and `..` stay. A
/// provider whose URLs are percent-encoded by their own standard, such as `file`, decodes its path itself.
///
/// ```
/// use storage_core::Location;
///
/// # fn main() -> storage_core::Result<()> {
/// let location = Location::parse("s3://bucket/a//b c")?;
/// assert_eq!((location.scheme(), location.authority(), location.path()), ("s3", "bucket", "a//b c"));
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    scheme: String,
    authority: String,
    path: String,
}

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it does not begin with a scheme and `://`.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorKind::InvalidConfig, "not a URL; one looks like `scheme://place/path`")
                .with_operation(Operation::Open)
                .with_name(hide_userinfo(url))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_scheme(scheme) {
            return Err(wrong());
        }
        Ok(Self::new(scheme.to_ascii_lowercase(), authority, path))
    }

    /// A location from its parts.
    pub fn new(scheme: impl Into<String>, authority: impl Into<String>, path: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), authority: authority.into(), path: path.into() }
    }

    /// Whether `text` begins like a URL.
    pub fn is_url(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between `://` and the next `/`: a bucket, a host. May hold a user name and a secret.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether a password stands in it: in the user part, or in what was meant as one and cut by a `/` in the password.
    pub fn has_password(&self) -> bool {
        match self.authority.rsplit_once('@') {
            Some((user, _)) => user.contains(':'),
            None => self.is_cut(),
        }
    }

    /// `user:pass/word@host`: the `/` ends the authority, and what follows the colon is no port.
    fn is_cut(&self) -> bool {
        let port = self.authority.split_once(':').map(|(_, port)| port);
        !self.authority.starts_with('[')
            && self.path.contains('@')
            && port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit()))
    }

    /// What follows, without the first `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The location of the directory that holds this object, and the object's key in there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the path is empty.
    pub fn split_object(mut self) -> Result<(Self, Key)> {
        // A key may end in `/`: then its last segment takes the `/` along.
        let body = self.path.strip_suffix('/').unwrap_or(&self.path);
        let at = body.rfind('/').map_or(0, |slash| slash + 1);
        let name = self.path.split_off(at);
        if name.is_empty() {
            return Err(
                Error::new(ErrorKind::InvalidInput, "the URL names no object").with_name(self.to_string())
            );
        }
        Ok((self, Key::new(name)?))
    }
}

fn is_scheme(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && text.bytes().all(valid)
}

/// The text without what stands before an `@`, where people put passwords.
fn hide_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}{}…@{after}", if scheme.is_empty() { "" } else { "://" })
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for Location {
    /// The URL without its user part, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (true, Some((_, after))) = (self.is_cut(), self.path.rsplit_once('@')) {
            return write!(f, "{}://…@{after}", self.scheme);
        }
        let host = self.authority.rsplit('@').next().unwrap_or("");
        write!(f, "{}://{host}/{}", self.scheme, self.path)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn parse() {
        let check = |url: &str, expect: Option<(&str, &str, &str)>| {
            let parsed = Location::parse(url).ok();
            assert_eq!(parsed.as_ref().map(|l| (l.scheme(), l.authority(), l.path())), expect, "{url}");
        };
        check("s3://b/k", Some(("s3", "b", "k")));
        check("S3://b", Some(("s3", "b", "")));
        check("file:///a/b", Some(("file", "", "a/b")));
        check("s3://b//k", Some(("s3", "b", "/k")));
        check("sftp://u@h:22/p", Some(("sftp", "u@h:22", "p")));
        check("/a/b", None);
        check("://x", None);
        check("a b://x", None);
    }

    #[test]
    fn passwords_are_not_shown() {
        let check = |url: &str, has: bool, shown: &str| {
            let location = Location::parse(url).expect("a URL");
            assert_eq!((location.has_password(), location.to_string().as_str()), (has, shown), "{url}");
        };
        check("s3://b/k", false, "s3://b/k");
        check("s3://b/k:x@y", false, "s3://b/k:x@y");
        check("sftp://u@h:22/p@q", false, "sftp://h:22/p@q");
        check("sftp://h:22/p@q", false, "sftp://h:22/p@q");
        check("sftp://[::1]/p@q", false, "sftp://[::1]/p@q");
        check("s3://AK:hunter2@b/k", true, "s3://b/k");
        check("s3://AK:hun/ter2@b/k", true, "s3://…@b/k");
    }

    #[test]
    fn split() {
        let check = |url: &str, parent: &str, name: &str| {
            let (location, key) = Location::parse(url).and_then(Location::split_object).expect("an object");
            assert_eq!((location.path(), key.as_str()), (parent, name), "{url}");
        };
        check("s3://b/k", "", "k");
        check("s3://b/a/k", "a/", "k");
        check("s3://b/a//k", "a//", "k");
        check("s3://b/a/k/", "a/", "k/");
        assert!(Location::parse("s3://b/").and_then(Location::split_object).is_err());
    }

    #[test]
    fn secrets_stay_hidden() {
        let location = Location::parse("sftp://me:secret@host/p").expect("a URL");
        assert!(!format!("{location} {location:?}").contains("secret"));
        let error = Location::parse("me:secret@host").expect_err("no URL");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

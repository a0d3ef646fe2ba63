//! What is known of an object: size, times, version, attributes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use crate::checksum::Checksums;

macro_rules! opaque_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text as the service gave it.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The text as the service gave it.
            pub fn as_str(&self) -> &str {
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
    };
}

opaque_text! {
    /// Names the content of an object at one moment. Two equal ETags of one key mean equal content; two different
    /// ones mean nothing. Opaque: never parsed, never compared across backends.
    ETag
}

opaque_text! {
    /// Names one stored version of an object, by which it can be read after newer ones were written.
    Version
}

/// What stands at a name.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Ordinary content.
    #[default]
    File,
    /// A symbolic link, handled as an object whose content is its target. Only where
    /// [`Capabilities::symlinks`](crate::Capabilities::symlinks) says so.
    Symlink,
    /// A directory, where the backend has real ones.
    Directory,
}

/// Permissions and owner as POSIX has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // the three are what POSIX has
pub struct UnixAttributes {
    /// The permission bits, the lowest twelve of `st_mode`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// What a writer sets beside the content, and what survives a copy (clause WRITE-7).
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`. Stored and returned, never applied.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// The user's own names and values. Names are lower-case ASCII letters, digits, `-`, `_` and `.`.
    pub user: BTreeMap<String, String>,
}

impl Attributes {
    /// No attribute.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no attribute is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The content headers that are set, by their names in lower case, such as `content-type`.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("content-type", &self.content_type),
            ("content-encoding", &self.content_encoding),
            ("content-language", &self.content_language),
            ("content-disposition", &self.content_disposition),
            ("cache-control", &self.cache_control),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Sets a content header by its name in lower case. Says whether it is one of [`headers`](Attributes::headers)'.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) -> bool {
        let header = match name {
            "content-type" => &mut self.content_type,
            "content-encoding" => &mut self.content_encoding,
            "content-language" => &mut self.content_language,
            "content-disposition" => &mut self.content_disposition,
            "cache-control" => &mut self.cache_control,
            _ => return false,
        };
        *header = Some(value.into());
        true
    }

    /// Whether one of the content headers is set.
    pub fn has_headers(&self) -> bool {
        self.headers().next().is_some()
    }
}

/// What is known of an object or directory.
///
/// A stat knows everything the backend can tell. A listing entry may leave out `attributes` and `checksums`, and what
/// it has agrees with a stat (clause LIST-5).
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The length of the content in bytes.
    pub size: u64,
    /// What stands at the name.
    pub kind: FileKind,
    /// When the content was last modified.
    pub modified: Option<SystemTime>,
    /// Names the content.
    pub etag: Option<ETag>,
    /// Names the stored version, where the backend keeps versions.
    pub version: Option<Version>,
    /// Whether this version is the newest. `false` only in a listing of versions.
    pub is_latest: bool,
    /// Whether this version marks a deletion. `true` only in a listing of versions.
    pub is_delete_marker: bool,
    /// The token of the write that made it, where [`Capabilities::write_token`](crate::Capabilities::write_token). A
    /// copy has none.
    pub token: Option<String>,
    /// Permissions and owner, where the backend has them.
    pub unix: Option<UnixAttributes>,
    /// Content headers and user metadata.
    pub attributes: Attributes,
    /// Checksums of the content that the service keeps, or that were computed on the way.
    pub checksums: Checksums,
}

impl Metadata {
    /// Metadata of a file of `size` bytes, nothing else known.
    pub fn new(size: u64) -> Self {
        Self { size, is_latest: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::Attributes;

    #[test]
    fn user_metadata_is_no_header() {
        let mut attributes = Attributes::new();
        attributes.user.insert("a".into(), "b".into());
        assert!(!attributes.is_empty() && !attributes.has_headers());
    }

    /// What one of the two knows the other knows as well.
    #[test]
    fn headers_by_name() {
        let mut attributes = Attributes::new();
        for name in
            ["content-type", "content-encoding", "content-language", "content-disposition", "cache-control"]
        {
            assert!(attributes.set_header(name, name));
        }
        assert!(!attributes.set_header("etag", "x"));
        assert_eq!(attributes.headers().count(), 5);
        assert!(attributes.headers().all(|(name, value)| name == value));
    }
}

//! Keys as the protocol writes them in URLs, headers, listings and XML.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use storage_core::{Error, ErrorKind, Key, Prefix, Result, Version};

/// What paths and copy sources keep as it is, by RFC 3986.
pub(crate) const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// What a value of a query keeps.
pub(crate) const QUERY: &AsciiSet = &KEPT.add(b'/');

/// The header that names the source of a copy.
pub(crate) fn copy_source(bucket: &str, key: &Key, version: Option<&Version>) -> String {
    let path = utf8_percent_encode(key.as_str(), KEPT);
    match version {
        Some(version) => {
            format!("{bucket}/{path}?versionId={}", utf8_percent_encode(version.as_str(), NON_ALPHANUMERIC))
        }
        None => format!("{bucket}/{path}"),
    }
}

/// A name of a listing, which was asked for in percent-encoding so that any name can stand in XML. Services write a
/// blank as `+`.
pub(crate) fn decode(listed: &str) -> Result<String> {
    let spaced = listed.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(|name| name.into_owned())
        .map_err(|_| Error::new(ErrorKind::InvalidKey, "the name is not UTF-8").with_name(listed).for_entry())
}

/// How the names of one answer are written. A service that knows no encoding leaves the mark out with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) encoded: bool,
}

impl Names {
    pub(crate) fn key(self, listed: &str) -> Result<Key> {
        let name = self.text(listed)?;
        Key::new(&*name).map_err(|e| e.with_name(name).for_entry())
    }

    pub(crate) fn prefix(self, listed: &str) -> Result<Prefix> {
        let name = self.text(listed)?;
        Prefix::new(&*name).map_err(|e| e.with_name(name).for_entry())
    }

    /// Where the next page begins. Some services encode names and leave the marker as it is: then it is one of the
    /// names that came last.
    pub(crate) fn marker<'a>(
        self,
        told: &str,
        last: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Result<String> {
        let plain = last.into_iter().flatten().any(|name| self.text(name).is_ok_and(|name| name == told));
        if plain { Ok(told.to_owned()) } else { Ok(self.text(told)?.into_owned()) }
    }

    fn text(self, listed: &str) -> Result<Cow<'_, str>> {
        let plain = !self.encoded || !listed.contains(['%', '+']);
        if plain { Ok(Cow::Borrowed(listed)) } else { decode(listed).map(Cow::Owned) }
    }
}

/// Whether XML 1.0 can hold the key, so that it may stand in the body of a request.
pub(crate) fn fits_xml(key: &Key) -> bool {
    // A carriage return would come out as a line feed.
    key.as_str().chars().all(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::{Names, copy_source, decode, fits_xml};
    use storage_core::{Key, Version};

    #[test]
    fn names() {
        let key = |text: &str| Key::new(text).expect("a key");
        assert_eq!(copy_source("b", &key("a b/ü+%"), None), "b/a%20b/%C3%BC%2B%25");
        assert_eq!(copy_source("b", &key("k"), Some(&Version::new("v/1"))), "b/k?versionId=v%2F1");
        assert_eq!(decode("a+b%2Bc%25%2F").expect("UTF-8"), "a b+c%/");
        let (encoded, plain) = (Names { encoded: true }, Names { encoded: false });
        assert_eq!(plain.key("a+b%2Fc").expect("a key").as_str(), "a+b%2Fc");
        assert_eq!(encoded.marker("a%2Bb", [Some("a%2Bb")]).expect("UTF-8"), "a+b");
        assert_eq!(encoded.marker("a+b", [None, Some("a%2Bb")]).expect("UTF-8"), "a+b");
        assert!(decode("%FF").expect_err("no UTF-8").to_string().contains("%FF"));
        assert!(fits_xml(&key("a\tb\n<&>")) && !fits_xml(&key("a\u{1}b")) && !fits_xml(&key("a\rb")));
    }
}

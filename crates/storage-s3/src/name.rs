//! Keys as the protocol writes them in headers, listings and XML.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use storage_core::{Error, ErrorKind, Key, Prefix, Result, Version};

/// What a copy source keeps as it is, by RFC 3986.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

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
    decoded.map(|name| name.into_owned()).map_err(|_| {
        Error::new(ErrorKind::InvalidKey, "the name is not UTF-8").with_name(listed).for_entry()
    })
}

pub(crate) fn listed_key(listed: &str) -> Result<Key> {
    let name = decode(listed)?;
    Key::new(&name).map_err(|e| e.with_name(name).for_entry())
}

pub(crate) fn listed_prefix(listed: &str) -> Result<Prefix> {
    let name = decode(listed)?;
    Prefix::new(&name).map_err(|e| e.with_name(name).for_entry())
}

/// Whether XML 1.0 can hold the key, so that it may stand in the body of a request.
pub(crate) fn fits_xml(key: &Key) -> bool {
    // A carriage return would come out as a line feed.
    key.as_str().chars().all(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::{copy_source, decode, fits_xml};
    use storage_core::{Key, Version};

    #[test]
    fn names() {
        let key = |text: &str| Key::new(text).expect("a key");
        assert_eq!(copy_source("b", &key("a b/ü+%"), None), "b/a%20b/%C3%BC%2B%25");
        assert_eq!(copy_source("b", &key("k"), Some(&Version::new("v/1"))), "b/k?versionId=v%2F1");
        assert_eq!(decode("a+b%2Bc%25%2F").expect("UTF-8"), "a b+c%/");
        assert!(decode("%FF").expect_err("no UTF-8").to_string().contains("%FF"));
        assert!(fits_xml(&key("a\tb\n<&>")) && !fits_xml(&key("a\u{1}b")) && !fits_xml(&key("a\rb")));
    }
}

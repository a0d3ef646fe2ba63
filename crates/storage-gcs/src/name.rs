//! Keys in URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage_core::{Error, ErrorKind, Key, Result};

/// What RFC 3986 leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// One segment of a path, or a value of a query. A key is one segment: its own slashes are encoded, so that nobody on
/// the way takes `..` in it for a step up.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A key with its slashes.
pub(crate) fn slashed(key: &Key) -> String {
    utf8_percent_encode(key.as_str(), PATH).to_string()
}

/// A key in a URL that others open: with its slashes, unless they would take its segments for steps.
pub(crate) fn encode_path(key: &Key) -> String {
    let steps = key.as_str().split('/').any(|segment| matches!(segment, "." | ".."));
    if steps { encode(key.as_str()) } else { slashed(key) }
}

/// What the service takes for no name, told before any byte is sent (clause KEY-2).
pub(crate) fn check(key: &Key) -> Result<()> {
    let text = key.as_str();
    let why = if text.contains(['\r', '\n']) {
        "Google Cloud Storage takes no line breaks in names"
    } else if matches!(text, "." | "..") {
        "Google Cloud Storage takes no object of this name"
    } else if text.starts_with(".well-known/acme-challenge/") {
        "Google Cloud Storage keeps names under `.well-known/acme-challenge/` for itself"
    } else if crate::part::is_part(text) {
        "such names are kept for parts of uploads"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidKey, why))
}

#[cfg(test)]
mod tests {
    use super::{check, encode, encode_path};
    use storage_core::Key;

    #[test]
    fn names() {
        let key = |text: &str| Key::new(text).expect("a key");
        assert_eq!(encode("a/b ü+%"), "a%2Fb%20%C3%BC%2B%25");
        assert_eq!(encode_path(&key("a//b c")), "a//b%20c");
        assert_eq!(encode_path(&key("a/../b")), "a%2F..%2Fb");
        for wrong in ["a\nb", "..", ".well-known/acme-challenge/x", ".haul-part-0f-1"] {
            assert!(check(&key(wrong)).is_err(), "{wrong}");
        }
        assert!(check(&key("a/..")).is_ok());
    }
}

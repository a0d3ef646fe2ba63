//! Keys as names of blobs, and names of user metadata as the service takes them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage_core::{Error, ErrorKind, Key, Result};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
/// The most that the service takes.
const SEGMENTS_MAX: usize = 254;
/// How the escaped name of user metadata begins.
const ESCAPED: &str = "haul_x_";

/// What the service would take for another name, told before any byte is sent (clause KEY-2): it has no error for
/// that, and would overwrite another blob.
pub(crate) fn check(key: &Key) -> Result<()> {
    let text = key.as_str();
    let why = if text.contains('\\') {
        "Azure takes `\\` for `/`"
    } else if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        "Azure takes `.` and `..` for steps"
    } else if text.split('/').any(|segment| segment.ends_with('.')) {
        "Azure drops dots at the end of a segment"
    } else if text.contains(['\u{fffe}', '\u{ffff}']) || text.chars().any(|c| c.is_control()) {
        "Azure takes no control characters in names"
    } else if text.split('/').count() > SEGMENTS_MAX {
        "Azure takes at most 254 segments"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidKey, why))
}

/// One value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A key as the path of a URL.
pub(crate) fn encode_path(key: &Key) -> String {
    utf8_percent_encode(key.as_str(), PATH).to_string()
}

/// A name of user metadata as the service takes it: a C# identifier. What is none is escaped, byte by byte.
pub(crate) fn metadata_name(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if starts && name.bytes().all(plain) && !name.starts_with(ESCAPED) {
        return name.to_owned();
    }
    let escape = |b: u8| match b {
        b'a'..=b'z' | b'0'..=b'9' => char::from(b).to_string(),
        _ => format!("_{b:02x}"),
    };
    format!("{ESCAPED}{}", name.bytes().map(escape).collect::<String>())
}

/// The other way round. What nobody escaped is what it is.
pub(crate) fn plain_metadata_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix(ESCAPED).and_then(unescape).unwrap_or(name)
}

fn unescape(escaped: &str) -> Option<String> {
    let mut plain = Vec::new();
    let mut rest = escaped.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'_' {
            let (digits, behind) = behind.split_at_checked(2)?;
            plain.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::{check, encode_path, metadata_name, plain_metadata_name};
    use storage_core::Key;

    #[test]
    fn keys() {
        let key = |text: &str| Key::new(text).expect("a key");
        assert_eq!(encode_path(&key("a//b ü+%")), "a//b%20%C3%BC%2B%25");
        for fine in ["a", "a//b", ".a", "a..b", " a ", "a/"] {
            assert!(check(&key(fine)).is_ok(), "{fine}");
        }
        for wrong in ["a\\b", ".", "a/../b", "a.", "a./b", "\u{1}", "a\nb", "\u{ffff}"] {
            assert!(check(&key(wrong)).is_err(), "{wrong}");
        }
        assert!(check(&key(&"/".repeat(254))).is_err());
    }

    #[test]
    fn metadata_names_come_back() {
        for name in ["owner", "x-1_2.3", "1st", "haul-write", "haul_x_a", "_", "-", ""] {
            let sent = metadata_name(name);
            let mut bytes = sent.bytes();
            assert!(bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_'), "{sent}");
            assert!(bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{sent}");
            assert_eq!(plain_metadata_name(&sent), name);
        }
        assert_eq!(metadata_name("a-b"), "haul_x_a_2db");
        assert_eq!(plain_metadata_name("Upper"), "upper");
        assert_eq!(plain_metadata_name("haul_x_a_2"), "haul_x_a_2");
    }
}

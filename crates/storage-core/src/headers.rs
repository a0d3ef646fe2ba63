//! User metadata in headers, which take printable ASCII and drop blanks at either end, and the write's token among it.
//!
//! Every service that keeps user metadata keeps it as headers somewhere on the way, and none has another place for the
//! token of a write: backends send and read both in this one form.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checksum::Algorithm;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;

/// The name under which a write's token is kept with its object.
const TOKEN: &str = "haul-write";

/// User metadata, and the token of the write that makes the object at `key`, as names and values that headers carry
/// unchanged: a value that is not plain ASCII, or would lose blanks, is written as RFC 2047 has it.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if a name is the one that the token is kept under.
///
/// ```
/// use std::collections::BTreeMap;
/// use storage_core::{Key, decode_user_metadata, encode_user_metadata};
///
/// # fn main() -> storage_core::Result<()> {
/// let (key, user) = (Key::new("a")?, BTreeMap::from([("owner".to_owned(), "käse".to_owned())]));
/// let sent = encode_user_metadata(&user, &key, Some("token"))?;
/// assert_eq!(sent["owner"], "=?UTF-8?B?a8Okc2U=?=");
/// let sent = sent.iter().map(|(name, value)| (name.as_str(), value.as_str()));
/// assert_eq!(decode_user_metadata(sent, &key), (user, Some("token".to_owned())));
/// # Ok(()) }
/// ```
pub fn encode_user_metadata(
    user: &BTreeMap<String, String>,
    key: &Key,
    token: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    if user.contains_key(TOKEN) {
        let message = format!("user metadata `{TOKEN}` is kept for the token of the write");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut all: BTreeMap<String, String> =
        user.iter().map(|(name, value)| (name.clone(), encode_value(value))).collect();
    if let Some(token) = token {
        all.insert(TOKEN.to_owned(), format!("{token}-{}", place(key)));
    }
    Ok(all)
}

/// User metadata and the token out of what came back for the object at `key`. A copy that the service made carries the
/// token along, but not to the place it was made for: there it counts for nothing.
pub fn decode_user_metadata<'a>(
    carried: impl IntoIterator<Item = (&'a str, &'a str)>,
    key: &Key,
) -> (BTreeMap<String, String>, Option<String>) {
    let mut user = BTreeMap::new();
    let mut token = None;
    for (name, value) in carried {
        let name = name.to_ascii_lowercase();
        if name == TOKEN {
            let written_here = value.rsplit_once('-').filter(|(_, at)| *at == place(key));
            token = written_here.map(|(token, _)| token.to_owned());
        } else {
            user.insert(name, decode_value(value));
        }
    }
    (user, token)
}

/// A short name of the key, by which a token tells the object that it was written with from a copy.
fn place(key: &Key) -> String {
    Algorithm::Xxh3.digest(key.as_str().as_bytes()).to_hex()
}

/// RFC 2047 writes text in headers as `=?UTF-8?B?…?=`; the service itself answers so.
fn encode_value(value: &str) -> String {
    let plain = value.bytes().all(|b| matches!(b, b' '..=b'~'))
        && value.trim_matches(' ').len() == value.len()
        && !value.is_empty()
        && !value.starts_with("=?");
    if plain { value.to_owned() } else { format!("=?UTF-8?B?{}?=", BASE64.encode(value)) }
}

fn decode_value(value: &str) -> String {
    let decoded = value
        .strip_prefix("=?UTF-8?B?")
        .and_then(|rest| rest.strip_suffix("?="))
        .and_then(|text| BASE64.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{TOKEN, decode_user_metadata, decode_value, encode_user_metadata, encode_value};
    use crate::key::Key;

    #[test]
    fn values_come_back() {
        for value in ["plain", "", " ", " edge ", "käse", "=?UTF-8?B?eA==?=", "=?x", "a=?b", "日本"] {
            let sent = encode_value(value);
            assert!(
                sent.bytes().all(|b| (b' '..=b'~').contains(&b)) && sent.trim() == sent && !sent.is_empty()
            );
            assert_eq!(decode_value(&sent), value);
        }
    }

    #[test]
    fn a_token_counts_only_where_it_was_written() {
        let (here, there) = (Key::new("a").expect("a key"), Key::new("b").expect("a key"));
        let sent = encode_user_metadata(&BTreeMap::new(), &here, Some("t")).expect("no reserved name");
        let sent = || sent.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(decode_user_metadata(sent(), &here).1.as_deref(), Some("t"));
        assert_eq!(decode_user_metadata(sent(), &there), (BTreeMap::new(), None));
        assert_eq!(decode_user_metadata([(TOKEN, "odd")], &here).1, None);
        let reserved = BTreeMap::from([(TOKEN.to_owned(), String::new())]);
        assert!(encode_user_metadata(&reserved, &here, None).is_err());
    }
}

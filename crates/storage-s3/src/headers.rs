//! User metadata in headers, which take printable ASCII and drop blanks at either end, and the write's token among it.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{Algorithm, Error, ErrorKind, Key, Result};

/// The name under which a write's token is kept with its object.
pub(crate) const TOKEN: &str = "haul-write";

/// What goes into the `x-amz-meta-` headers.
pub(crate) fn encode(
    user: &BTreeMap<String, String>,
    key: &Key,
    token: Option<&str>,
) -> Result<HashMap<String, String>> {
    if user.contains_key(TOKEN) {
        let message = format!("user metadata `{TOKEN}` is kept for the token of the write");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut all: HashMap<String, String> =
        user.iter().map(|(name, value)| (name.clone(), encode_value(value))).collect();
    if let Some(token) = token {
        all.insert(TOKEN.to_owned(), format!("{token}-{}", place(key)));
    }
    Ok(all)
}

/// User metadata and the token out of what came back.
pub(crate) fn decode(
    sent: Option<&HashMap<String, String>>,
    key: &Key,
) -> (BTreeMap<String, String>, Option<String>) {
    let mut user = BTreeMap::new();
    let mut token = None;
    for (name, value) in sent.into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        if name == TOKEN {
            // A copy by the service takes the token along, but not to the place it was made for.
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
    use std::collections::{BTreeMap, HashMap};

    use super::{TOKEN, decode, decode_value, encode, encode_value};
    use storage_core::Key;

    #[test]
    fn values_come_back() {
        for value in ["plain", "", " ", " edge ", "käse", "=?UTF-8?B?eA==?=", "=?x", "a=?b", "日本"] {
            let sent = encode_value(value);
            assert!(sent.bytes().all(|b| (b' '..=b'~').contains(&b)) && sent.trim() == sent && !sent.is_empty());
            assert_eq!(decode_value(&sent), value);
        }
    }

    #[test]
    fn a_token_counts_only_where_it_was_written() {
        let (here, there) = (Key::new("a").expect("a key"), Key::new("b").expect("a key"));
        let sent = encode(&BTreeMap::new(), &here, Some("t")).expect("no reserved name");
        assert_eq!(decode(Some(&sent), &here).1.as_deref(), Some("t"));
        assert_eq!(decode(Some(&sent), &there), (BTreeMap::new(), None));
        let foreign = HashMap::from([(TOKEN.to_owned(), "odd".to_owned())]);
        assert_eq!(decode(Some(&foreign), &here).1, None);
        assert!(encode(&BTreeMap::from([(TOKEN.to_owned(), String::new())]), &here, None).is_err());
    }
}

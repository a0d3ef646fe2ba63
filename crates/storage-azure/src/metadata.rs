//! What answers tell of a blob.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use azure_core::http::headers::{HeaderName, Headers};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{
    Algorithm, Attributes, Checksum, Checksums, ETag, Error, ErrorKind, Key, Metadata, Result, Version,
    decode_user_metadata, encode_user_metadata,
};

use crate::error::{is_service, no_service};
use crate::name::{metadata_name, plain_metadata_name};

/// The type given to blobs written without one, which is no type at all: the service would make one up.
pub(crate) const NO_TYPE: &str = "binary/octet-stream";

/// What the headers of an answer tell of a blob of `size` bytes.
pub(crate) fn of_headers(headers: &Headers, size: u64, key: &Key, versions: bool) -> Result<Metadata> {
    let mut found = Metadata::new(size);
    found.etag = Some(told_etag(headers)?);
    found.modified = header(headers, "last-modified").and_then(time);
    found.version = header(headers, "x-ms-version-id").filter(|_| versions).map(Version::new);
    let carried: Vec<(String, &str)> = headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-ms-meta-")?;
            Some((plain_metadata_name(name), value.as_str()))
        })
        .collect();
    let carried = carried.iter().map(|(name, value)| (name.as_str(), *value));
    let (user, token) = decode_user_metadata(carried, key);
    found.token = token;
    found.attributes.content_type =
        header(headers, "content-type").filter(|told| *told != NO_TYPE).map(str::to_owned);
    let text = |name: &'static str| header(headers, name).filter(|told| !told.is_empty()).map(str::to_owned);
    found.attributes.content_encoding = text("content-encoding");
    found.attributes.content_language = text("content-language");
    found.attributes.content_disposition = text("content-disposition");
    found.attributes.cache_control = text("cache-control");
    found.attributes.user = user;
    // A range has an MD5 of its own under the other name.
    let whole = header(headers, "x-ms-blob-content-md5");
    let md5 = whole
        .or_else(|| header(headers, "content-md5").filter(|_| header(headers, "content-range").is_none()));
    found.checksums = md5_of(md5);
    Ok(found)
}

/// The value of a header, by its name in lower case.
pub(crate) fn header<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}

/// The ETag of an answer, which every answer about a blob has.
pub(crate) fn told_etag(headers: &Headers) -> Result<ETag> {
    let told = header(headers, "etag").filter(|told| !told.is_empty() && is_service(headers));
    told.map(etag).ok_or_else(no_service)
}

/// Headers name ETags with quotes, listings without.
pub(crate) fn etag(text: &str) -> ETag {
    if text.starts_with('"') { ETag::new(text) } else { ETag::new(format!("\"{text}\"")) }
}

/// The checksums that the service keeps: an MD5 that whoever wrote the blob gave, or none.
pub(crate) fn md5_of(told: Option<&str>) -> Checksums {
    let md5 = told.and_then(|text| BASE64.decode(text).ok());
    md5.and_then(|bytes| Checksum::new(Algorithm::Md5, &bytes).ok()).into_iter().collect()
}

/// Refuses content headers that no header can carry. Unlike user metadata they are the reader's, and have no other form.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn check_headers(attributes: &Attributes) -> Result<()> {
    let headers = [
        ("content type", &attributes.content_type),
        ("content encoding", &attributes.content_encoding),
        ("content language", &attributes.content_language),
        ("content disposition", &attributes.content_disposition),
        ("cache control", &attributes.cache_control),
    ];
    for (name, value) in headers {
        if value.as_ref().is_some_and(|value| !value.bytes().all(|b| matches!(b, b' '..=b'~'))) {
            let message =
                format!("the {name} holds characters that no header can carry: it takes plain ASCII");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// User metadata, and the token of a write, as the service takes them.
pub(crate) fn user(
    user: &BTreeMap<String, String>,
    key: &Key,
    token: Option<&str>,
) -> Result<HashMap<String, String>> {
    let carried = encode_user_metadata(user, key, token)?;
    Ok(carried.into_iter().map(|(name, value)| (metadata_name(&name), value)).collect())
}

pub(crate) fn time(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let seconds = u64::try_from(time.as_second()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use azure_core::http::headers::Headers;
    use storage_core::{Algorithm, Key};

    use super::{etag, of_headers, time};

    #[test]
    fn small_print() {
        assert_eq!(etag("0x8D"), etag("\"0x8D\""));
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        assert_eq!(time("Wed, 21 Oct 2015 07:28:00 GMT"), Some(expected));
    }

    #[test]
    fn headers_of_a_range() {
        let mut headers = Headers::new();
        headers.insert("etag", "\"0x1\"");
        headers.insert("x-ms-version", "2024-11-04");
        headers.insert("content-range", "bytes 0-3/9");
        headers.insert("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
        headers.insert("x-ms-blob-content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
        headers.insert("x-ms-meta-haul_x_a_2db", "=?UTF-8?B?a8Okc2U=?=");
        let found = of_headers(&headers, 9, &Key::new("a").expect("a key"), false).expect("all there");
        assert_eq!(found.checksums.get(Algorithm::Md5), Some(Algorithm::Md5.digest(b"123456789")));
        assert_eq!(found.attributes.user["a-b"], "käse");
        assert!(of_headers(&Headers::new(), 9, &Key::new("a").expect("a key"), false).is_err());
    }
}

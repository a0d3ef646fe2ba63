//! What answers tell of an object.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use storage_core::{ETag, Key, Metadata, Version, decode_user_metadata};

use crate::checksum;
use crate::headers::{NO_TYPE, USER};
use crate::wire::Answer;

/// What the answer to GET or HEAD tells of the object at `key`, which has `size` bytes.
pub(crate) fn of_answer(answer: &Answer, size: u64, key: &Key, versions: bool) -> Metadata {
    let text = |name: &str| answer.header(name).map(str::to_owned);
    let (user, token) = decode_user_metadata(answer.headers_after(USER), key);
    let mut found = Metadata::new(size);
    found.modified = answer.header("last-modified").and_then(header_time);
    found.etag = answer.header("etag").map(etag);
    found.version = versions.then(|| version(answer.header("x-amz-version-id")));
    found.token = token;
    found.attributes.content_type = text("content-type").filter(|t| t != NO_TYPE);
    found.attributes.content_encoding = answer.header("content-encoding").and_then(content_encoding);
    found.attributes.content_language = text("content-language");
    found.attributes.content_disposition = text("content-disposition");
    found.attributes.cache_control = text("cache-control");
    found.attributes.user = user;
    found.checksums = checksum::told_by(answer);
    found
}

/// Services name ETags with quotes or without, headers and listings of one service not always alike.
pub(crate) fn etag(text: &str) -> ETag {
    if text.starts_with('"') || text.starts_with("W/") {
        ETag::new(text)
    } else {
        ETag::new(format!("\"{text}\""))
    }
}

/// An object written before the bucket kept versions has the version `null`.
pub(crate) fn version(id: Option<&str>) -> Version {
    Version::new(id.unwrap_or("null"))
}

/// To the second, as headers have it: some services tell more in listings.
pub(crate) fn time(told: &DateTime) -> SystemTime {
    let seconds = told.secs();
    match u64::try_from(seconds) {
        Ok(after) => SystemTime::UNIX_EPOCH + Duration::from_secs(after),
        Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
    }
}

/// A time as headers tell it.
fn header_time(told: &str) -> Option<SystemTime> {
    rfc2822::DateTimeParser::new().parse_timestamp(told).ok().map(SystemTime::from)
}

/// A time as listings tell it, to the second, as headers have it.
pub(crate) fn listed_time(told: &str) -> Option<SystemTime> {
    let told: Timestamp = told.parse().ok()?;
    Timestamp::from_second(told.as_second()).ok().map(SystemTime::from)
}

/// A length or size, which the vendor's types hold with a sign.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// `aws-chunked` is how a body travelled to a service, which some keep as if it were the object's.
fn content_encoding(told: &str) -> Option<String> {
    let kept: Vec<&str> = told.split(',').map(str::trim).filter(|e| *e != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", ")).filter(|kept| !kept.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{content_encoding, etag, header_time, listed_time};

    #[test]
    fn small_print() {
        assert_eq!(etag("abc").as_str(), "\"abc\"");
        assert_eq!(etag("\"abc\""), etag("abc"));
        assert_eq!(content_encoding("aws-chunked"), None);
        assert_eq!(content_encoding("gzip,aws-chunked").as_deref(), Some("gzip"));
        let told = header_time("Fri, 02 Jan 2026 03:04:05 GMT");
        assert!(told.is_some());
        assert_eq!(listed_time("2026-01-02T03:04:05.678Z"), told);
        assert_eq!(listed_time("yesterday"), None);
    }
}

//! What answers tell of an object.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use storage_core::{Algorithm, ETag, Key, Metadata, Version, decode_user_metadata};

use crate::checksum;

/// The type that the service gives to objects written without one, which is no type at all.
pub(crate) const NO_TYPE: &str = "binary/octet-stream";

/// What the answers to GET and HEAD have in common.
macro_rules! tell {
    ($answer:expr, $size:expr, $key:expr, $versions:expr) => {{
        let answer = $answer;
        let (user, token) = $crate::metadata::user(answer.metadata(), $key);
        let mut found = Metadata::new($size);
        found.modified = answer.last_modified().map(time);
        found.etag = answer.e_tag().map(etag);
        found.version = $versions.then(|| version(answer.version_id()));
        found.token = token;
        found.attributes.content_type = answer.content_type().filter(|t| *t != NO_TYPE).map(str::to_owned);
        found.attributes.content_encoding = answer.content_encoding().and_then(content_encoding);
        found.attributes.content_language = answer.content_language().map(str::to_owned);
        found.attributes.content_disposition = answer.content_disposition().map(str::to_owned);
        found.attributes.cache_control = answer.cache_control().map(str::to_owned);
        found.attributes.user = user;
        found.checksums = checksum::told([
            (Algorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
            (Algorithm::Crc32c, answer.checksum_crc32_c()),
            (Algorithm::Sha1, answer.checksum_sha1()),
            (Algorithm::Sha256, answer.checksum_sha256()),
        ]);
        found
    }};
}

pub(crate) fn of_head(answer: &HeadObjectOutput, key: &Key, versions: bool) -> Metadata {
    tell!(answer, answer.content_length().map_or(0, unsigned), key, versions)
}

pub(crate) fn of_get(answer: &GetObjectOutput, size: u64, key: &Key, versions: bool) -> Metadata {
    tell!(answer, size, key, versions)
}

/// User metadata and the write's token out of an answer.
pub(crate) fn user(
    sent: Option<&HashMap<String, String>>,
    key: &Key,
) -> (BTreeMap<String, String>, Option<String>) {
    let sent = sent.into_iter().flatten();
    decode_user_metadata(sent.map(|(name, value)| (name.as_str(), value.as_str())), key)
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
    use super::{content_encoding, etag};

    #[test]
    fn small_print() {
        assert_eq!(etag("abc").as_str(), "\"abc\"");
        assert_eq!(etag("\"abc\""), etag("abc"));
        assert_eq!(content_encoding("aws-chunked"), None);
        assert_eq!(content_encoding("gzip,aws-chunked").as_deref(), Some("gzip"));
    }
}

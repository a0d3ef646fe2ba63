//! An object as the JSON interface describes it, and as the headers of a download do.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use storage_core::{
    Algorithm, Attributes, Checksum, Checksums, ETag, Error, ErrorKind, Key, Metadata, Result, Version,
    decode_user_metadata, encode_user_metadata,
};

use crate::checksum::Crc;
use crate::config::Config;
use crate::error::broken;
use crate::part;

/// The type given to objects written without one, which is no type at all: the service would make one up.
const NO_TYPE: &str = "binary/octet-stream";
/// What downloads of objects without `Cache-Control` say.
const NO_CACHE_CONTROL: [&str; 2] = ["private, max-age=0", "public, max-age=3600"];

/// What is asked of an object's description.
pub(crate) const FIELDS: &str = "name,size,generation,timeCreated,timeDeleted,contentType,contentEncoding,\
                                 contentLanguage,contentDisposition,cacheControl,metadata,crc32c,md5Hash";

/// The description of an object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    #[serde(default)]
    pub(crate) name: String,
    // Numbers of 64 bits are text in JSON.
    size: Option<String>,
    pub(crate) generation: String,
    time_created: Option<String>,
    time_deleted: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    cache_control: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    crc32c: Option<String>,
    md5_hash: Option<String>,
}

impl Resource {
    /// As the contract has it.
    pub(crate) fn metadata(&self, key: &Key, versions: bool) -> Result<Metadata> {
        let mut found = Metadata::new(self.size()?);
        found.modified = self.created();
        found.etag = Some(etag(&self.generation));
        found.version = versions.then(|| Version::new(self.generation.as_str()));
        found.is_latest = self.time_deleted.is_none();
        let carried = self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (user, token) = decode_user_metadata(carried, key);
        found.token = token;
        found.attributes.content_type = content_type(self.content_type.as_deref());
        found.attributes.content_encoding = some(self.content_encoding.as_deref());
        found.attributes.content_language = some(self.content_language.as_deref());
        found.attributes.content_disposition = some(self.content_disposition.as_deref());
        found.attributes.cache_control = cache_control(self.cache_control.as_deref());
        found.attributes.user = user;
        found.checksums = checksums([
            (Algorithm::Crc32c, self.crc32c.as_deref()),
            (Algorithm::Md5, self.md5_hash.as_deref()),
        ]);
        Ok(found)
    }

    /// The key that this is a part for, if it is one.
    pub(crate) fn part_of(&self) -> Option<&str> {
        self.metadata.get(part::KEY).map(String::as_str)
    }

    pub(crate) fn size(&self) -> Result<u64> {
        let told = self.size.as_deref().and_then(|size| size.parse().ok());
        told.ok_or_else(|| broken("the service tells no size"))
    }

    /// When the content was made: to the second, as the headers of a download have it.
    pub(crate) fn created(&self) -> Option<SystemTime> {
        let time: jiff::Timestamp = self.time_created.as_deref()?.parse().ok()?;
        Some(to_second(time))
    }

    /// Holds what the service tells of what it took against what was sent (clause WRITE-8).
    pub(crate) fn verify(&self, crc: Crc) -> Result<()> {
        match self.crc32c.as_deref() {
            Some(told) if told != crc.to_base64() => {
                let message = "the service tells another checksum than that of what was sent";
                Err(Error::new(ErrorKind::InvalidData, message).maybe_applied())
            }
            _ => Ok(()),
        }
    }

    /// Whether the service says that it holds this.
    pub(crate) fn proves(&self, crc: Crc, len: u64) -> bool {
        self.crc32c.as_deref() == Some(&crc.to_base64()) && self.size().is_ok_and(|size| size == len)
    }
}

/// What a new object is given beside its content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Properties {
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc32c: Option<String>,
}

impl Properties {
    /// For the object at `key`, made by the write of this token.
    pub(crate) fn new(
        config: &Config,
        key: &Key,
        attributes: &Attributes,
        token: Option<&str>,
    ) -> Result<Self> {
        check_headers(attributes)?;
        Ok(Self {
            content_type: attributes.content_type.clone().unwrap_or_else(|| NO_TYPE.to_owned()),
            content_encoding: attributes.content_encoding.clone(),
            content_language: attributes.content_language.clone(),
            content_disposition: attributes.content_disposition.clone(),
            cache_control: attributes.cache_control.clone(),
            metadata: encode_user_metadata(&attributes.user, key, token)?,
            storage_class: config.storage_class.clone(),
            crc32c: None,
        })
    }

    /// Of a part of an object to come, and whose.
    pub(crate) fn of_part(config: &Config, key: &Key) -> Self {
        Self {
            content_type: NO_TYPE.to_owned(),
            content_encoding: None,
            content_language: None,
            content_disposition: None,
            cache_control: None,
            metadata: BTreeMap::from([(part::KEY.to_owned(), key.as_str().to_owned())]),
            storage_class: config.storage_class.clone(),
            crc32c: None,
        }
    }

    /// Has the service refuse any other content.
    pub(crate) fn crc32c(mut self, crc: Crc) -> Self {
        self.crc32c = Some(crc.to_base64());
        self
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("because maps of text are JSON")
    }
}

/// What JSON keeps, and no header of a download could tell (clause WRITE-7).
fn check_headers(attributes: &Attributes) -> Result<()> {
    let headers = [
        &attributes.content_type,
        &attributes.content_encoding,
        &attributes.content_language,
        &attributes.content_disposition,
        &attributes.cache_control,
    ];
    let lost = |value: &&String| value.chars().any(char::is_control) || value.trim() != value.as_str();
    match headers.into_iter().flatten().find(lost) {
        Some(value) => {
            let message = format!("no header can have the value {value:?}");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        None => Ok(()),
    }
}

/// What the headers of a download tell.
pub(crate) fn of_headers(headers: &HeaderMap, size: u64, key: &Key, versions: bool) -> Result<Metadata> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let generation = text("x-goog-generation").ok_or_else(crate::error::no_service)?;
    let mut found = Metadata::new(size);
    found.modified = text("last-modified").and_then(|told| http_time(&told));
    found.etag = Some(etag(&generation));
    found.version = versions.then(|| Version::new(generation.as_ref()));
    let carried: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-goog-meta-")?;
            Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        })
        .collect();
    let carried = carried.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (user, token) = decode_user_metadata(carried, key);
    found.token = token;
    found.attributes.content_type = content_type(text("content-type").as_deref());
    let stored = text("x-goog-stored-content-encoding").or_else(|| text("content-encoding"));
    found.attributes.content_encoding = some(stored.as_deref()).filter(|encoding| encoding != "identity");
    found.attributes.content_language = some(text("content-language").as_deref());
    found.attributes.content_disposition = some(text("content-disposition").as_deref());
    found.attributes.cache_control = cache_control(text("cache-control").as_deref());
    found.attributes.user = user;
    // `crc32c=…,md5=…`, in one header or in two.
    let hashes: Vec<String> = headers
        .get_all("x-goog-hash")
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split(',')
                .map(|h| h.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let hash = |name: &str| hashes.iter().find_map(|hash| hash.strip_prefix(name)?.strip_prefix('='));
    found.checksums = checksums([(Algorithm::Crc32c, hash("crc32c")), (Algorithm::Md5, hash("md5"))]);
    Ok(found)
}

/// A generation names the content.
pub(crate) fn etag(generation: &str) -> ETag {
    ETag::new(format!("\"{generation}\""))
}

/// The generation that an ETag names. One that is none of ours names a generation that never was.
pub(crate) fn generation(etag: &ETag) -> &str {
    const NEVER: &str = "1";
    let inner = etag.as_str().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|text| is_generation(text)).unwrap_or(NEVER)
}

/// Whether the service could have made this name of a version.
pub(crate) fn is_generation(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number > 0 && number <= i64::MAX as u64)
}

fn checksums(told: [(Algorithm, Option<&str>); 2]) -> Checksums {
    let known = told.into_iter().filter_map(|(algorithm, value)| {
        let bytes = BASE64.decode(value?).ok()?;
        Checksum::new(algorithm, &bytes).ok()
    });
    known.collect()
}

fn content_type(told: Option<&str>) -> Option<String> {
    // A download of an object that has none says this.
    let told = told.unwrap_or("application/octet-stream");
    (told != NO_TYPE).then(|| told.to_owned())
}

fn cache_control(told: Option<&str>) -> Option<String> {
    some(told).filter(|told| !NO_CACHE_CONTROL.contains(&told.as_str()))
}

fn some(told: Option<&str>) -> Option<String> {
    told.filter(|told| !told.is_empty()).map(str::to_owned)
}

fn http_time(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(to_second(time))
}

fn to_second(time: jiff::Timestamp) -> SystemTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{etag, generation, http_time, of_headers};
    use reqwest::header::HeaderMap;
    use storage_core::{Algorithm, ETag, Key};

    #[test]
    fn generations_and_times() {
        assert_eq!(generation(&etag("1700000000000001")), "1700000000000001");
        for foreign in ["\"abc\"", "17", "W/\"17\"", "\"-1\"", "\"0\"", "\"99999999999999999999\""] {
            assert_eq!(generation(&ETag::new(foreign)), "1", "{foreign}");
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        assert_eq!(http_time("Wed, 21 Oct 2015 07:28:00 GMT"), Some(time));
    }

    #[test]
    fn headers_of_a_download() {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| headers.append(name, value.parse().expect("a value"));
        add("x-goog-generation", "7");
        add("x-goog-hash", "crc32c=4waSgw==");
        add("x-goog-hash", "md5=kAFQmDzST7DWlj99KOF/cg==");
        add("x-goog-meta-owner", "=?UTF-8?B?a8Okc2U=?=");
        add("content-type", "binary/octet-stream");
        add("cache-control", "private, max-age=0");
        add("x-goog-stored-content-encoding", "identity");
        let found = of_headers(&headers, 9, &Key::new("a").expect("a key"), true).expect("all there");
        assert_eq!(found.etag, Some(ETag::new("\"7\"")));
        assert_eq!(found.attributes.user["owner"], "käse");
        assert!(!found.attributes.has_headers(), "{:?}", found.attributes);
        assert_eq!(found.checksums.get(Algorithm::Crc32c), Some(Algorithm::Crc32c.digest(b"123456789")));
        assert_eq!(found.checksums.iter().count(), 2);
        assert!(of_headers(&HeaderMap::new(), 9, &Key::new("a").expect("a key"), true).is_err());
    }
}

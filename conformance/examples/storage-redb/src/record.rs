//! What stands in the table for an object, and its way to `Metadata` and back.

use std::time::{Duration, SystemTime};

use storage_core::{Attributes, ETag, Metadata, WriteRequest};

/// Content, size, modification time in nanoseconds since 1970, token, attributes.
pub(crate) type Row<'a> = (u64, u64, i128, Option<&'a str>, Vec<(&'a str, &'a str)>);

/// An object: which content it has, and what a stat tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) content: u64,
    pub(crate) metadata: Metadata,
}

impl Record {
    /// What a write makes of `size` bytes stored as `content`.
    pub(crate) fn written(content: u64, size: u64, request: &WriteRequest) -> Self {
        let mut metadata = Metadata::new(size);
        metadata.modified = Some(request.modified.unwrap_or_else(SystemTime::now));
        metadata.token = Some(request.token.clone());
        metadata.attributes = request.attributes.clone();
        Self { content, metadata }.with_etag()
    }

    /// A number names one content for ever, so it is a perfect ETag.
    pub(crate) fn with_etag(mut self) -> Self {
        self.metadata.etag = Some(ETag::new(format!("{:x}", self.content)));
        self
    }

    pub(crate) fn row(&self) -> Row<'_> {
        let modified = self.metadata.modified.map_or(0, nanoseconds);
        (
            self.content,
            self.metadata.size,
            modified,
            self.metadata.token.as_deref(),
            pairs(&self.metadata.attributes),
        )
    }

    pub(crate) fn from_row((content, size, modified, token, pairs): Row<'_>) -> Self {
        let mut metadata = Metadata::new(size);
        metadata.modified = Some(time(modified));
        metadata.token = token.map(str::to_owned);
        for (name, value) in pairs {
            set(&mut metadata.attributes, name, value.to_owned());
        }
        Self { content, metadata }.with_etag()
    }
}

/// Headers under their names in HTTP, user metadata under its own: that has no capitals, so they cannot collide.
fn pairs(attributes: &Attributes) -> Vec<(&str, &str)> {
    let headers = [
        ("Content-Type", &attributes.content_type),
        ("Content-Encoding", &attributes.content_encoding),
        ("Content-Language", &attributes.content_language),
        ("Content-Disposition", &attributes.content_disposition),
        ("Cache-Control", &attributes.cache_control),
    ];
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    headers.chain(attributes.user.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect()
}

fn set(attributes: &mut Attributes, name: &str, value: String) {
    match name {
        "Content-Type" => attributes.content_type = Some(value),
        "Content-Encoding" => attributes.content_encoding = Some(value),
        "Content-Language" => attributes.content_language = Some(value),
        "Content-Disposition" => attributes.content_disposition = Some(value),
        "Cache-Control" => attributes.cache_control = Some(value),
        _ => drop(attributes.user.insert(name.to_owned(), value)),
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

fn time(nanoseconds: i128) -> SystemTime {
    let distance = Duration::from_nanos_u128(nanoseconds.unsigned_abs());
    if nanoseconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

//! Listings, of objects and of versions, a page at a time.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::types::{CommonPrefix, EncodingType};
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, ListRequest, Lister, Metadata, Object, Page, Result,
};

use crate::backend::Bucket;
use crate::error::error;
use crate::metadata::{etag, time, unsigned, version};
use crate::name::Names;

pub(crate) struct S3Lister {
    bucket: Arc<Bucket>,
    request: ListRequest,
    next: Next,
}

/// Where the next page begins.
enum Next {
    Start,
    /// By the token of a listing of objects.
    Token(String),
    /// By key and version of a listing of versions.
    Marker(String, Option<String>),
    End,
}

impl S3Lister {
    pub(crate) fn new(bucket: Arc<Bucket>, request: ListRequest) -> Self {
        Self { bucket, request, next: Next::Start }
    }

    async fn objects(&mut self) -> Result<Page> {
        let token = match &self.next {
            Next::Token(token) => Some(token.clone()),
            _ => None,
        };
        let after = self.request.start_after.clone().filter(|after| token.is_none() && !after.is_empty());
        let answer = self
            .bucket
            .client
            .list_objects_v2()
            .bucket(&self.bucket.name)
            .encoding_type(EncodingType::Url)
            .prefix(self.request.prefix.as_str())
            .set_delimiter(self.request.delimiter.map(String::from))
            .set_start_after(after)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(error)?;
        let names = Names::of(answer.encoding_type());
        let mut entries: Vec<Result<Entry>> = Vec::with_capacity(answer.contents().len());
        for object in answer.contents() {
            let mut metadata = Metadata::new(object.size().map_or(0, unsigned));
            metadata.modified = object.last_modified().map(time);
            metadata.etag = object.e_tag().map(etag);
            let key = object.key().unwrap_or_default();
            entries.push(names.key(key).map(|key| Entry::Object(Object::new(key, metadata))));
        }
        entries.extend(prefixes(names, answer.common_prefixes()));
        self.next = match answer.next_continuation_token() {
            Some(token) => Next::Token(token.to_owned()),
            None if answer.is_truncated() == Some(true) => {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    "the service says that there is more, not where",
                ));
            }
            None => Next::End,
        };
        let token = answer.next_continuation_token().map(str::to_owned);
        Ok(Page::new(self.in_order(entries), token))
    }

    async fn versions(&mut self) -> Result<Page> {
        let (key, id) = match &self.next {
            Next::Marker(key, id) => (Some(key.clone()), id.clone()),
            _ => (self.request.start_after.clone().filter(|after| !after.is_empty()), None),
        };
        let answer = self
            .bucket
            .client
            .list_object_versions()
            .bucket(&self.bucket.name)
            .encoding_type(EncodingType::Url)
            .prefix(self.request.prefix.as_str())
            .set_delimiter(self.request.delimiter.map(String::from))
            .set_key_marker(key)
            .set_version_id_marker(id)
            .send()
            .await
            .map_err(error)?;
        let names = Names::of(answer.encoding_type());
        let mut entries: Vec<Result<Entry>> = Vec::new();
        for object in answer.versions() {
            let mut metadata = Metadata::new(object.size().map_or(0, unsigned));
            metadata.modified = object.last_modified().map(time);
            metadata.etag = object.e_tag().map(etag);
            metadata.version = Some(version(object.version_id()));
            metadata.is_latest = object.is_latest().unwrap_or(false);
            let key = object.key().unwrap_or_default();
            entries.push(names.key(key).map(|key| Entry::Object(Object::new(key, metadata))));
        }
        for marker in answer.delete_markers() {
            let mut metadata = Metadata::new(0);
            metadata.modified = marker.last_modified().map(time);
            metadata.version = Some(version(marker.version_id()));
            metadata.is_latest = marker.is_latest().unwrap_or(false);
            metadata.is_delete_marker = true;
            let key = marker.key().unwrap_or_default();
            entries.push(names.key(key).map(|key| Entry::Object(Object::new(key, metadata))));
        }
        entries.extend(prefixes(names, answer.common_prefixes()));
        let last = [
            answer.versions().last().and_then(|o| o.key()),
            answer.delete_markers().last().and_then(|m| m.key()),
            answer.common_prefixes().last().and_then(|p| p.prefix()),
        ];
        self.next = match (answer.is_truncated(), answer.next_key_marker()) {
            (Some(true), Some(key)) => {
                Next::Marker(names.marker(key, last)?, answer.next_version_id_marker().map(str::to_owned))
            }
            (Some(true), None) => {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    "the service says that there is more, not where",
                ));
            }
            _ => Next::End,
        };
        let token = match &self.next {
            Next::Marker(key, id) => Some(format!("{key}\n{}", id.as_deref().unwrap_or(""))),
            _ => None,
        };
        Ok(Page::new(self.in_order(entries), token))
    }

    /// Objects, delete markers and common prefixes come as lists of their own, each in order.
    fn in_order(&self, mut entries: Vec<Result<Entry>>) -> Vec<Result<Entry>> {
        let after = self.request.start_after.as_deref();
        entries.retain(|entry| match (entry, after) {
            (Ok(entry), Some(after)) => entry.name() > after,
            _ => true,
        });
        entries.sort_by(|one, other| place(one).cmp(&place(other)));
        entries
    }
}

fn prefixes(names: Names, common: &[CommonPrefix]) -> impl Iterator<Item = Result<Entry>> {
    common.iter().map(move |common| {
        let prefix = names.prefix(common.prefix().unwrap_or_default())?;
        Ok(Entry::Prefix(Directory::new(prefix, None)))
    })
}

/// By name, and within one name the newest first; what cannot be named comes first.
fn place(entry: &Result<Entry>) -> (&str, bool, std::cmp::Reverse<Option<SystemTime>>) {
    match entry {
        Ok(Entry::Object(object)) => {
            let metadata = &object.metadata;
            (object.key.as_str(), !metadata.is_latest, std::cmp::Reverse(metadata.modified))
        }
        Ok(Entry::Prefix(directory)) => (directory.prefix.as_str(), false, std::cmp::Reverse(None)),
        _ => ("", false, std::cmp::Reverse(None)),
    }
}

impl Lister for S3Lister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            match self.next {
                Next::End => Ok(Page::default()),
                _ if self.request.versions => self.versions().await,
                _ => self.objects().await,
            }
        })
    }
}

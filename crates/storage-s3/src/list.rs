//! Listings, of objects and of versions, a page at a time.

use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, ListRequest, Lister, Metadata, Object, Page, Result,
};

use crate::backend::Bucket;
use crate::error::{is_page, no_service};
use crate::metadata::{etag, version};
use crate::name::Names;
use crate::wire::{Listed, Listing};

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

    async fn page(&mut self) -> Result<Page> {
        let page = self.ask().await?;
        let names = Names { encoded: page.encoded };
        let last = [page.entries.last().map(|e| e.key.as_str()), page.prefixes.last().map(String::as_str)];
        let (next, token) = self.after(&page, names, last)?;
        let entries = page.entries.iter().map(|listed| self.entry(names, listed));
        let prefixes = page
            .prefixes
            .iter()
            .map(|listed| names.prefix(listed).map(|prefix| Entry::Prefix(Directory::new(prefix, None))));
        let entries = self.in_order(entries.chain(prefixes).collect());
        self.next = next;
        Ok(Page::new(entries, token))
    }

    async fn ask(&self) -> Result<Listing> {
        let mut list = self.bucket.wire.bucket(Method::GET);
        let start_after = self.request.start_after.as_deref().filter(|after| !after.is_empty());
        if self.request.versions {
            list.query("versions", "");
            match &self.next {
                Next::Marker(key, id) => {
                    list.query("key-marker", key);
                    id.iter().for_each(|id| list.query("version-id-marker", id));
                }
                _ => start_after.into_iter().for_each(|after| list.query("key-marker", after)),
            }
        } else {
            list.query("list-type", "2");
            match &self.next {
                Next::Token(token) => list.query("continuation-token", token),
                _ => start_after.into_iter().for_each(|after| list.query("start-after", after)),
            }
        }
        // So that any name can stand in XML.
        list.query("encoding-type", "url");
        list.query("prefix", self.request.prefix.as_str());
        self.request.delimiter.iter().for_each(|delimiter| list.query("delimiter", &delimiter.to_string()));
        let document = self.bucket.wire.send(list).await?.into_bytes().await?;
        if is_page(&document) { Err(no_service()) } else { Listing::parse(&document) }
    }

    fn entry(&self, names: Names, listed: &Listed) -> Result<Entry> {
        let mut metadata = Metadata::new(listed.size);
        metadata.modified = listed.modified;
        metadata.etag = listed.etag.as_deref().map(etag);
        if self.request.versions {
            metadata.version = Some(version(listed.version.as_deref()));
            metadata.is_latest = listed.is_latest;
            metadata.is_delete_marker = listed.is_delete_marker;
        }
        names.key(&listed.key).map(|key| Entry::Object(Object::new(key, metadata)))
    }

    /// Where the page after this one begins, and its name.
    fn after(&self, page: &Listing, names: Names, last: [Option<&str>; 2]) -> Result<(Next, Option<String>)> {
        if !self.request.versions
            && let Some(token) = &page.next_token
        {
            return Ok((Next::Token(token.clone()), Some(token.clone())));
        }
        if !page.truncated {
            return Ok((Next::End, None));
        }
        let Some(key) = page.next_key.as_deref().filter(|_| self.request.versions) else {
            return Err(Error::new(ErrorKind::InvalidData, "the service says that there is more, not where"));
        };
        let key = names.marker(key, last)?;
        let id = page.next_version.clone();
        let token = format!("{key}\n{}", id.as_deref().unwrap_or(""));
        Ok((Next::Marker(key, id), Some(token)))
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
                _ => self.page().await,
            }
        })
    }
}

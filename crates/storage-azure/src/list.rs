//! Listings, a page at a time. The vendor's client knows no delimiter and trims names, so the request is ours.

use std::sync::Arc;

use azure_core::http::{Method, Request};
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, Key, ListRequest, Lister, Metadata, Object, Page, Prefix,
    Result, Version,
};

use crate::backend::Container;
use crate::client::query;
use crate::metadata::{etag, md5_of, time};
use crate::xml::{self, Blob};

pub(crate) struct AzureLister {
    container: Arc<Container>,
    request: ListRequest,
    next: Next,
    /// Versions of the page's last key: newer ones stand on the next page.
    held: Vec<Result<Entry>>,
}

/// Where the next page begins.
enum Next {
    Start,
    Marker(String),
    End,
}

impl AzureLister {
    pub(crate) fn new(container: Arc<Container>, request: ListRequest) -> Self {
        Self { container, request, next: Next::Start, held: Vec::new() }
    }

    async fn page(&mut self) -> Result<Page> {
        let marker = match &self.next {
            Next::Start => None,
            Next::Marker(marker) => Some(marker.as_str()),
            Next::End => return Ok(Page::default()),
        };
        let delimiter = self.request.delimiter.map(String::from);
        let asked = query([
            ("restype", Some("container")),
            ("comp", Some("list")),
            ("prefix", Some(self.request.prefix.as_str()).filter(|prefix| !prefix.is_empty())),
            ("delimiter", delimiter.as_deref()),
            ("include", self.request.versions.then_some("versions")),
            ("marker", marker),
        ]);
        let service = &self.container.service;
        let answer = service.send(Request::new(service.container_url(&asked), Method::Get)).await?;
        let listed = xml::page(answer.body())?;
        let mut entries = std::mem::take(&mut self.held);
        // With a hierarchical namespace, directories are listed like blobs.
        let blobs = listed.blobs.into_iter().filter(|blob| !blob.is_directory);
        entries.extend(blobs.map(|blob| object(blob, self.request.versions)));
        entries.extend(listed.prefixes.into_iter().map(common));
        entries.sort_by(|one, other| place(one).cmp(&place(other)));
        if self.request.versions && listed.next.is_some() {
            self.held = split_last_key(&mut entries);
        }
        self.next = listed.next.clone().map_or(Next::End, Next::Marker);
        Ok(Page::new(entries, listed.next))
    }
}

fn object(blob: Blob, versions: bool) -> Result<Entry> {
    let named = |error: Error| error.with_name(blob.name.clone()).for_entry();
    if blob.is_no_text {
        return Err(named(Error::new(ErrorKind::InvalidKey, "the name is not UTF-8")));
    }
    let key = Key::new(&blob.name).map_err(named)?;
    let size = blob.size.ok_or_else(|| named(crate::error::broken("the service tells no size")))?;
    let mut metadata = Metadata::new(size);
    metadata.modified = blob.modified.as_deref().and_then(time);
    metadata.etag = blob.etag.as_deref().map(etag);
    metadata.checksums = md5_of(blob.md5.as_deref());
    if versions {
        metadata.version = blob.version.as_deref().map(Version::new);
        metadata.is_latest = blob.is_current;
    }
    Ok(Entry::Object(Object::new(key, metadata)))
}

fn common(prefix: String) -> Result<Entry> {
    let prefix = Prefix::new(&prefix).map_err(|error| error.with_name(prefix).for_entry())?;
    Ok(Entry::Prefix(Directory::new(prefix, None)))
}

/// Takes the entries of the last key off: more of its versions may follow, and the newest comes first.
fn split_last_key(entries: &mut Vec<Result<Entry>>) -> Vec<Result<Entry>> {
    let name = |entry: &Result<Entry>| entry.as_ref().ok().map(|entry| entry.name().to_owned());
    let Some(last) = entries.last().and_then(name) else { return Vec::new() };
    let start = entries.iter().position(|entry| name(entry).as_ref() == Some(&last));
    entries.split_off(start.unwrap_or(entries.len()))
}

/// By name, and within one name the newest first: versions are named by their times.
fn place(entry: &Result<Entry>) -> (&str, bool, std::cmp::Reverse<&str>) {
    match entry {
        Ok(Entry::Object(object)) => {
            let version = object.metadata.version.as_ref().map_or("", Version::as_str);
            (object.key.as_str(), !object.metadata.is_latest, std::cmp::Reverse(version))
        }
        Ok(entry) => (entry.name(), false, std::cmp::Reverse("")),
        Err(_) => ("", false, std::cmp::Reverse("")),
    }
}

impl Lister for AzureLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(self.page())
    }
}

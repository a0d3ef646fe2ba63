//! Listings, of objects and of old generations, a page at a time.

use std::cmp::Reverse;
use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use storage_core::{
    BoxFuture, Directory, Entry, Error, ErrorKind, Key, ListRequest, Lister, Object, Page, Prefix, Result,
};

use crate::backend::Bucket;
use crate::client::{WORK, query};
use crate::part::{PARTS, is_part};
use crate::resource::{FIELDS, Resource};

pub(crate) struct GcsLister {
    bucket: Arc<Bucket>,
    request: ListRequest,
    next: Next,
    /// Generations of the page's last key: the newer ones stand on the next page.
    held: Vec<Result<Entry>>,
}

/// Where the next page begins.
enum Next {
    Start,
    Token(String),
    End,
}

/// A page as the service tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    items: Vec<Resource>,
    #[serde(default)]
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

impl GcsLister {
    pub(crate) fn new(bucket: Arc<Bucket>, request: ListRequest) -> Self {
        Self { bucket, request, next: Next::Start, held: Vec::new() }
    }

    async fn page(&mut self) -> Result<Page> {
        let token = match &self.next {
            Next::Start => None,
            Next::Token(token) => Some(token.as_str()),
            Next::End => return Ok(Page::default()),
        };
        let listed = page(&self.bucket, &self.request, token).await?;
        let mut entries = Vec::new();
        // Parts of uploads are no objects yet.
        let objects = listed.items.iter().filter(|item| !is_part(&item.name));
        entries.extend(objects.map(|item| object(item, self.bucket.config.versions)));
        for prefix in &listed.prefixes {
            if !may_be_of_parts(prefix) || has_objects(&self.bucket, prefix, self.request.versions).await? {
                entries.push(common(prefix));
            }
        }
        entries.append(&mut self.held);
        if let Some(after) = self.request.start_after.as_deref() {
            // The service begins with what is equal, and with the group that it lies in.
            entries.retain(|entry| entry.as_ref().map_or(true, |entry| entry.name() > after));
        }
        entries.sort_by(|one, other| place(one).cmp(&place(other)));
        let next = listed.next_page_token.filter(|token| !token.is_empty());
        if self.request.versions && next.is_some() {
            self.held = split_last_key(&mut entries);
        }
        self.next = next.clone().map_or(Next::End, Next::Token);
        Ok(Page::new(entries, next))
    }
}

/// Asks for one page.
async fn page(bucket: &Bucket, request: &ListRequest, token: Option<&str>) -> Result<Listed> {
    let delimiter = request.delimiter.map(String::from);
    let fields = format!("nextPageToken,prefixes,items({FIELDS})");
    let path = format!(
        "/storage/v1/b/{}/o{}",
        crate::name::encode(&bucket.config.bucket),
        query([
            ("prefix", Some(request.prefix.as_str()).filter(|prefix| !prefix.is_empty())),
            ("delimiter", delimiter.as_deref()),
            ("startOffset", request.start_after.as_deref().filter(|after| !after.is_empty())),
            ("versions", request.versions.then_some("true")),
            ("pageToken", token),
            ("fields", Some(&fields)),
        ])
    );
    Ok(bucket.service.json(bucket.service.request(Method::GET, &path).timeout(WORK)).await?)
}

/// All objects of a listing, a page at a time.
pub(crate) struct Pages<'a> {
    bucket: &'a Bucket,
    request: ListRequest,
    token: Option<String>,
    ended: bool,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(bucket: &'a Bucket, request: ListRequest) -> Self {
        Self { bucket, request, token: None, ended: false }
    }

    /// The next page, until there is none.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Resource>>> {
        if self.ended {
            return Ok(None);
        }
        let listed = page(self.bucket, &self.request, self.token.as_deref()).await?;
        match listed.next_page_token.filter(|next| !next.is_empty()) {
            None => self.ended = true,
            next if next == self.token => {
                let message = "the service lists the same objects again and again";
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
            next => self.token = next,
        }
        Ok(Some(listed.items))
    }
}

/// Whether parts lie in a group of this name: only those of a delimiter that stands in the names of parts.
fn may_be_of_parts(group: &str) -> bool {
    PARTS.starts_with(group) || (group.starts_with(PARTS) && !group.contains('/'))
}

/// Whether there is anything but parts.
async fn has_objects(bucket: &Bucket, group: &str, versions: bool) -> Result<bool> {
    let mut request = ListRequest::default();
    (request.prefix, request.versions) = (Prefix::new(group)?, versions);
    let mut pages = Pages::new(bucket, request);
    while let Some(items) = pages.next().await? {
        if items.iter().any(|item| !is_part(&item.name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn object(item: &Resource, versions: bool) -> Result<Entry> {
    let named = |error: Error| error.with_name(item.name.clone()).for_entry();
    let key = Key::new(&item.name).map_err(named)?;
    let metadata = item.metadata(&key, versions).map_err(named)?;
    Ok(Entry::Object(Object::new(key, metadata)))
}

fn common(prefix: &str) -> Result<Entry> {
    let prefix = Prefix::new(prefix).map_err(|error| error.with_name(prefix).for_entry())?;
    Ok(Entry::Prefix(Directory::new(prefix, None)))
}

/// Takes the entries of the last key off: more of its generations may follow, and the newest comes first.
fn split_last_key(entries: &mut Vec<Result<Entry>>) -> Vec<Result<Entry>> {
    let name = |entry: &Result<Entry>| entry.as_ref().ok().map(|entry| entry.name().to_owned());
    let Some(last) = entries.last().and_then(name) else { return Vec::new() };
    let start = entries.iter().position(|entry| name(entry).as_ref() == Some(&last));
    entries.split_off(start.unwrap_or(entries.len()))
}

/// By name, and within one name the newest first; what cannot be named comes first.
fn place(entry: &Result<Entry>) -> (&str, Reverse<u64>) {
    match entry {
        Ok(Entry::Object(object)) => {
            let generation =
                object.metadata.version.as_ref().and_then(|version| version.as_str().parse().ok());
            (object.key.as_str(), Reverse(generation.unwrap_or(0)))
        }
        Ok(entry) => (entry.name(), Reverse(0)),
        Err(_) => ("", Reverse(0)),
    }
}

impl Lister for GcsLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(self.page())
    }
}

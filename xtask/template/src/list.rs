//! Listing, a page at a time from the last key on.

use std::ops::Bound;

use storage_core::{BoxFuture, Entry, Key, ListRequest, Lister, Object, Page, Result};

use crate::backend::Template;

const PAGE: usize = 1000;

pub(crate) struct TemplateLister {
    backend: Template,
    request: ListRequest,
    after: Option<Key>,
}

impl TemplateLister {
    pub(crate) fn new(backend: Template, request: ListRequest) -> Self {
        Self { backend, request, after: None }
    }
}

impl Lister for TemplateLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let prefix = self.request.prefix.as_str();
            let start = self.after.as_ref().map_or(Bound::Included(prefix), |k| Bound::Excluded(k.as_str()));
            let objects = self.backend.objects();
            let found = objects.range::<str, _>((start, Bound::Unbounded));
            let found = found.take_while(|(key, _)| key.as_str().starts_with(prefix)).take(PAGE);
            let entries: Vec<Result<Entry>> = found
                .map(|(key, (_, metadata))| Ok(Entry::Object(Object::new(key.clone(), metadata.clone()))))
                .collect();
            let last = match entries.last() {
                Some(Ok(entry)) if entries.len() == PAGE => Some(entry.name().to_owned()),
                _ => None,
            };
            self.after = last.as_deref().map(Key::new).transpose()?;
            Ok(Page::new(entries, last))
        })
    }
}

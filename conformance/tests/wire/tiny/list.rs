//! Listings, page by page.

use bytes::Bytes;
use storage_core::{
    BoxFuture, Entry, Error, ErrorKind, Key, ListRequest, Lister, Metadata, Object, Page, Result,
};

use super::backend::{Tiny, decode, encode};
use super::mutant;

pub(super) struct TinyLister {
    tiny: Tiny,
    prefix: String,
    after: String,
}

impl TinyLister {
    pub(super) fn new(tiny: Tiny, request: &ListRequest) -> Self {
        let prefix = format!("{}{}", tiny.root, encode(request.prefix.as_str()));
        Self { tiny, prefix, after: String::new() }
    }
}

impl Lister for TinyLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let target = format!("{}?list={}&after={}", self.tiny.root, self.prefix, self.after);
            let text = match self.tiny.client.send("GET", &target, &[], Bytes::new()).await {
                Err(_) if mutant::is("refused-list-is-empty") => return Ok(Page::default()),
                answer => answer?.text().await?,
            };
            let (mut entries, mut last) = (Vec::new(), None);
            for line in text.split_inclusive('\n') {
                if line == "end\n" {
                    return Ok(Page::new(entries, None));
                }
                if line == "more\n" {
                    self.after = last.ok_or_else(|| broken("more of nothing"))?;
                    return Ok(Page::new(entries, Some(self.after.clone())));
                }
                let mut fields = line.trim_end_matches('\n').split(' ');
                let (Some(path), Some(size), Some(etag), true) =
                    (fields.next(), fields.next(), fields.next(), line.ends_with('\n'))
                else {
                    break;
                };
                let mut metadata = Metadata::new(size.parse().map_err(|_| broken("a size that is none"))?);
                metadata.etag = Some(storage_core::ETag::new(etag));
                let key = Key::new(decode(&path[self.tiny.root.len()..]))?;
                entries.push(Ok(Entry::Object(Object::new(key, metadata))));
                last = Some(path.to_owned());
            }
            if mutant::is("cut-page-is-a-page") {
                Ok(Page::new(entries, None))
            } else {
                Err(broken("a cut page"))
            }
        })
    }
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

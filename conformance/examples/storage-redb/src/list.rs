//! Listing by cursor: each page is a snapshot of its own, so a long listing keeps no old pages alive.

use std::sync::Arc;

use redb::ReadTransaction;
use storage_core::{BoxFuture, Directory, Entry, Key, ListRequest, Lister, Object, Page, Prefix, Result};

use crate::error::Failure;
use crate::file::File;
use crate::record::Record;
use crate::table::OBJECTS;

const PAGE: usize = 1000;

pub(crate) struct RedbLister {
    file: Arc<File>,
    request: Arc<ListRequest>,
    /// The first name that may come next.
    cursor: String,
}

impl RedbLister {
    pub(crate) fn new(file: Arc<File>, request: ListRequest) -> Self {
        let after = request.start_after.as_deref().unwrap_or("");
        let cursor = after.max(request.prefix.as_str()).to_owned();
        Self { file, request: Arc::new(request), cursor }
    }
}

impl Lister for RedbLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let (request, cursor) = (self.request.clone(), self.cursor.clone());
            let page = self.file.read(move |snapshot| page(snapshot, &request, cursor)).await?;
            if let Some(next) = &page.next {
                self.cursor.clone_from(next);
            }
            Ok(page)
        })
    }
}

fn page(snapshot: &ReadTransaction, request: &ListRequest, mut cursor: String) -> Result<Page, Failure> {
    let objects = snapshot.open_table(OBJECTS)?;
    let prefix = request.prefix.as_str();
    let mut entries = Vec::new();
    let mut rows = objects.range(cursor.as_str()..)?;
    while let Some(row) = rows.next() {
        let (name, row) = row?;
        let name = name.value();
        let Some(rest) = name.strip_prefix(prefix) else { break };
        if entries.len() == PAGE {
            return Ok(Page::new(entries, Some(cursor)));
        }
        let slash = if request.delimiter.is_some() { rest.find('/') } else { None };
        let entry = if let Some(slash) = slash {
            let group = &name[..=prefix.len() + slash];
            // The byte after `/` is `0`: one step over the group, however much is in it.
            cursor = format!("{}0", &group[..group.len() - 1]);
            rows = objects.range(cursor.as_str()..)?;
            Entry::Prefix(Directory::new(Prefix::new(group)?, None))
        } else {
            // No key holds NUL, so nothing is between a name and this.
            cursor = format!("{name}\0");
            Entry::Object(Object::new(Key::new(name)?, Record::from_row(row.value()).metadata))
        };
        if request.start_after.as_deref().is_none_or(|after| entry.name() > after) {
            entries.push(Ok(entry));
        }
    }
    Ok(Page::new(entries, None))
}

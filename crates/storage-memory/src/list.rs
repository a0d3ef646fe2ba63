//! Listing by cursor: each page looks at the store anew, so that a listing never holds the store up.

use std::ops::Bound;
use std::sync::{Arc, Mutex};

use storage_core::{BoxFuture, Directory, Entry, Key, ListRequest, Lister, Object, Page, Prefix, Result};

use crate::state::{Name, State, successor};

const PAGE: usize = 1000;

pub(crate) struct MemoryLister {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) request: ListRequest,
    pub(crate) cursor: Bound<Name>,
    pub(crate) pages: u64,
}

impl MemoryLister {
    pub(crate) fn new(state: Arc<Mutex<State>>, request: ListRequest) -> Self {
        let cursor = Bound::Included(request.prefix.as_str().into());
        Self { state, request, cursor, pages: 0 }
    }

    fn page(&mut self) -> Result<Page> {
        let state = self.state.clone();
        let state = state.lock().expect("because no holder of the lock panics");
        let mut entries = Vec::new();
        while entries.len() < PAGE {
            let Some(name) = self.next_name(&state) else {
                return Ok(Page::new(entries, None));
            };
            entries.extend(self.entries_at(&state, name)?.into_iter().map(Ok));
        }
        self.pages += 1;
        Ok(Page::new(entries, Some(self.pages.to_string())))
    }

    /// The next name of an object or of a directory that is to be shown.
    fn next_name(&self, state: &State) -> Option<Name> {
        let range =
            (self.cursor.clone(), Bound::Excluded(successor(self.request.prefix.as_str().as_bytes())));
        if let (Bound::Excluded(from) | Bound::Included(from), Bound::Excluded(to)) = &range
            && from >= to
        {
            return None;
        }
        let visible = |stored: &crate::state::Stored| self.request.versions || stored.is_object();
        let object = state
            .objects
            .range(range.clone())
            .find(|(_, all)| all.last().is_some_and(visible))
            .map(|(name, _)| name);
        let directories = self.request.directories || self.request.delimiter.is_some();
        let prefix = self.request.prefix.as_str().as_bytes();
        let directory = directories
            .then(|| state.directories.range(range).map(|(name, _)| name).find(|name| *name != prefix))
            .flatten();
        match (object, directory) {
            (Some(object), Some(directory)) => Some(object.min(directory).clone()),
            (one, other) => one.or(other).cloned(),
        }
    }

    /// What stands at `name`: a group, a directory, an object, or a directory and an object.
    fn entries_at(&mut self, state: &State, name: Name) -> Result<Vec<Entry>> {
        let text = String::from_utf8(name.clone()).expect("because names come from keys");
        let start = self.request.prefix.as_str().len();
        if let Some(delimiter) = self.request.delimiter
            && let Some(at) = text[start..].find(delimiter)
        {
            let common = &text[..start + at + delimiter.len_utf8()];
            self.cursor = Bound::Included(successor(common.as_bytes()));
            let real = state.directories.get(common.as_bytes()).cloned();
            return self.keep(Entry::Prefix(Directory::new(Prefix::new(common)?, real)));
        }
        self.cursor = Bound::Excluded(name.clone());
        let mut entries = Vec::new();
        if let Some(metadata) = state.directories.get(&name)
            && self.request.directories
        {
            let directory = Directory::new(Prefix::new(&text)?, Some(metadata.clone()));
            entries.extend(self.keep(Entry::Prefix(directory))?);
        }
        let newest_first = state.objects.get(&name).into_iter().flat_map(|all| all.iter().rev());
        let shown = if self.request.versions { usize::MAX } else { 1 };
        for stored in newest_first.take(shown).filter(|s| self.request.versions || s.is_object()) {
            entries.extend(self.keep(Entry::Object(Object::new(Key::new(&text)?, stored.metadata.clone())))?);
        }
        Ok(entries)
    }

    fn keep(&self, entry: Entry) -> Result<Vec<Entry>> {
        let after = self.request.start_after.as_deref();
        Ok(if after.is_some_and(|after| entry.name() <= after) { Vec::new() } else { vec![entry] })
    }
}

impl Lister for MemoryLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(std::future::ready(self.page()))
    }
}

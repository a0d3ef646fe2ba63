//! A listing whose pages meet faults.

use std::collections::VecDeque;
use std::sync::Arc;

use storage_core::{BoxFuture, Entry, Error, ErrorKind, Key, Lister, Metadata, Object, Page, Result};

use super::backend::Script;
use super::body::misfit;
use super::call::{Call, Seen};
use super::kind::Fault;

pub(super) struct FaultLister {
    inner: Box<dyn Lister>,
    script: Arc<Script>,
    name: String,
    page: Option<usize>,
    /// Entries that the backend gave and that are on no page yet.
    waiting: VecDeque<Result<Entry>>,
    /// Whether the backend has no further page.
    over: bool,
    /// A page whose answer was lost: it can be asked for again.
    lost: Option<Page>,
    made: usize,
}

impl FaultLister {
    pub(super) fn new(
        inner: Box<dyn Lister>,
        script: Arc<Script>,
        name: String,
        page: Option<usize>,
    ) -> Self {
        Self { inner, script, name, page, waiting: VecDeque::new(), over: false, lost: None, made: 0 }
    }

    async fn ask(&mut self) -> Result<Page> {
        let seen = Seen::new(Call::Page, &self.name);
        let script = self.script.clone();
        match script.begin(seen).await? {
            Some(Fault::After(refusal)) => {
                self.lost = Some(self.make().await?);
                Err(refusal.error().maybe_applied())
            }
            Some(Fault::HangAfter) => {
                self.lost = Some(self.make().await?);
                std::future::pending().await
            }
            // A page of nothing, out of nothing: the backend is not asked.
            Some(Fault::EmptyPage(tokens)) => {
                self.made += 1;
                Ok(Page::new(Vec::new(), Some(tokens[self.made % tokens.len()].to_owned())))
            }
            None => self.make().await,
            Some(fault) => spoil(self.make().await?, fault),
        }
    }

    async fn make(&mut self) -> Result<Page> {
        if let Some(page) = self.lost.take() {
            return Ok(page);
        }
        let Some(size) = self.page else { return self.inner.next_page().await };
        while self.waiting.len() <= size && !self.over {
            let page = self.inner.next_page().await?;
            self.over = page.next.is_none();
            self.waiting.extend(page.entries);
        }
        let entries = self.waiting.drain(..self.waiting.len().min(size)).collect();
        self.made += 1;
        let more = !self.waiting.is_empty();
        Ok(Page::new(entries, more.then(|| format!("after page {}", self.made))))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Lister for FaultLister {
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move {
            let page = self.ask().await;
            self.script.journal.end(Call::Page);
            page
        })
    }
}

fn spoil(mut page: Page, fault: Fault) -> Result<Page> {
    match fault {
        Fault::Token(token) => page.next = Some(token.to_owned()),
        Fault::Backwards => page.entries.reverse(),
        Fault::Extra(name) => {
            page.entries.push(Ok(Entry::Object(Object::new(Key::new(name)?, Metadata::new(0)))));
        }
        Fault::BadEntry => {
            let error = Error::new(ErrorKind::InvalidKey, "a fault on purpose").with_name("bad entry");
            page.entries.insert(0, Err(error.for_entry()));
        }
        other => return Err(misfit("a page", &other)),
    }
    Ok(page)
}

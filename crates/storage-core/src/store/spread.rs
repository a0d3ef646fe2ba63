//! Listing a large tree in several places at a time, given out in order.
//!
//! A listing is a chain of pages, each of which says where the next one begins: one request after the other. Its names are cut
//! into ranges at common prefixes, which one request for a level of the tree tells. It is cut only once it has turned out to
//! be long, and only into ranges of several pages: a request brings a full page, whatever of it is wanted.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::Store;
use super::list::Circle;
use crate::backend::{Lister, Page};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Prefix;
use crate::options::{Entry, ListRequest};
use crate::retry::Repeat;

/// Pages of a range that wait for their turn, which bounds memory, and what a range that is longer gains.
const WAITING_MAX: usize = 16;
/// How many pages a range is made to have, as far as can be told by a page.
const PAGES: usize = 4;
/// The same once others have ended: a range costs a page at its end of which not all is wanted.
const PAGES_AT_BEST: u64 = 16;
/// A range that was cut out is cut again only if it turns out to have so many pages.
const RECUT: u32 = 64;
/// Levels of the tree that are looked through for one that branches.
const LEVELS_MAX: usize = 8;

/// The pages of a listing, from ranges that are listed side by side.
pub(super) struct Spread {
    shared: Arc<Shared>,
    /// In order.
    ranges: VecDeque<Range>,
    cuts: mpsc::UnboundedReceiver<Cut>,
    begun: u64,
    together: usize,
}

/// What is left of a range, as ranges of their own.
struct Cut {
    of: u64,
    rest: Vec<Bounds>,
}

/// Names behind `after`, up to and with `last`.
struct Bounds {
    after: Option<String>,
    last: Option<String>,
    /// As how many it was cut.
    pieces: u64,
}

enum Range {
    Waiting(Bounds),
    OnItsWay(OnItsWay),
}

struct OnItsWay {
    number: u64,
    pages: mpsc::Receiver<Result<Vec<Result<Entry>>>>,
    task: JoinHandle<()>,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Spread {
    /// Lists what `request` asks for in at most so many places at a time.
    pub(super) fn new(store: &Store, request: ListRequest, together: usize) -> Self {
        let all = Bounds { after: request.start_after.clone(), last: None, pieces: 1 };
        let (tell, cuts) = mpsc::unbounded_channel();
        let shared = Shared {
            store: store.clone(),
            request,
            requests: Semaphore::new(together),
            cuts: tell,
            pieces: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            page: AtomicU64::new(0),
        };
        let ranges = VecDeque::from([Range::Waiting(all)]);
        Self { shared: Arc::new(shared), ranges, cuts, begun: 0, together }
    }

    /// The next entries, or nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Result<Entry>>>> {
        loop {
            self.begin();
            let Some(Range::OnItsWay(front)) = self.ranges.front_mut() else { return Ok(None) };
            let told = match select(pin!(self.cuts.recv()), pin!(front.pages.recv())).await {
                Either::Left((cut, _)) => Err(cut),
                Either::Right((page, _)) => Ok(page),
            };
            match told {
                Err(cut) => {
                    cut.into_iter().for_each(|cut| self.insert(cut));
                    continue;
                }
                Ok(Some(page)) => return page.map(Some),
                Ok(None) => {}
            }
            let ended = (&mut front.task).await;
            ended.map_err(|gone| {
                Error::new(ErrorKind::Other, "the task of a listing ended early").with_source(gone)
            })?;
            // What it told before it ended is here by now, and has to be behind it before it goes.
            while let Ok(cut) = self.cuts.try_recv() {
                self.insert(cut);
            }
            self.ranges.pop_front();
        }
    }

    /// Begins the ranges whose turn it is.
    fn begin(&mut self) {
        for at in 0..self.together {
            if matches!(self.ranges.get(at), Some(Range::Waiting(_))) {
                self.join(at);
                self.ranges[at].begin(&self.shared, &mut self.begun);
            }
        }
    }

    /// Makes one range of a waiting one and some behind it, if those that ended were short; not of so many that others would have
    /// nothing to do.
    fn join(&mut self, at: usize) {
        let is_waiting = |range: &&Range| matches!(range, Range::Waiting(_));
        let waiting = self.ranges.iter().skip(at).filter(is_waiting).count();
        let most = waiting.div_ceil(self.together);
        for _ in 1..self.shared.worth_joining().min(most) {
            let Some(Range::Waiting(next)) = self.ranges.get_mut(at + 1) else { return };
            let (last, pieces) = (next.last.take(), next.pieces);
            self.ranges.remove(at + 1);
            if let Range::Waiting(bounds) = &mut self.ranges[at] {
                bounds.last = last;
                bounds.pieces += pieces;
            }
        }
    }

    /// Puts what was cut off a range behind it.
    fn insert(&mut self, cut: Cut) {
        let is_it = |range: &Range| matches!(range, Range::OnItsWay(range) if range.number == cut.of);
        let Some(at) = self.ranges.iter().position(is_it) else { return };
        for bounds in cut.rest.into_iter().rev() {
            self.ranges.insert(at + 1, Range::Waiting(bounds));
        }
    }
}

impl Range {
    fn begin(&mut self, shared: &Arc<Shared>, begun: &mut u64) {
        let Self::Waiting(bounds) = self else { return };
        let bounds = Bounds { after: bounds.after.take(), last: bounds.last.take(), pieces: bounds.pieces };
        let (tell, pages) = mpsc::channel(WAITING_MAX);
        let (shared, number) = (shared.clone(), *begun);
        *begun += 1;
        let task = tokio::spawn(async move {
            if let Err(error) = shared.list(number, bounds, &tell).await {
                // Nobody waits any more: then nobody needs to know.
                let _ = tell.send(Err(error)).await;
            }
        });
        *self = Self::OnItsWay(OnItsWay { number, pages, task });
    }
}

struct Shared {
    store: Store,
    request: ListRequest,
    requests: Semaphore,
    cuts: mpsc::UnboundedSender<Cut>,
    /// Of ranges that came to their end: as how many they were cut, and the entries in them.
    pieces: AtomicU64,
    entries: AtomicU64,
    /// The most entries of a page.
    page: AtomicU64,
}

impl Shared {
    /// How many ranges are worth one, by those that ended.
    fn worth_joining(&self) -> usize {
        let [pieces, entries, page] =
            [&self.pieces, &self.entries, &self.page].map(|count| count.load(Ordering::Relaxed));
        let wanted = PAGES_AT_BEST.saturating_mul(page).saturating_mul(pieces) / entries.max(1);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    async fn list(
        &self,
        number: u64,
        bounds: Bounds,
        tell: &mpsc::Sender<Result<Vec<Result<Entry>>>>,
    ) -> Result<()> {
        let Bounds { after, last, pieces } = bounds;
        let mut held = 0;
        let mut lister = self.lister(self.request.prefix.clone(), after, None);
        let mut circle = Circle::default();
        let mut level = self.request.prefix.clone();
        for pages in 1u32.. {
            let Page { mut entries, next } = self.fetch(&mut *lister).await?;
            self.page.fetch_max(entries.len() as u64, Ordering::Relaxed);
            let is_beyond = |entry: &Result<Entry>| match (entry, &last) {
                (Ok(entry), Some(last)) => entry.name() > last.as_str(),
                // Where a name stands that is none cannot be known: told of twice is better than not at all.
                _ => false,
            };
            let is_over = next.is_none() || entries.iter().any(is_beyond);
            entries.retain(|entry| !is_beyond(entry));
            if next.is_some_and(|token| circle.closes(token)) {
                return Err(Error::new(ErrorKind::InvalidData, "the service gave the same page token twice"));
            }
            // Again now and then: what is listed may have come to a level that branches.
            let may_cut = !is_over
                && pages.ilog2() % 3 == 0
                && pages.is_power_of_two()
                && (last.is_none() || pages >= RECUT);
            let names = entries.iter().filter(|_| may_cut).filter_map(|entry| entry.as_ref().ok());
            let names: Vec<String> = names.map(|entry| entry.name().to_owned()).collect();
            held += entries.len() as u64;
            if is_over && last.is_some() {
                // Before it is told, so that the next range knows.
                self.entries.fetch_add(held, Ordering::Relaxed);
                self.pieces.fetch_add(pieces, Ordering::Relaxed);
            }
            if tell.send(Ok(entries)).await.is_err() || is_over {
                return Ok(());
            }
            // Who may not list a level, or cannot now, may still list the pages.
            if may_cut && let Ok(Some(rest)) = self.cut(&names, last.as_deref(), &mut level).await {
                let _ = self.cuts.send(Cut { of: number, rest });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cuts what is left behind a page with these names, if that is worth it. Above `level` there is nothing to cut.
    async fn cut(
        &self,
        page: &[String],
        last: Option<&str>,
        level: &mut Prefix,
    ) -> Result<Option<Vec<Bounds>>> {
        let (Some(first), Some(after)) = (page.first(), page.last()) else { return Ok(None) };
        let names = self.branches(first, after, last, level).await?;
        let level = level.as_str().len();
        // As many as a page held of this level stand for a page; one that fills a page may well fill several.
        let held: BTreeSet<&str> = page.iter().filter_map(|name| top(name, level)).collect();
        let step = if held.len() > 1 { held.len() * PAGES } else { 1 };
        let mut rest = Vec::new();
        let mut begin = after.clone();
        for cut in names.into_iter().skip(step - 1).step_by(step) {
            rest.push(Bounds { after: Some(begin), last: Some(cut.clone()), pieces: 1 });
            begin = cut;
        }
        let is_cut = !rest.is_empty();
        rest.push(Bounds { after: Some(begin), last: last.map(str::to_owned), pieces: 1 });
        Ok(is_cut.then_some(rest))
    }

    /// The common prefixes behind `after` of the first level, from `level` on, that has any; none if the listing has come to
    /// a directory of objects alone, and nothing is beside those around it.
    async fn branches(
        &self,
        first: &str,
        after: &str,
        last: Option<&str>,
        level: &mut Prefix,
    ) -> Result<Vec<String>> {
        for _ in 0..LEVELS_MAX {
            let is_leaf = [first, after].iter().all(|name| directory(name) == level.as_str());
            if is_leaf {
                break;
            }
            let mut lister = self.lister(level.clone(), Some(after.to_owned()), Some('/'));
            let Page { entries, next } = self.fetch(&mut *lister).await?;
            let is_flat = !entries.is_empty() && next.is_some();
            let names = entries.into_iter().flatten().filter_map(common_prefix);
            let names: Vec<String> =
                names.filter(|name| last.is_none_or(|last| name.as_str() <= last)).collect();
            match top(after, level.as_str().len()) {
                // Nothing is beside the directory that the listing has come to: what is left of it is in there.
                Some(inner) if names.is_empty() && !is_flat => *level = Prefix::new(inner)?,
                _ => return Ok(names),
            }
        }
        Ok(Vec::new())
    }

    fn lister(&self, prefix: Prefix, after: Option<String>, delimiter: Option<char>) -> Box<dyn Lister> {
        let mut request = self.request.clone();
        (request.prefix, request.start_after, request.delimiter) = (prefix, after, delimiter);
        self.store.backend().list(request)
    }

    async fn fetch(&self, lister: &mut dyn Lister) -> Result<Page> {
        let _turn = self.requests.acquire().await;
        self.store.page(lister).await
    }
}

/// What stands around a name, with the slash.
fn directory(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..=at])
}

fn common_prefix(entry: Entry) -> Option<String> {
    match entry {
        Entry::Prefix(directory) => Some(directory.prefix.to_string()),
        Entry::Object(_) => None,
    }
}

/// The common prefix of this level that a name stands below.
fn top(name: &str, level: usize) -> Option<&str> {
    let below = name.get(level..)?;
    below.find('/').map(|at| &name[..level + at + 1])
}

impl Store {
    /// One page, asked for until it comes or the policy says stop.
    pub(super) async fn page(&self, lister: &mut dyn Lister) -> Result<Page> {
        let mut attempts = self.attempts();
        loop {
            match self.within(self.silence(), lister.next_page()).await {
                Ok(page) => return Ok(page),
                Err(error) => self.pause(Operation::List, &mut attempts, error, Repeat::Idempotent).await?,
            }
        }
    }
}

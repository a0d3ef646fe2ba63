//! Listing, walking and globbing: every page or an error, in order, in bounded memory (clauses LIST-1 to LIST-4).

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};

use super::Store;
use super::spread::Spread;
use crate::backend::{Lister, Page};
use crate::error::{Error, ErrorKind, Operation, Result, Scope};
use crate::key::Prefix;
use crate::options::{Directory, Entry, ListOptions, ListRequest, Object};
use crate::pattern::Pattern;

/// In how many places a tree is walked at a time.
const WALKED_TOGETHER: usize = 8;

/// Entries of a listing as a stream.
///
/// An error whose [`scope`](Error::scope) is [`Scope::Entry`] stands for one entry that could not be read, and the
/// stream goes on after it. Any other error ends the stream: what came before it is no complete listing. Dropping the
/// stream ends the work.
pub struct Listing(Pin<Box<dyn Stream<Item = Result<Entry>> + Send>>);

impl Listing {
    fn new(stream: impl Stream<Item = Result<Entry>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The objects alone; prefixes and directories are left out, errors stay.
    pub fn objects(self) -> impl Stream<Item = Result<Object>> + Send + Unpin {
        self.0.try_filter_map(|entry| std::future::ready(Ok(entry.into_object())))
    }
}

impl Stream for Listing {
    type Item = Result<Entry>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listing")
    }
}

impl Store {
    /// Lists what begins with `prefix`, byte for byte. A missing prefix is empty. The first request goes out when the
    /// stream is first polled.
    ///
    /// # Errors
    /// In the stream: `Unsupported` for versions where none are kept; whatever keeps a page from being had;
    /// `InvalidData` if the backend breaks its own promises of order, prefix or paging.
    pub fn list(&self, prefix: &Prefix, options: ListOptions) -> Listing {
        match self.prepare_list(prefix, options) {
            Ok(state) => Listing::new(futures_util::stream::unfold(state, Pages::next)),
            Err(error) => {
                let error = self.explain(error, Operation::List, prefix.as_str());
                Listing::new(futures_util::stream::iter([Err(error)]))
            }
        }
    }

    fn prepare_list(&self, prefix: &Prefix, options: ListOptions) -> Result<Pages> {
        let mut request = options.request;
        if request.versions && !self.declared().versions {
            return Err(Error::unsupported("this store keeps no versions"));
        }
        request.prefix = self.prefix.join(prefix)?;
        request.start_after = request.start_after.map(|after| format!("{}{after}", self.prefix));
        let rules = Rules { request: request.clone(), sorted: self.declared().list_sorted };
        if !self.groups_itself(&request) {
            // A level shows empty directories too, where directories are real.
            request.directories |= request.delimiter == Some('/') && self.declared().directories;
            request.delimiter = None;
        }
        if !self.declared().list_start_after {
            request.start_after = None;
        }
        let source = if options.concurrency > 1 && self.can_spread(&request) {
            Source::Spread(Spread::new(self, request, options.concurrency))
        } else {
            Source::Chain(self.backend().list(request))
        };
        Ok(Pages {
            store: self.clone(),
            source,
            rules,
            ready: VecDeque::new(),
            over: false,
            circle: Circle::default(),
            last: String::new(),
            last_was_prefix: false,
            grouped: HashSet::new(),
            listed: prefix.clone(),
        })
    }

    /// Whether a listing can be cut into ranges: of names in order, none of which is a directory of its own.
    fn can_spread(&self, request: &ListRequest) -> bool {
        let can = self.declared();
        let cuts = can.list_sorted && can.list_start_after && can.list_delimiter && !can.directories;
        cuts && request.delimiter.is_none() && !request.versions
    }

    /// Whether the backend groups by the delimiter asked for.
    fn groups_itself(&self, request: &ListRequest) -> bool {
        self.declared().list_delimiter && request.delimiter == Some('/')
    }

    /// Walks the tree under `prefix`: every object, and before the first one of each directory the directory itself,
    /// also where directories are nothing but a `/` in keys. Real directories come even if empty. A large tree is listed in
    /// several places at a time, see [`ListOptions::concurrency`].
    ///
    /// # Errors
    /// In the stream, those of [`list`](Store::list).
    pub fn walk(&self, prefix: &Prefix) -> Listing {
        let listing = self.list(prefix, ListOptions::new().directories(true).concurrency(WALKED_TOGETHER));
        let mut parents = Parents { root: prefix.clone(), open: Vec::new() };
        let sorted = self.declared().list_sorted;
        let mut seen = HashSet::new();
        let with_parents = listing.map(move |entry| match entry {
            Ok(entry) => parents.complete(entry),
            Err(error) => vec![Err(error)],
        });
        Listing::new(with_parents.flat_map(futures_util::stream::iter).filter(move |entry| {
            // In order, a directory is met once; without order, every one met is remembered.
            let fresh = match entry {
                Ok(Entry::Prefix(d)) if !sorted => seen.insert(d.prefix.clone()),
                _ => true,
            };
            std::future::ready(fresh)
        }))
    }

    /// The objects whose keys match `pattern`. Only what begins with the pattern's literal part is listed.
    ///
    /// # Errors
    /// In the stream, those of [`list`](Store::list).
    pub fn glob(&self, pattern: &Pattern) -> Listing {
        let pattern = pattern.clone();
        let listing = self.list(pattern.literal_prefix(), ListOptions::new());
        Listing::new(listing.try_filter(move |entry| {
            let matches = matches!(entry, Entry::Object(o) if pattern.matches(o.key.as_str()));
            std::future::ready(matches)
        }))
    }
}

/// A listing in progress.
struct Pages {
    store: Store,
    source: Source,
    rules: Rules,
    ready: VecDeque<Result<Entry>>,
    /// Whether there is no further page.
    over: bool,
    circle: Circle,
    /// The full name of the last entry, by which order is checked.
    last: String,
    last_was_prefix: bool,
    /// Common prefixes already given, where `Store` groups.
    grouped: HashSet<String>,
    listed: Prefix,
}

/// Where pages come from.
enum Source {
    /// The backend, one after the other.
    Chain(Box<dyn Lister>),
    Spread(Spread),
}

/// What was asked for, to hold against what comes.
struct Rules {
    request: ListRequest,
    sorted: bool,
}

/// Finds out whether tokens go round, in the memory of two tokens: the last one, and one that is kept for twice as many
/// pages each time. A token that comes back while it is kept closes a circle (Brent's algorithm).
#[derive(Default)]
pub(super) struct Circle {
    last: Option<String>,
    kept: Option<String>,
    pages: u64,
    until: u64,
}

impl Circle {
    pub(super) fn closes(&mut self, token: String) -> bool {
        let seen = |old: &Option<String>| old.as_ref() == Some(&token);
        if seen(&self.last) || seen(&self.kept) {
            return true;
        }
        if self.pages == self.until {
            self.kept = Some(token.clone());
            self.until = (2 * self.until).max(1);
            self.pages = 0;
        }
        self.pages += 1;
        self.last = Some(token);
        false
    }
}

impl Pages {
    async fn next(mut self) -> Option<(Result<Entry>, Self)> {
        loop {
            while let Some(entry) = self.ready.pop_front() {
                match self.admit(entry) {
                    Ok(Some(entry)) => return Some((Ok(entry), self)),
                    Ok(None) => {}
                    Err(error) if error.scope() == Scope::Entry => {
                        let shown = self.show(error.key().unwrap_or_default()).to_owned();
                        let error = self.store.explain(error, Operation::List, &shown);
                        return Some((Err(error), self));
                    }
                    Err(error) => return Some(self.fail(error)),
                }
            }
            if self.over {
                return None;
            }
            match self.fetch().await {
                Ok(()) => {}
                Err(error) => return Some(self.fail(error)),
            }
        }
    }

    async fn fetch(&mut self) -> Result<()> {
        match &mut self.source {
            Source::Chain(lister) => {
                let page = self.store.page(&mut **lister).await?;
                self.accept(page)
            }
            Source::Spread(spread) => {
                let entries = spread.next().await?;
                self.over = entries.is_none();
                self.ready = entries.unwrap_or_default().into();
                Ok(())
            }
        }
    }

    fn accept(&mut self, page: Page) -> Result<()> {
        self.ready = page.entries.into();
        self.over = page.next.is_none();
        if page.next.is_some_and(|token| self.circle.closes(token)) {
            return Err(Error::new(ErrorKind::InvalidData, "the service gave the same page token twice"));
        }
        Ok(())
    }

    /// The error, and nothing after it.
    fn fail(mut self, error: Error) -> (Result<Entry>, Self) {
        self.ready.clear();
        self.over = true;
        let error = self.store.explain(error, Operation::List, self.listed.as_str());
        (Err(error), self)
    }

    /// Checks an entry, does what the backend left to `Store`, and shows it as the user knows it.
    fn admit(&mut self, entry: Result<Entry>) -> Result<Option<Entry>> {
        let entry = entry?;
        if !entry.name().starts_with(self.rules.request.prefix.as_str()) {
            let message =
                format!("the service listed `{}`, which does not begin with the prefix", entry.name());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        if entry.name() == self.store.prefix.as_str() {
            // The marker that some tools put for a "folder": seen from inside it is the root, which has no name.
            return Ok(None);
        }
        self.check_order(&entry)?;
        let Some(entry) = self.group(entry)? else { return Ok(None) };
        if self.rules.request.start_after.as_deref().is_some_and(|after| entry.name() <= after) {
            return Ok(None);
        }
        self.relative(entry).map(Some)
    }

    fn check_order(&mut self, entry: &Entry) -> Result<()> {
        if !self.rules.sorted {
            return Ok(());
        }
        // Versions of one object share its name, and so may a directory and the object whose key ends in `/`.
        let twins =
            self.rules.request.versions || (self.last_was_prefix && matches!(entry, Entry::Object(_)));
        if !self.last.is_empty() && (entry.name() < &*self.last || (entry.name() == self.last && !twins)) {
            let message = format!("the service listed `{}` after `{}`", entry.name(), self.last);
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        self.last.clear();
        self.last.push_str(entry.name());
        self.last_was_prefix = matches!(entry, Entry::Prefix(_));
        Ok(())
    }

    /// Groups by the delimiter where the backend does not.
    fn group(&mut self, entry: Entry) -> Result<Option<Entry>> {
        let Some(delimiter) = self.rules.request.delimiter else { return Ok(Some(entry)) };
        if self.store.groups_itself(&self.rules.request) {
            return Ok(Some(entry));
        }
        let start = self.rules.request.prefix.as_str().len();
        let Some(at) = entry.name()[start..].find(delimiter) else { return Ok(Some(entry)) };
        let common = &entry.name()[..start + at + delimiter.len_utf8()];
        if common.len() == entry.name().len() && matches!(entry, Entry::Prefix(_)) {
            return Ok(self.grouped.insert(common.to_owned()).then_some(entry));
        }
        if !self.grouped.insert(common.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Entry::Prefix(Directory::new(Prefix::new(common)?, None))))
    }

    fn relative(&self, entry: Entry) -> Result<Entry> {
        if self.store.prefix.is_root() {
            return Ok(entry);
        }
        Ok(match entry {
            Entry::Object(object) => {
                let key = crate::Key::new(self.show(object.key.as_str()))?;
                Entry::Object(Object::new(key, object.metadata))
            }
            Entry::Prefix(directory) => {
                let prefix = Prefix::new(self.show(directory.prefix.as_str()))?;
                Entry::Prefix(Directory::new(prefix, directory.metadata))
            }
        })
    }

    /// A full name as the user of a scoped store knows it.
    fn show<'a>(&self, full: &'a str) -> &'a str {
        full.strip_prefix(self.store.prefix.as_str()).unwrap_or(full)
    }
}

/// Adds the directories that stand only in keys.
struct Parents {
    root: Prefix,
    /// The directories around the last entry, outermost first.
    open: Vec<String>,
}

impl Parents {
    fn complete(&mut self, entry: Entry) -> Vec<Result<Entry>> {
        let name = entry.name().to_owned();
        self.open.retain(|directory| name.starts_with(directory.as_str()));
        let root = self.root.as_str().len();
        let mut all = Vec::new();
        for (at, _) in name.match_indices('/').filter(|(at, _)| *at >= root) {
            let directory = &name[..=at];
            let itself = directory == name && matches!(entry, Entry::Prefix(_));
            if self.open.iter().any(|open| open == directory) {
                continue;
            }
            self.open.push(directory.to_owned());
            if !itself {
                all.push(Prefix::new(directory).map(|p| Entry::Prefix(Directory::new(p, None))));
            }
        }
        all.push(Ok(entry));
        all
    }
}

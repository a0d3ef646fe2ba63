//! Two listings side by side, in key order.

use std::pin::Pin;

use futures_util::stream::Peekable;
use futures_util::{Stream, StreamExt};
use storage_core::{Entry, Error, ListOptions, Prefix, Result, Scope, Store};

use crate::plan::Pair;

type Entries = Pin<Box<dyn Stream<Item = Result<Entry>> + Send>>;

/// In how many places a large tree is listed at a time.
const LISTED_TOGETHER: usize = 8;

/// Which listing an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// What comes next.
#[allow(clippy::large_enum_variant)] // made and taken apart at once, never stored
pub(crate) enum Next {
    Pair(Pair),
    /// One entry could not be read; the listing goes on.
    Entry(Error),
    /// A listing broke off.
    Broken(Side, Error),
    End,
}

pub(crate) struct Merge {
    source: Peekable<Entries>,
    destination: Peekable<Entries>,
}

impl Merge {
    pub(crate) async fn new(source: &Store, destination: &Store) -> Result<Self> {
        // Directories count only where the destination can have them.
        let directories = destination.capabilities().directories;
        Ok(Self {
            source: entries(source, directories).await?.peekable(),
            destination: entries(destination, directories).await?.peekable(),
        })
    }

    /// Whether the source has nothing at all.
    pub(crate) async fn source_is_empty(&mut self) -> bool {
        Pin::new(&mut self.source).peek().await.is_none()
    }

    pub(crate) async fn next(&mut self) -> Next {
        let (left, right) = futures_util::future::join(
            Pin::new(&mut self.source).peek(),
            Pin::new(&mut self.destination).peek(),
        )
        .await;
        let (take_left, take_right) = match (left, right) {
            (None, None) => return Next::End,
            (Some(Err(_)), _) => return failed(Side::Source, self.source.next().await),
            (_, Some(Err(_))) => return failed(Side::Destination, self.destination.next().await),
            (Some(Ok(_)), None) => (true, false),
            (None, Some(Ok(_))) => (false, true),
            (Some(Ok(left)), Some(Ok(right))) => (left.name() <= right.name(), right.name() <= left.name()),
        };
        let source = if take_left { self.source.next().await } else { None };
        let destination = if take_right { self.destination.next().await } else { None };
        Next::Pair(Pair {
            source: source.and_then(Result::ok),
            destination: destination.and_then(Result::ok),
        })
    }
}

fn failed(side: Side, item: Option<Result<Entry>>) -> Next {
    match item {
        Some(Err(error)) if error.scope() == Scope::Entry => Next::Entry(error),
        Some(Err(error)) => Next::Broken(side, error),
        _ => Next::End,
    }
}

/// Whether it is an empty object by which some tools mark a directory. The directory itself comes before it.
fn marks_directory(entry: &Entry) -> bool {
    matches!(entry, Entry::Object(object) if object.key.as_str().ends_with('/') && object.metadata.size == 0)
}

/// The tree of a store in key order. A store that lists in another order is listed whole first.
async fn entries(store: &Store, directories: bool) -> Result<Entries> {
    let listing: Entries = if directories {
        let listing = store.walk(&Prefix::root());
        Box::pin(listing.filter(|entry| std::future::ready(!entry.as_ref().is_ok_and(marks_directory))))
    } else {
        Box::pin(store.list(&Prefix::root(), ListOptions::new().concurrency(LISTED_TOGETHER)))
    };
    if store.capabilities().list_sorted {
        return Ok(listing);
    }
    let mut all: Vec<Result<Entry>> = listing.collect().await;
    if let Some(at) = all.iter().position(|e| e.as_ref().is_err_and(|e| e.scope() == Scope::Operation)) {
        return Err(all.swap_remove(at).err().unwrap_or_else(|| unreachable!("the position is of an error")));
    }
    let name = |entry: &Result<Entry>| entry.as_ref().map(|e| e.name().to_owned()).unwrap_or_default();
    all.sort_by_cached_key(name);
    Ok(Box::pin(futures_util::stream::iter(all)))
}

//! Large trees listed in several places at a time: the same entries in the same order, for not many more requests.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Odd, key};
use futures_util::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
use storage_core::{Entry, ErrorKind, ListOptions, Prefix, RetryPolicy, Store, WriteOptions};
use tokio::time::Instant;

const WAIT: Duration = Duration::from_millis(10);

/// An object store that gives pages of so many names.
fn paged(size: usize) -> Odd {
    let odd = Odd::new(|can| {
        can.directories = false;
        (can.list_sorted, can.list_start_after, can.list_delimiter) = (true, true, true);
    });
    odd.with(|odd| odd.pages = Some((size, WAIT)))
}

async fn fill(store: &Store, names: impl IntoIterator<Item = impl AsRef<str>>) {
    for name in names {
        store.write(&key(name.as_ref()), "x", WriteOptions::new()).await.expect("written");
    }
}

async fn names(store: &Store, options: ListOptions) -> Vec<String> {
    let entries: Vec<Entry> = store.list(&Prefix::root(), options).try_collect().await.expect("listed");
    entries.iter().map(|entry| entry.name().to_owned()).collect()
}

/// So many directories of so many objects.
fn tree(directories: usize, objects: usize) -> impl Iterator<Item = String> {
    (0..directories).flat_map(move |d| (0..objects).map(move |o| format!("all/of/it/{d:03}/{o:03}")))
}

#[tokio::test(start_paused = true)]
async fn a_wide_tree_takes_a_part_of_the_time() {
    let odd = paged(50);
    let store = odd.store();
    fill(&store, tree(100, 200)).await;
    let began = Instant::now();
    let serial = names(&store, ListOptions::new()).await;
    let (alone, pages) = (began.elapsed(), odd.counts.pages.swap(0, Ordering::Relaxed));
    assert_eq!((serial.len(), pages), (20_000, 400));
    let began = Instant::now();
    assert_eq!(names(&store, ListOptions::new().concurrency(8)).await, serial);
    let (together, more) = (began.elapsed(), odd.counts.pages.load(Ordering::Relaxed));
    assert!(together < alone / 4, "{together:?} of {alone:?}");
    assert!(more <= pages + pages / 3, "{more} requests in place of {pages}");
}

/// Where a directory ends at the end of a page only the next page tells so: alone each would cost two.
#[tokio::test(start_paused = true)]
async fn directories_of_a_page_are_listed_several_at_a_time() {
    let odd = paged(100);
    let store = odd.store();
    fill(&store, tree(100, 100)).await;
    let began = Instant::now();
    let serial = names(&store, ListOptions::new()).await;
    let (alone, pages) = (began.elapsed(), odd.counts.pages.swap(0, Ordering::Relaxed));
    let began = Instant::now();
    assert_eq!(names(&store, ListOptions::new().concurrency(8)).await, serial);
    let (together, more) = (began.elapsed(), odd.counts.pages.load(Ordering::Relaxed));
    assert!(together < alone / 3, "{together:?} of {alone:?}");
    assert!(more <= pages * 3 / 2, "{more} requests in place of {pages}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cut_costs_hardly_more_requests() {
    for (about, tree) in [
        ("flat", (0..1000).map(|n| format!("{n:04}")).collect::<Vec<_>>()),
        ("tiny directories", (0..500).map(|n| format!("{n:04}/x")).collect()),
        ("one directory", (0..1000).map(|n| format!("a/b/c/{n:04}")).collect()),
        ("a chain", (0..50).map(|n| format!("{}x{n}", "d/".repeat(n))).collect()),
    ] {
        let odd = paged(10);
        let store = odd.store();
        fill(&store, &tree).await;
        let serial = names(&store, ListOptions::new()).await;
        let pages = odd.counts.pages.swap(0, Ordering::Relaxed);
        assert_eq!(names(&store, ListOptions::new().concurrency(8)).await, serial, "{about}");
        let more = odd.counts.pages.load(Ordering::Relaxed);
        assert!(more <= pages * 5 / 4 + 40, "{about}: {more} requests in place of {pages}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_listing_is_one_request() {
    let odd = paged(10);
    let store = odd.store();
    fill(&store, tree(3, 3)).await;
    assert_eq!(names(&store, ListOptions::new().concurrency(8)).await.len(), 9);
    assert_eq!(odd.counts.pages.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_asked_for_again_and_one_that_cannot_be_had_ends_it() {
    let odd = paged(10);
    fill(&odd.store(), tree(40, 50)).await;
    for at in [0, 1, 2, 3, 20, 77] {
        let once = FaultLayer::new(Plan::new().at(Call::Page, at, Fault::Before(Refusal::unavailable())));
        let store = odd.store().with_retry(RetryPolicy::default()).layer(&once);
        assert_eq!(names(&store, ListOptions::new().concurrency(8)).await.len(), 2000, "{at}");
        let gone = FaultLayer::new(Plan::new().at(Call::Page, at, Fault::Before(Refusal::denied())));
        let (good, bad) = told(&odd.store().layer(&gone)).await;
        // The requests after the first page only look where the tree can be cut: the listing does without.
        if (1..=3).contains(&at) {
            assert_eq!((good.len(), bad), (2000, vec![]), "{at}");
        } else {
            assert_eq!(bad, [ErrorKind::PermissionDenied], "{at}");
            assert!(good.len() < 2000, "{at}");
        }
    }
}

/// The names of a listing in several places, and the errors in it.
async fn told(store: &Store) -> (Vec<String>, Vec<ErrorKind>) {
    let mut listing = store.list(&Prefix::root(), ListOptions::new().concurrency(8));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(entry) = listing.next().await {
        match entry {
            Ok(entry) => good.push(entry.name().to_owned()),
            Err(error) => bad.push(error.kind()),
        }
    }
    (good, bad)
}

/// Nobody can tell where it stands; what stands behind it is listed all the same.
#[tokio::test(start_paused = true)]
async fn a_name_that_is_no_key_hides_no_other() {
    let odd = paged(10).with(|odd| odd.no_key = Some("no key"));
    let store = odd.store();
    fill(&store, tree(40, 50)).await;
    fill(&store, (0..40).map(|d| format!("all/of/it/{d:03}/003 no key"))).await;
    let (good, bad) = told(&store).await;
    assert_eq!(good, tree(40, 50).collect::<Vec<_>>());
    assert!(bad.len() >= 40 && bad.iter().all(|kind| *kind == ErrorKind::InvalidKey), "{bad:?}");
}

#[tokio::test(start_paused = true)]
async fn dropped_it_asks_for_nothing_more() {
    let odd = paged(10);
    let store = odd.store();
    fill(&store, tree(40, 50)).await;
    let mut listing = store.list(&Prefix::root(), ListOptions::new().concurrency(8));
    for _ in 0..100 {
        listing.next().await.expect("an entry").expect("a name");
    }
    drop(listing);
    tokio::time::sleep(WAIT * 3).await;
    let asked = odd.counts.pages.load(Ordering::Relaxed);
    tokio::time::sleep(WAIT * 100).await;
    assert_eq!(odd.counts.pages.load(Ordering::Relaxed), asked);
    assert_eq!(odd.counts.listing.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_not_run_away_from() {
    let odd = paged(10);
    let store = odd.store();
    fill(&store, tree(200, 50)).await;
    let mut listing = store.list(&Prefix::root(), ListOptions::new().concurrency(8));
    listing.next().await.expect("an entry").expect("a name");
    tokio::time::sleep(WAIT * 1000).await;
    let asked = odd.counts.pages.load(Ordering::Relaxed);
    assert!(asked <= 8 * 18, "{asked} pages for one name");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_tree_is_listed_as_it_is(
        tree in proptest::collection::btree_set("[ab]{1,2}(/[abc~]{1,2}){0,4}", 1..300),
        size in 1usize..20,
        concurrency in 2usize..9,
        after in proptest::option::of("[ab]{1,2}(/[abc]){0,3}/?"),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let odd = paged(size);
            let store = odd.store();
            // In memory a name may be that of a directory as well.
            fill(&store, &tree).await;
            let mut options = ListOptions::new();
            if let Some(after) = &after {
                options = options.start_after(after);
            }
            let serial = names(&store, options.clone()).await;
            assert_eq!(names(&store, options.concurrency(concurrency)).await, serial);
        });
    }
}

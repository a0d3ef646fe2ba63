//! Listing: order, resuming anywhere, deep and wide trees, and trees that change meanwhile (clauses LIST-1 to LIST-5).

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Root, key, list, put};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};
use storage_core::{ListOptions, Scope, StatOptions};
use storage_fs::Symlinks;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Makes a tree of those names that can be, and returns them in order.
fn plant(root: &Root, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for name in names {
        let path = root.at(&name);
        let made = path.parent().is_some_and(|parent| std::fs::create_dir_all(parent).is_ok());
        if made && !path.exists() && std::fs::write(path, "").is_ok() {
            there.insert(name);
        }
    }
    there
}

/// What a listing with these options is, by definition.
fn model(names: &BTreeSet<String>, prefix: &str, after: Option<&str>, delimiter: bool) -> Vec<String> {
    let mut all = BTreeSet::new();
    for name in names.iter().filter(|name| name.starts_with(prefix)) {
        let end = name[prefix.len()..].find('/').filter(|_| delimiter);
        all.insert(end.map_or(name.clone(), |end| name[..=prefix.len() + end].to_owned()));
    }
    all.into_iter().filter(|name| after.is_none_or(|after| name.as_str() > after)).collect()
}

/// Names of the bytes around `/`, where the order of directories and the order of keys differ.
fn names() -> impl Strategy<Value = Vec<String>> {
    let segment =
        prop::collection::vec(prop::sample::select(vec!["a", "b", ".", "-", "0", " ", "!", "é", "~"]), 1..4)
            .prop_map(|parts| parts.concat())
            .prop_filter("a segment", |segment| !matches!(segment.as_str(), "." | ".."));
    let name = prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"));
    prop::collection::vec(name, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_part_of_a_listing_is_that_part_of_the_whole(names in names(), cuts in prop::collection::vec(any::<u16>(), 12)) {
        let root = Root::new(Symlinks::Follow);
        let there = plant(&root, names);
        // Starts: every directory, and cuts through names, whether a key is there or not.
        let all: Vec<&String> = there.iter().collect();
        let mut starts = vec![String::new(), "a".into(), "a/".into(), "/".into(), "b-".into()];
        for cut in cuts {
            let Some(name) = all.get(usize::from(cut) % all.len().max(1)) else { continue };
            let mut end = usize::from(cut >> 4) % (name.len() + 1);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            starts.push(name[..end].to_owned());
            starts.push((*name).clone());
        }
        block_on(async {
            for (at, start) in starts.iter().enumerate() {
                let after = &starts[(at * 7 + 3) % starts.len()];
                for delimiter in [false, true] {
                    for after in [None, Some(after.as_str())] {
                        let mut options = ListOptions::new();
                        if delimiter {
                            options = options.delimiter('/');
                        }
                        if let Some(after) = after {
                            options = options.start_after(after);
                        }
                        let (listed, errors) = list(&root.store, start, options).await;
                        assert!(errors.is_empty(), "{errors:?}");
                        assert_eq!(listed, model(&there, start, after, delimiter), "{start:?} after {after:?}");
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn thousands_of_names_around_the_slash_are_in_order() {
    let root = Root::new(Symlinks::Follow);
    let mut random = fastrand::Rng::with_seed(7);
    let alphabet = ["a", "a!", "a.", "a0", "a-", "A", "\u{1}", "é", "\\", "\u{10ffff}"];
    let names = (0..6000).map(|_| {
        let segments: Vec<String> = (0..random.usize(1..5))
            .map(|_| (0..random.usize(1..4)).map(|_| alphabet[random.usize(..alphabet.len())]).collect())
            .collect();
        segments.join("/")
    });
    let there = plant(&root, names.collect::<Vec<_>>());
    assert!(there.len() > 3000, "{}", there.len());
    let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(listed.iter().eq(there.iter()));
}

#[tokio::test]
async fn a_wide_directory_is_listed_whole() {
    let root = Root::new(Symlinks::Follow);
    let empty = std::fs::File::create(root.at("00000")).expect("a file");
    drop(empty);
    let mut linked = String::new();
    for at in 1..50_000 {
        // A file has room for so many names only.
        if at % 1000 == 1 {
            linked = format!("{at:05}");
            std::fs::write(root.at(&linked), "").expect("a file");
        } else {
            std::fs::hard_link(root.at(&linked), root.at(&format!("{at:05}"))).expect("a name");
        }
    }
    let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(listed.iter().enumerate().all(|(at, name)| *name == format!("{at:05}")));
    assert_eq!(listed.len(), 50_000);
    let (rest, _) = list(&root.store, "", ListOptions::new().start_after("49996")).await;
    assert_eq!(rest, ["49997", "49998", "49999"]);
}

#[tokio::test]
async fn a_deep_tree_is_listed_and_written_to_its_end() {
    let root = Root::new(Symlinks::Follow);
    let deep = "d/".repeat(500) + "file";
    put(&root.store, &deep, "content").await.expect("written");
    let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!((listed, errors.len()), (vec![deep.clone()], 0));
    // Below what a key can name there are entry errors, and the listing goes on.
    let below = root.at(&"d/".repeat(500));
    std::fs::create_dir_all(below.join("x".repeat(200))).expect("a directory");
    std::fs::write(below.join("y".repeat(200)), "").expect("a file");
    root.file("e", "");
    let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
    assert_eq!((listed, errors.len()), (vec![deep, "e".to_owned()], 2));
    assert!(errors.iter().all(|error| error.scope() == Scope::Entry));
    root.store.cleanup(&common::prefix("")).await.expect("cleaned");
}

#[tokio::test]
async fn linked_circles_end() {
    let root = Root::new(Symlinks::Follow);
    root.file("a/file", "");
    root.file("b/file", "");
    root.link("../b", "a/to-b");
    root.link("../a", "b/to-a");
    root.link("..", "a/up");
    root.link("itself", "itself");
    root.link(".", "here");
    root.link("gone", "dangling");
    let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
    for name in ["a/file", "a/to-b/file", "b/file", "b/to-a/file"] {
        assert!(listed.iter().any(|listed| listed == name), "{name} in {listed:?}");
    }
    let named: BTreeSet<&str> = errors.iter().filter_map(|error| error.key()).collect();
    for name in ["a/to-b/to-a/", "a/up/", "itself", "here/", "dangling"] {
        assert!(named.contains(name), "{name} in {named:?}");
    }
    for (symlinks, expect) in [
        (Symlinks::Skip, &["a/file", "b/file"][..]),
        (Symlinks::Preserve, &["a/file", "a/to-b", "a/up", "b/file", "b/to-a", "dangling", "here", "itself"]),
    ] {
        let (listed, errors) = list(&common::store(&root.path(), symlinks), "", ListOptions::new()).await;
        assert_eq!(
            (&listed[..], errors.len()),
            (&expect.iter().map(|n| n.to_string()).collect::<Vec<_>>()[..], 0)
        );
    }
}

/// What stays is listed, whatever comes and goes beside it.
#[tokio::test]
async fn directories_may_come_and_go_while_they_are_listed() {
    let root = Root::new(Symlinks::Follow);
    let stays: Vec<String> = (0..100).map(|at| format!("{at:03}/stays/file")).collect();
    stays.iter().for_each(|name| root.file(name, ""));
    let stop = Arc::new(AtomicBool::new(false));
    let changer = std::thread::spawn({
        let (root, stop) = (root.path(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                for at in (0..100).step_by(3) {
                    let directory = root.join(format!("{at:03}/goes"));
                    let _ = std::fs::create_dir_all(directory.join("deep"));
                    let _ = std::fs::write(directory.join("deep/file"), "");
                    let _ = std::fs::remove_dir_all(directory);
                }
            }
        }
    });
    for _ in 0..30 {
        let (listed, errors) = list(&root.store, "", ListOptions::new()).await;
        assert!(errors.is_empty(), "{errors:?}");
        assert!(listed.is_sorted());
        let kept: Vec<&String> = listed.iter().filter(|name| name.contains("stays")).collect();
        assert!(kept.into_iter().eq(stays.iter()));
        // The start itself goes away.
        let (_, errors) = list(&root.store, "003/goes/", ListOptions::new()).await;
        assert!(errors.is_empty(), "{errors:?}");
        root.store.cleanup(&common::prefix("")).await.expect("cleaned");
    }
    stop.store(true, Ordering::Relaxed);
    changer.join().expect("no panic");
}

#[tokio::test]
async fn entries_agree_with_a_stat() {
    use futures_util::TryStreamExt;
    for symlinks in [Symlinks::Follow, Symlinks::Preserve] {
        let root = Root::new(symlinks);
        root.file("a/file", "content");
        root.link("a/file", "link");
        let objects: Vec<_> =
            root.store.list(&common::prefix(""), ListOptions::new()).objects().try_collect().await.unwrap();
        assert_eq!(objects.len(), 2);
        for object in objects {
            let found = root.store.stat(&object.key, StatOptions::new()).await.expect("it is there");
            let both =
                [&object.metadata, &found].map(|m| (m.size, m.modified, m.etag.clone(), m.kind, m.unix));
            assert_eq!(both[0], both[1], "{}", object.key);
        }
        assert!(root.store.exists(&key("link")).await.expect("known"));
    }
}

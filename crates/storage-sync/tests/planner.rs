//! The planner and the engine against a naive model, on random small trees.
//!
//! The planner is pure: its steps are applied to a tree in memory that behaves as a file system does, where a file and a
//! directory of one name exclude each other. The engine runs on stores in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};
use storage_core::{
    Directory, Entry, ErrorKind, Key, ListOptions, Metadata, Object, Prefix, ReadOptions, Store, WriteOptions,
};
use storage_memory::Memory;
use storage_sync::{Pair, Planner, Rules, Step, SyncEvent, SyncOptions, sync};

/// What stands at a path; directories are real, and parents of everything are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(u8),
    Directory,
}

type Tree = BTreeMap<String, Node>;

/// Names around `/` in byte order, so that a file, its neighbours and the directory of its name come apart.
fn segment() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a-", "a-b", "a0", "a.", "b", " "]).prop_map(str::to_owned)
}

fn tree() -> impl Strategy<Value = Tree> {
    let node = prop_oneof![3 => (0..3u8).prop_map(Node::File), 1 => Just(Node::Directory)];
    let path = prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join("/"));
    prop::collection::vec((path, node), 0..12).prop_map(|wanted| {
        let mut tree = Tree::new();
        for (path, node) in wanted {
            let parents: Vec<String> = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect();
            let free = parents.iter().all(|parent| !matches!(tree.get(parent), Some(Node::File(_))));
            if free && !tree.contains_key(&path) {
                tree.extend(parents.into_iter().map(|parent| (parent, Node::Directory)));
                tree.insert(path, node);
            }
        }
        tree
    })
}

fn time(version: u8) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000 + u64::from(version))
}

/// The listing of a tree, in key order: the name of a directory ends in `/`.
fn entries(tree: &Tree) -> BTreeMap<String, Entry> {
    let entry = |(path, node): (&String, &Node)| match node {
        Node::Directory => {
            let name = format!("{path}/");
            let prefix = Prefix::new(&name).expect("a valid prefix");
            (name, Entry::Prefix(Directory::new(prefix, None)))
        }
        Node::File(version) => {
            let mut metadata = Metadata::new(1);
            metadata.modified = Some(time(*version));
            (path.clone(), Entry::Object(Object::new(Key::new(path).expect("a valid key"), metadata)))
        }
    };
    tree.iter().map(entry).collect()
}

/// All steps, in the planner's order.
fn plan(source: &Tree, destination: &Tree, delete: bool) -> Vec<Step> {
    let (left, right) = (entries(source), entries(destination));
    let mut rules = Rules::new();
    rules.delete = delete;
    rules.names_collide = true;
    let mut planner = Planner::new(rules);
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let mut steps = Vec::new();
    for name in names {
        let pair = Pair { source: left.get(name).cloned(), destination: right.get(name).cloned() };
        steps.extend(planner.push(pair));
    }
    steps.extend(planner.finish());
    steps
}

fn is_late(step: &Step) -> bool {
    matches!(step, Step::Copy { late: true, .. } | Step::CreateDir { late: true, .. })
}

fn path_of(directory: &Prefix) -> String {
    directory.as_str().trim_end_matches('/').to_owned()
}

/// Puts something where nothing of another kind may stand, below directories that must exist.
fn put(tree: &mut Tree, path: &str, node: Node) {
    if let Some((parent, _)) = path.rsplit_once('/') {
        assert_eq!(tree.get(parent), Some(&Node::Directory), "no directory for `{path}`");
    }
    if let Some(there) = tree.get(path) {
        let same_kind = (*there == Node::Directory) == (node == Node::Directory);
        assert!(same_kind, "`{path}` is in the way");
    }
    tree.insert(path.to_owned(), node);
}

/// Does the steps as the engine orders them: what adds, what is in the way, what is late, the rest of what goes.
fn apply(steps: &[Step], source: &Tree, mut tree: Tree) -> Tree {
    let add = |tree: &mut Tree, late: bool| {
        for step in steps.iter().filter(|step| is_late(step) == late) {
            match step {
                Step::Copy { source: object, .. } => {
                    put(tree, object.key.as_str(), source[object.key.as_str()]);
                }
                Step::CreateDir { directory, .. } => put(tree, &path_of(&directory.prefix), Node::Directory),
                _ => {}
            }
        }
    };
    let remove = |tree: &mut Tree, obstacles: bool| {
        for step in steps {
            if let Step::Delete { key, obstacle, .. } = step
                && *obstacle == obstacles
            {
                assert!(matches!(tree.remove(key.as_str()), Some(Node::File(_))), "`{key}` is no file");
            }
        }
        for step in steps.iter().rev() {
            if let Step::DeleteDir { prefix, obstacle, .. } = step
                && *obstacle == obstacles
            {
                let path = path_of(prefix);
                assert!(!tree.keys().any(|name| name.starts_with(prefix.as_str())), "`{path}` is not empty");
                assert_eq!(tree.remove(&path), Some(Node::Directory), "`{path}` is no directory");
            }
        }
    };
    add(&mut tree, false);
    remove(&mut tree, true);
    add(&mut tree, true);
    remove(&mut tree, false);
    tree
}

/// What a sync without deleting may do: copy what has a free way, and leave the rest alone.
fn model_without_delete(source: &Tree, destination: &Tree) -> (Tree, BTreeSet<String>) {
    let (mut tree, mut blocked) = (destination.clone(), BTreeSet::new());
    for (path, node) in source {
        let is_file = |path: &str| matches!(destination.get(path), Some(Node::File(_)));
        let under_a_file = path.match_indices('/').any(|(at, _)| is_file(&path[..at]));
        let conflict = match node {
            Node::File(_) => destination.get(path) == Some(&Node::Directory),
            Node::Directory => is_file(path),
        };
        if under_a_file || conflict {
            blocked.insert(path.clone());
        } else {
            tree.insert(path.clone(), *node);
        }
    }
    (tree, blocked)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_delete_the_destination_becomes_the_source(source in tree(), destination in tree()) {
        let steps = plan(&source, &destination, true);
        let blocked = steps.iter().any(|step| matches!(step, Step::Blocked { .. } | Step::Extra { .. }));
        prop_assert!(!blocked, "{steps:?}");
        prop_assert_eq!(apply(&steps, &source, destination), source);
    }

    #[test]
    fn without_delete_nothing_goes_and_conflicts_are_told(source in tree(), destination in tree()) {
        let steps = plan(&source, &destination, false);
        let deletes = |step: &Step| {
            is_late(step) || matches!(step, Step::Delete { .. } | Step::DeleteDir { .. })
        };
        prop_assert!(!steps.iter().any(deletes), "{steps:?}");
        let (expected, blocked) = model_without_delete(&source, &destination);
        prop_assert_eq!(apply(&steps, &source, destination.clone()), expected);
        let told: BTreeSet<String> = steps.iter().filter_map(|step| match step {
            Step::Blocked { name, .. } => Some(name.trim_end_matches('/').to_owned()),
            _ => None,
        }).collect();
        prop_assert_eq!(told, blocked);
        let extra = steps.iter().filter(|step| matches!(step, Step::Extra { .. })).count();
        let only_there = |(path, node): &(&String, &Node)| match (node, source.get(*path)) {
            (Node::Directory, found) => found != Some(&Node::Directory),
            (Node::File(_), found) => !matches!(found, Some(Node::File(_))),
        };
        prop_assert_eq!(extra, destination.iter().filter(only_there).count());
    }

    #[test]
    fn what_is_equal_is_left_alone(tree in tree()) {
        for delete in [false, true] {
            let steps = plan(&tree, &tree, delete);
            let kept = |step: &Step| {
                matches!(step, Step::Keep { change: None, .. } | Step::KeepDir { differs: false, .. })
            };
            prop_assert!(steps.iter().all(kept), "{steps:?}");
            prop_assert_eq!(steps.len(), tree.len());
        }
    }
}

type Contents = BTreeMap<String, u8>;

/// Objects of an object store: `a` and `a/b` live side by side.
fn contents() -> impl Strategy<Value = Contents> {
    let path = prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join("/"));
    prop::collection::btree_map(path, 0..3u8, 0..10)
}

async fn store(contents: &Contents) -> Store {
    let store = Store::new(Memory::unversioned());
    for (name, version) in contents {
        let options = WriteOptions::new().modified(time(*version));
        let key = Key::new(name).expect("a valid key");
        store.write(&key, vec![*version], options).await.expect("memory takes it");
    }
    store
}

async fn read(store: &Store) -> Contents {
    use futures_util::TryStreamExt;
    let keys: Vec<Key> = store
        .list(&Prefix::root(), ListOptions::new())
        .objects()
        .map_ok(|o| o.key)
        .try_collect()
        .await
        .expect("a listing");
    let mut found = Contents::new();
    for key in keys {
        let bytes = store.read(&key, ReadOptions::new()).await.expect("it was listed").bytes;
        found.insert(key.to_string(), bytes[0]);
    }
    found
}

/// The objects and the directories that they are in.
fn names(contents: &Contents) -> BTreeSet<&str> {
    let directories =
        |name: &'_ String| -> Vec<usize> { name.match_indices('/').map(|(at, _)| at).collect() };
    let parents = contents.keys().flat_map(|name| directories(name).into_iter().map(move |at| &name[..=at]));
    contents.keys().map(String::as_str).chain(parents).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_was_asked(source in contents(), destination in contents(), delete: bool) {
        block_on(async {
            let (from, to) = (store(&source).await, store(&destination).await);
            let options = || SyncOptions::new().delete(delete);
            let before = read(&to).await;
            let planned = sync(&from, &to, options().dry_run(true), |_| {}).await;
            prop_assert_eq!(read(&to).await, before, "a dry run changes nothing");
            let done = sync(&from, &to, options(), |_| {}).await;
            if source.is_empty() && delete {
                prop_assert_eq!(done.expect_err("an empty source").kind(), ErrorKind::InvalidInput);
                prop_assert_eq!(read(&to).await, destination);
                return Ok(());
            }
            let (planned, done) = (planned.expect("a plan"), done.expect("memory does not fail"));
            prop_assert_eq!((planned.copied, planned.deleted), (done.copied, done.deleted));
            let mut expected = if delete { Contents::new() } else { destination };
            expected.extend(source);
            prop_assert_eq!(read(&to).await, expected);
            let again = sync(&from, &to, options(), |_| {}).await.expect("memory does not fail");
            prop_assert_eq!((again.copied, again.deleted, again.updated, again.failed), (0, 0, 0, 0));
            Ok(())
        })?;
    }

    /// The source loses an object after it was listed: that is a failure, and nothing is deleted then.
    #[test]
    fn a_failure_stops_deleting(source in contents(), mut destination in contents()) {
        prop_assume!(!source.is_empty());
        let gone = Key::new(source.keys().next_back().expect("not empty")).expect("a valid key");
        destination.remove(gone.as_str());
        block_on(async {
            let (from, to) = (store(&source).await, store(&destination).await);
            let name = gone.to_string();
            let vanished = Fault::Before(Refusal::of(ErrorKind::NotFound));
            let plan = Plan::new().rule(Rule::new(Call::Read, vanished).only(move |seen| seen.name == name));
            let layer = FaultLayer::new(plan);
            let vanishing = from.layer(&layer);
            let mut failed = Vec::new();
            let options = SyncOptions::new().delete(true);
            let summary = sync(&vanishing, &to, options, |event| {
                if let SyncEvent::Failed { name, .. } = event {
                    failed.push(name.to_owned());
                }
            });
            let summary = summary.await.expect("a summary");
            let extra = names(&destination).difference(&names(&source)).count() as u64;
            prop_assert_eq!(layer.unmet(), Vec::<String>::new(), "the fault was met");
            prop_assert_eq!(failed, vec![gone.to_string()]);
            prop_assert_eq!((summary.failed, summary.deleted, summary.deletions_skipped), (1, 0, extra));
            let mut expected = destination.clone();
            expected.extend(source.iter().filter(|(name, _)| **name != gone.as_str()).map(|(n, v)| (n.clone(), *v)));
            prop_assert_eq!(read(&to).await, expected);
            Ok(())
        })?;
    }
}

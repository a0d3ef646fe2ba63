//! Sets of parts: full, empty, failed half-way, changed behind a reader.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
use storage_core::format::{About, Framing, Look, Resync};
use storage_core::pipeline::Pipeline;
use storage_core::{ErrorKind, Flaw, FlawKind, Key, ListOptions, Prefix, Store, WriteOptions};
use storage_memory::Memory;
use storage_rolling::{Limits, Manifest, Rolling};

/// Lines, none of which may be blank.
#[derive(Clone, Debug)]
struct Lines;

impl Framing for Lines {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "lines",
            extensions: &[],
            has_checksum: false,
            tells_length: false,
            recovers: true,
            shares: None,
        };
        &ABOUT
    }

    fn look(&self, data: &[u8], _: usize, _: bool) -> Result<Look, Flaw> {
        let end = data.iter().position(|byte| *byte == b'\n');
        Ok(match end {
            Some(end) => Look::Record { start: 0, end: end as u64, next: end as u64 + 1 },
            None => Look::More(data.len() + 1),
        })
    }

    fn resync(&self, data: &[u8], _: bool) -> Resync {
        Resync::Beyond(data.len())
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        if record.is_empty() {
            return Err(Flaw::new(FlawKind::Unsupported, "lines", "a blank line"));
        }
        output.extend_from_slice(record);
        output.extend_from_slice(b"\n");
        Ok(())
    }
}

fn faulty() -> (Store, FaultLayer) {
    let faults = FaultLayer::new(Plan::new());
    (Store::new(Memory::new()).layer(&faults), faults)
}

fn set(store: &Store, limits: Limits) -> Rolling {
    Rolling::new(Pipeline::new(Lines), store, "set/", ".txt", limits)
}

fn manifest() -> Key {
    Key::new("manifest").expect("a key")
}

async fn keys(store: &Store) -> Vec<String> {
    let listed = store.list(&Prefix::new("").expect("a prefix"), ListOptions::new());
    let entries: Vec<_> = listed.try_collect().await.expect("a listing");
    entries.iter().map(|entry| entry.name().to_owned()).collect()
}

async fn contents(store: &Store) -> storage_core::Result<Vec<String>> {
    let manifest = Manifest::read(store, &manifest()).await?;
    let records: Vec<_> = manifest.read_records(&Pipeline::new(Lines), store).try_collect().await?;
    Ok(records.iter().map(|record| String::from_utf8_lossy(&record.content).into_owned()).collect())
}

#[tokio::test]
async fn parts_by_count_size_and_age() {
    let lines: Vec<String> = (0..25).map(|n| format!("line {n}")).collect();
    for (limits, parts) in [
        (Limits::new(), 1),
        (Limits::new().records(10), 3),
        (Limits::new().records(1), 25),
        (Limits::new().bytes(70), 3),
        (Limits::new().age(Duration::ZERO), 25),
        (Limits::new().age(Duration::from_secs(3600)).bytes(1 << 30), 1),
    ] {
        let (store, _) = faulty();
        let mut rolling = set(&store, limits);
        for line in &lines {
            rolling.write(line.as_bytes()).await.expect("to be taken");
        }
        let told = rolling.finish(&manifest()).await.expect("a set");
        assert_eq!((told.parts.len(), told.records()), (parts, 25), "{limits:?}");
        assert_eq!(contents(&store).await.expect("its records"), lines, "{limits:?}");
    }
}

#[tokio::test]
async fn nothing_is_a_set_of_no_parts() {
    let (store, _) = faulty();
    set(&store, Limits::new()).finish(&manifest()).await.expect("a set");
    assert_eq!(contents(&store).await.expect("no records"), Vec::<String>::new());
}

#[tokio::test]
async fn readers_see_the_whole_set_or_the_one_before() {
    let (store, _) = faulty();
    let mut first = set(&store, Limits::new().records(1));
    first.write(b"old").await.expect("to be taken");
    first.finish(&manifest()).await.expect("a set");
    let mut second = set(&store, Limits::new().records(1));
    for line in ["new", "newer"] {
        second.write(line.as_bytes()).await.expect("to be taken");
        second.roll().await.expect("a part");
        assert_eq!(contents(&store).await.expect("the old set"), ["old"]);
    }
    second.finish(&manifest()).await.expect("a set");
    assert_eq!(contents(&store).await.expect("the new set"), ["new", "newer"]);
}

#[tokio::test]
async fn what_is_given_up_or_fails_leaves_nothing() {
    let (store, faults) = faulty();
    let mut rolling = set(&store, Limits::new().records(1));
    for line in ["one", "two", "three"] {
        rolling.write(line.as_bytes()).await.expect("to be taken");
    }
    rolling.abort().await;
    assert_eq!(keys(&store).await, Vec::<String>::new());

    // The third write is refused: of a part, and in the second run of the manifest.
    for records in [1, 2] {
        faults.set(Plan::new().at(Call::Write, 2, Fault::Before(Refusal::denied())));
        let mut rolling = set(&store, Limits::new().records(records));
        let mut failed = None;
        for line in ["one", "two", "three", "four"] {
            failed = failed.or(rolling.write(line.as_bytes()).await.err());
        }
        let error = failed.or(rolling.finish(&manifest()).await.err()).expect("to fail");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{records}: {error}");
        faults.set(Plan::new());
        assert_eq!(Manifest::read(&store, &manifest()).await.expect_err("none").kind(), ErrorKind::NotFound);
        assert_eq!(keys(&store).await, Vec::<String>::new(), "{records}");
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_is_left_out_and_others_follow() {
    let (store, _) = faulty();
    let mut rolling = set(&store, Limits::new().records(2));
    rolling.write(b"one").await.expect("to be taken");
    assert!(Flaw::of(&rolling.write(b"").await.expect_err("a blank one")).is_some());
    rolling.write(b"two").await.expect("to be taken");
    rolling.finish(&manifest()).await.expect("a set");
    assert_eq!(contents(&store).await.expect("its records"), ["one", "two"]);
}

#[tokio::test]
async fn a_part_that_was_changed_is_told() {
    let (store, _) = faulty();
    let mut rolling = set(&store, Limits::new().records(1));
    for line in ["one", "two"] {
        rolling.write(line.as_bytes()).await.expect("to be taken");
    }
    let told = rolling.finish(&manifest()).await.expect("a set");
    let part = Key::new(&told.parts[1].key).expect("a key");
    for (content, records) in [("owt\n", 2), ("longer\n", 1), ("", 1)] {
        store.write(&part, content, WriteOptions::new()).await.expect("to be changed");
        let mut found = told.read_records(&Pipeline::new(Lines), &store);
        let mut count = 0;
        let error = loop {
            match found.next().await.expect("an error before the end") {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), count), (ErrorKind::InvalidData, records), "{content:?}: {error}");
        assert!(error.to_string().contains(part.as_str()), "{error}");
    }
    store.delete(part).await.expect("to be removed");
    assert_eq!(contents(&store).await.expect_err("a part is missing").kind(), ErrorKind::NotFound);
    store.write(&manifest(), "[]", WriteOptions::new()).await.expect("to be written");
    assert_eq!(contents(&store).await.expect_err("no manifest").kind(), ErrorKind::InvalidData);
}

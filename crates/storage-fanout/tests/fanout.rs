//! Several stores, of which some fail.

use std::time::Duration;

use futures_util::TryStreamExt;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
use storage_core::{ByteStream, ErrorKind, Key, ReadOptions, Store, TransferOptions, WriteOptions};
use storage_fanout::{Fanout, Lacking, Mode};
use storage_memory::Memory;

/// Three stores, and what can go wrong in each.
fn three(mode: Mode) -> (Fanout, [Store; 3], [FaultLayer; 3]) {
    let faults = [(); 3].map(|()| FaultLayer::new(Plan::new()));
    let stores = [0, 1, 2].map(|at| Store::new(Memory::new()).layer(&faults[at]));
    let named = ["a", "b", "c"].into_iter().zip(stores.clone());
    (Fanout::new(mode, named).expect("three stores"), stores, faults)
}

fn refused(call: Call) -> Plan {
    Plan::new().each(call, .., Fault::Before(Refusal::denied()))
}

fn key() -> Key {
    Key::new("object").expect("a key")
}

fn large() -> Vec<u8> {
    (0..40_000_000u32).map(|n| (n % 251) as u8).collect()
}

async fn content(store: &Store) -> Option<Vec<u8>> {
    match store.read(&key(), ReadOptions::new()).await {
        Ok(read) => Some(read.bytes.to_vec()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

async fn all(bytes: ByteStream) -> storage_core::Result<Vec<u8>> {
    let pieces: Vec<bytes::Bytes> = bytes.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn all_hold_what_was_written() {
    for mode in [Mode::All, Mode::Quorum, Mode::BestEffort] {
        let (fanout, stores, _) = three(mode);
        let outcome = fanout.write(&key(), "some bytes", WriteOptions::new()).await.expect("to be written");
        let names: Vec<&str> = outcome.held.iter().map(|(name, _)| &**name).collect();
        assert_eq!((names, outcome.failed.len()), (vec!["a", "b", "c"], 0));
        for store in &stores {
            assert_eq!(content(store).await.as_deref(), Some(&b"some bytes"[..]));
        }
    }
}

#[tokio::test]
async fn the_mode_decides_at_the_end_and_the_result_says_who_holds_it() {
    // How many stores fail, and whether each mode succeeds.
    for (failing, succeeds) in
        [(1, [false, true, true]), (2, [false, false, true]), (3, [false, false, false])]
    {
        for (mode, succeeds) in [Mode::All, Mode::Quorum, Mode::BestEffort].into_iter().zip(succeeds) {
            for call in [Call::Write, Call::Finish] {
                let (fanout, stores, faults) = three(mode);
                faults[..failing].iter().for_each(|faults| faults.set(refused(call)));
                let body = if call == Call::Write { b"small".to_vec() } else { large() };
                let what = format!("{mode:?}, {failing} failing at {call}");
                match fanout.write(&key(), body.clone(), WriteOptions::new()).await {
                    Ok(outcome) => {
                        assert!(succeeds, "{what}");
                        assert_eq!(
                            (outcome.held.len(), outcome.failed.len()),
                            (3 - failing, failing),
                            "{what}"
                        );
                        assert!(
                            outcome
                                .failed
                                .iter()
                                .all(|(_, error)| error.kind() == ErrorKind::PermissionDenied)
                        );
                    }
                    Err(error) => {
                        assert!(!succeeds, "{what}: {error}");
                        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}");
                        let lacking = Lacking::of(&error).expect("who holds it");
                        assert_eq!(
                            (lacking.held().len(), lacking.failed().len()),
                            (3 - failing, failing),
                            "{what}"
                        );
                    }
                }
                for (at, store) in stores.iter().enumerate() {
                    assert_eq!(content(store).await.is_some(), at >= failing, "{what}: store {at}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_on_the_way_is_given_up_and_the_others_go_on() {
    let (fanout, stores, faults) = three(Mode::Quorum);
    faults[1].set(refused(Call::Part));
    let mut writer = fanout.writer(&key(), WriteOptions::new()).await.expect("to begin");
    for piece in large().chunks(1 << 20) {
        writer.write(piece.to_vec()).await.expect("to go on");
    }
    let outcome = writer.finish().await.expect("to be published");
    assert_eq!(outcome.failed[0].0, "b");
    assert_eq!(content(&stores[0]).await, Some(large()));
    assert_eq!(content(&stores[1]).await, None);
    for _ in 0..100 {
        if faults[1].journal().count(Call::Abort) > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the upload was not aborted");
}

#[tokio::test]
async fn when_too_few_are_left_nothing_is_published() {
    let (fanout, stores, faults) = three(Mode::Quorum);
    faults[..2].iter().for_each(|faults| faults.set(refused(Call::Upload)));
    let mut writer = fanout.writer(&key(), WriteOptions::new()).await.expect("to begin");
    let mut failed = None;
    for piece in large().chunks(1 << 20) {
        if let Err(error) = writer.write(piece.to_vec()).await {
            failed = Some(error);
            break;
        }
    }
    let error = failed.expect("to fail before the end");
    assert_eq!(Lacking::of(&error).expect("why").held().len(), 0);
    assert!(writer.finish().await.is_err(), "nothing is left to finish");
    for store in &stores {
        assert_eq!(content(store).await, None);
    }
    assert_eq!(faults[2].journal().count(Call::Abort), 1, "the one that went well is given up, too");
}

#[tokio::test]
async fn a_writer_that_is_dropped_or_aborted_changes_nothing() {
    let (fanout, stores, _) = three(Mode::All);
    fanout.write(&key(), "old", WriteOptions::new()).await.expect("to be written");
    let mut writer = fanout.writer(&key(), WriteOptions::new()).await.expect("to begin");
    writer.write(large()).await.expect("to be taken");
    drop(writer);
    let mut writer = fanout.writer(&key(), WriteOptions::new()).await.expect("to begin");
    writer.write(large()).await.expect("to be taken");
    writer.abort().await.expect("to be given up");
    for store in &stores {
        assert_eq!(content(store).await.as_deref(), Some(&b"old"[..]));
    }
}

#[tokio::test]
async fn reading_takes_the_newest_and_the_next_store_where_one_fails() {
    let (fanout, _, faults) = three(Mode::Quorum);
    fanout.write(&key(), "first", WriteOptions::new()).await.expect("to be written");
    faults[0].set(refused(Call::Write));
    fanout.write(&key(), "second", WriteOptions::new()).await.expect("to be written by two");
    faults[0].set(Plan::new());
    let (metadata, bytes) = fanout.read(&key()).await.expect("to be found");
    assert_eq!((metadata.size, all(bytes).await.expect("its bytes")), (6, b"second".to_vec()));
    // The first that holds it fails at once; so does another one, but not half of them.
    faults[1].set(refused(Call::Read));
    let (_, bytes) = fanout.read(&key()).await.expect("to be found");
    assert_eq!(all(bytes).await.expect("its bytes"), b"second");
}

#[tokio::test]
async fn a_read_that_breaks_off_goes_on_from_another_store() {
    let (fanout, _, faults) = three(Mode::All);
    fanout.write(&key(), large(), WriteOptions::new()).await.expect("to be written");
    let cut = Fault::Cut { after: 1000, with: Refusal::denied() };
    faults[0].set(Plan::new().each(Call::Read, .., cut));
    let (_, bytes) = fanout.read(&key()).await.expect("to be found");
    assert!(all(bytes).await.expect("its bytes") == large());
    assert!(faults[1].journal().count(Call::Read) > 0, "another store was asked");
}

#[tokio::test]
async fn what_few_know_is_no_answer() {
    let (fanout, _, faults) = three(Mode::Quorum);
    fanout.write(&key(), "bytes", WriteOptions::new()).await.expect("to be written");
    faults[..2].iter().for_each(|faults| faults.set(refused(Call::Stat)));
    let error = fanout.stat(&key()).await.expect_err("one is no quorum");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(Lacking::of(&error).expect("who").held(), ["c"]);
    let missing = Key::new("missing").expect("a key");
    faults[1].set(Plan::new());
    assert_eq!(fanout.stat(&missing).await.expect_err("unknown").kind(), ErrorKind::PermissionDenied);
    faults[0].set(Plan::new());
    assert_eq!(fanout.stat(&missing).await.expect_err("none").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_repair_brings_it_to_all() {
    let (fanout, stores, faults) = three(Mode::BestEffort);
    fanout.write(&key(), "old", WriteOptions::new()).await.expect("to be written");
    faults[..2].iter().for_each(|faults| faults.set(refused(Call::Write)));
    fanout.write(&key(), "new", WriteOptions::new()).await.expect("to be written by one");
    faults.iter().for_each(|faults| faults.set(Plan::new()));
    stores[1].delete(key()).await.expect("to be deleted");
    let repaired = fanout.repair(&key()).await.expect("to be mended");
    let mut mended = repaired.mended.clone();
    mended.sort();
    assert_eq!(
        (repaired.held, mended, repaired.failed.len()),
        (vec!["c".to_owned()], vec!["a".into(), "b".into()], 0)
    );
    for store in &stores {
        assert_eq!(content(store).await.as_deref(), Some(&b"new"[..]));
    }
    // Copies keep the stamp: nothing is left to do.
    let again = fanout.repair(&key()).await.expect("to be looked at");
    assert_eq!((again.held.len(), again.mended.len()), (3, 0));
}

#[tokio::test]
async fn the_same_content_without_a_stamp_is_the_same() {
    let (fanout, stores, _) = three(Mode::All);
    stores[0].write(&key(), "bytes", WriteOptions::new()).await.expect("to be written");
    stores[0].copy_to(&key(), &stores[1], &key(), TransferOptions::new()).await.expect("to be copied");
    let repaired = fanout.repair(&key()).await.expect("to be mended");
    assert_eq!((repaired.held.len(), repaired.mended), (2, vec!["c".to_owned()]));
}

#[tokio::test]
async fn a_condition_is_refused() {
    let (fanout, stores, _) = three(Mode::Quorum);
    let refused = fanout.write(&key(), "bytes", WriteOptions::new().if_absent()).await;
    assert_eq!(refused.expect_err("to be refused").kind(), ErrorKind::Unsupported);
    assert_eq!(content(&stores[0]).await, None);
}

#[tokio::test]
async fn nothing_is_copied_over_what_cannot_be_compared() {
    let (fanout, stores, _) = three(Mode::All);
    fanout.write(&key(), "bytes", WriteOptions::new()).await.expect("to be written");
    stores[1].write(&key(), "other", WriteOptions::new()).await.expect("to be written by somebody else");
    stores[2].write(&key(), "bytes", WriteOptions::new()).await.expect("to be written by somebody else");
    let repaired = fanout.repair(&key()).await.expect("to be looked at");
    assert_eq!((repaired.held, repaired.mended.len()), (vec!["a".to_owned(), "c".into()], 0));
    assert_eq!(repaired.failed[0].0, "b");
    assert_eq!(content(&stores[1]).await.as_deref(), Some(&b"other"[..]));
}

#[tokio::test]
async fn a_write_that_was_given_up_half_way_is_not_carried_on() {
    let (fanout, _, faults) = three(Mode::Quorum);
    faults[0].set(Plan::new().each(Call::Upload, .., Fault::Hang));
    let mut writer = fanout.writer(&key(), WriteOptions::new()).await.expect("to begin");
    let given_up = tokio::time::timeout(Duration::from_millis(300), writer.write(large())).await;
    assert!(given_up.is_err(), "one store does not answer");
    assert_eq!(
        writer.write("more").await.expect_err("unknown who took what").kind(),
        ErrorKind::InvalidInput
    );
    writer.abort().await.expect("to be given up");
}

#[test]
fn names_are_told_apart() {
    let stores = ["a", "a"].map(|name| (name, Store::new(Memory::new())));
    assert_eq!(Fanout::new(Mode::All, stores).expect_err("two of a name").kind(), ErrorKind::InvalidInput);
    let none: [(&str, Store); 0] = [];
    assert_eq!(Fanout::new(Mode::All, none).expect_err("none").kind(), ErrorKind::InvalidInput);
}

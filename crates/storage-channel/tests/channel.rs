//! Objects that wait, and who waits for them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use storage_channel::{Capacity, Channel, Receiver, channel};
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
use storage_core::{
    CopyOptions, DeleteTarget, ErrorKind, Key, Layer, RenameOptions, RetryPolicy, Store, Timeouts,
    TransferOptions, WriteOptions,
};
use storage_memory::Memory;

fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

async fn open(capacity: Capacity) -> (Store, Receiver) {
    channel(Memory::unversioned(), capacity).await.expect("opened")
}

async fn write(store: &Store, name: &str, body: impl Into<Vec<u8>>) {
    store.write(&key(name), body.into(), WriteOptions::new()).await.expect("written");
}

/// Whether it is still under way after everything that can happen by now has happened.
async fn waits<T>(future: impl Future<Output = T> + Unpin) -> bool {
    tokio::time::timeout(Duration::from_millis(200), future).await.is_err()
}

/// The name and content of the next object, which then is done.
async fn next(receiver: &mut Receiver) -> Option<(String, Vec<u8>)> {
    let delivery = receiver.recv().await.expect("to be received")?;
    let (name, read) = (delivery.key().to_string(), delivery.read().await.expect("to be read"));
    delivery.done().await.expect("done");
    Some((name, read.bytes.to_vec()))
}

fn object(name: &str, content: &str) -> Option<(String, Vec<u8>)> {
    Some((name.to_owned(), content.as_bytes().to_vec()))
}

#[tokio::test]
async fn objects_come_in_order_whole_and_once_and_then_the_end() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    for name in ["b", "a", "c"] {
        write(&store, name, name).await;
    }
    // Written again it keeps its place.
    write(&store, "b", "new").await;
    assert_eq!(receiver.waiting(), 3);
    drop(store);
    assert_eq!(next(&mut receiver).await, object("b", "new"));
    assert_eq!(next(&mut receiver).await, object("a", "a"));
    assert_eq!(next(&mut receiver).await, object("c", "c"));
    assert_eq!((next(&mut receiver).await, next(&mut receiver).await), (None, None));
}

#[tokio::test]
async fn a_receiver_waits_for_an_object_and_for_writes_under_way() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    assert!(waits(Box::pin(receiver.recv())).await);
    let writer = store.writer(&key("large"), WriteOptions::new()).await.expect("begun");
    drop(store);
    // Somebody may still write.
    assert!(waits(Box::pin(receiver.recv())).await);
    drop(writer);
    assert!(next(&mut receiver).await.is_none());
}

#[tokio::test]
async fn writers_wait_for_room_in_objects_and_bytes() {
    for capacity in [Capacity::unbounded().objects(2), Capacity::unbounded().bytes(10)] {
        let (store, mut receiver) = open(capacity).await;
        write(&store, "1", vec![1; 5]).await;
        write(&store, "2", vec![2; 5]).await;
        let (k, third) = (key("3"), vec![3; 5]);
        let mut writing = Box::pin(store.write(&k, third, WriteOptions::new()));
        assert!(waits(&mut writing).await);
        // What is received and not done takes up room.
        let first = receiver.recv().await.expect("received").expect("an object");
        assert!(waits(&mut writing).await);
        first.done().await.expect("done");
        writing.await.expect("there is room");
        // A delete makes room, too.
        store.delete(DeleteTarget::new(key("2"))).await.expect("deleted");
        write(&store, "4", vec![4; 5]).await;
        drop(store);
        assert_eq!(next(&mut receiver).await.expect("an object").0, "3");
        assert_eq!(next(&mut receiver).await.expect("an object").0, "4");
        assert!(next(&mut receiver).await.is_none());
    }
}

#[tokio::test]
async fn one_object_always_passes_and_a_large_one_is_not_overtaken_for_ever() {
    let (store, mut receiver) = open(Capacity::unbounded().bytes(10)).await;
    write(&store, "huge", vec![0; 1000]).await;
    let (l, s) = (key("large"), key("small"));
    let mut large = Box::pin(store.write(&l, vec![0; 100], WriteOptions::new()));
    assert!(waits(&mut large).await);
    let mut small = Box::pin(store.write(&s, vec![0; 1], WriteOptions::new()));
    assert!(waits(&mut small).await);
    assert_eq!(next(&mut receiver).await.expect("an object").0, "huge");
    large.await.expect("nothing else waits");
    assert!(waits(&mut small).await);
    assert_eq!(next(&mut receiver).await.expect("an object").0, "large");
    small.await.expect("there is room");
}

#[tokio::test]
async fn parts_wait_for_room_at_the_end_and_not_for_each_other() {
    let (store, mut receiver) = open(Capacity::unbounded().objects(1)).await;
    let body = |n: u8| vec![n; 20 << 20];
    let (a, b) = (key("a"), key("b"));
    let write = |key: Key, n| {
        let store = store.clone();
        async move {
            let mut writer = store.writer(&key, WriteOptions::new()).await?;
            for piece in body(n).chunks(1 << 20) {
                writer.write(piece.to_vec()).await?;
                tokio::task::yield_now().await;
            }
            writer.finish().await
        }
    };
    let both = tokio::spawn(futures(write(a, 1), write(b, 2)));
    drop(store.clone());
    let one = next(&mut receiver).await.expect("an object");
    let other = next(&mut receiver).await.expect("an object");
    both.await.expect("to end");
    let mut got = [one, other];
    got.sort();
    assert!(got[0] == ("a".to_owned(), body(1)) && got[1] == ("b".to_owned(), body(2)));
}

async fn futures<T, E: std::fmt::Debug>(
    one: impl Future<Output = Result<T, E>>,
    other: impl Future<Output = Result<T, E>>,
) {
    let (one, other) = tokio::join!(one, other);
    one.expect("written");
    other.expect("written");
}

#[tokio::test]
async fn what_is_dropped_waits_again_in_its_old_place() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    for name in ["a", "b", "c"] {
        write(&store, name, name).await;
    }
    let a = receiver.recv().await.expect("received").expect("an object");
    let b = receiver.recv().await.expect("received").expect("an object");
    assert_eq!((a.key().as_str(), b.key().as_str()), ("a", "b"));
    drop(b);
    drop(a);
    drop(store);
    for name in ["a", "b", "c"] {
        assert_eq!(next(&mut receiver).await, object(name, name));
    }
}

#[tokio::test]
async fn what_the_receiver_has_is_not_written_under_its_hands() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    write(&store, "a", "old").await;
    let delivery = receiver.recv().await.expect("received").expect("an object");
    let a = key("a");
    let mut again = Box::pin(store.write(&a, "new", WriteOptions::new()));
    assert!(waits(&mut again).await);
    // Others go on.
    write(&store, "b", "b").await;
    assert_eq!(&delivery.read().await.expect("read").bytes[..], b"old");
    delivery.done().await.expect("done");
    again.await.expect("written");
    assert_eq!(next(&mut receiver).await, object("b", "b"));
    assert_eq!(next(&mut receiver).await, object("a", "new"));
}

#[tokio::test]
async fn copies_and_renames_are_objects_like_others() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    write(&store, "a", "a").await;
    store.copy(&key("a"), &key("b"), CopyOptions::new()).await.expect("copied");
    store.rename(&key("a"), &key("c"), RenameOptions::new()).await.expect("renamed");
    assert_eq!(receiver.waiting(), 2);
    assert_eq!(next(&mut receiver).await, object("b", "a"));
    assert_eq!(next(&mut receiver).await, object("c", "a"));
}

#[tokio::test]
async fn without_a_receiver_there_is_no_waiting() {
    let (store, receiver) = open(Capacity::unbounded().objects(1)).await;
    write(&store, "a", "a").await;
    let b = key("b");
    let mut writing = Box::pin(store.write(&b, "b", WriteOptions::new()));
    assert!(waits(&mut writing).await);
    drop(receiver);
    let refused = writing.await.expect_err("nobody receives");
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert!(!store.exists(&key("b")).await.expect("asked") && store.exists(&key("a")).await.expect("asked"));
}

#[tokio::test]
async fn a_writer_can_have_less_patience() {
    let (store, mut receiver) = open(Capacity::unbounded().objects(1)).await;
    write(&store, "a", "a").await;
    let hasty = store
        .with_timeouts(Timeouts::default().silence(Duration::from_millis(50)))
        .with_retry(RetryPolicy::default().attempts(1));
    let late = hasty.write(&key("b"), "b", WriteOptions::new()).await.expect_err("no room");
    assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");
    assert_eq!(next(&mut receiver).await, object("a", "a"));
    // It was given up before anything was written, and left no room taken.
    write(&store, "c", "c").await;
    drop((store, hasty));
    assert_eq!(next(&mut receiver).await, object("c", "c"));
    assert!(next(&mut receiver).await.is_none());
}

#[tokio::test]
async fn a_write_that_failed_but_was_done_is_delivered_and_one_that_was_not_is_not() {
    // With tokens `Store` would find out by itself.
    let faults = FaultLayer::new(Plan::new()).declare(|can| can.write_token = false);
    let inner = faults.wrap(Arc::new(Memory::unversioned()));
    let (channel, mut receiver) =
        Channel::open(inner, Capacity::unbounded().objects(2)).await.expect("opened");
    let store = Store::new(channel).with_retry(RetryPolicy::default().attempts(1));
    faults.set(Plan::new().each(Call::Write, .., Fault::Before(Refusal::denied())));
    store.write(&key("refused"), "x", WriteOptions::new()).await.expect_err("refused");
    faults.set(Plan::new().each(Call::Write, .., Fault::After(Refusal::unavailable())));
    store.write(&key("done"), "x", WriteOptions::new()).await.expect_err("the answer was lost");
    faults.set(Plan::new());
    drop(store);
    assert_eq!(next(&mut receiver).await, object("done", "x"));
    assert!(next(&mut receiver).await.is_none());
    assert_eq!(receiver.waiting(), 0);
}

#[tokio::test]
async fn who_asks_in_vain_asks_again_and_others_come_first() {
    let faults = FaultLayer::new(Plan::new()).declare(|can| can.write_token = false);
    let inner = faults.wrap(Arc::new(Memory::unversioned()));
    let (channel, mut receiver) = Channel::open(inner, Capacity::unbounded()).await.expect("opened");
    let store = Store::new(channel).with_retry(RetryPolicy::default().attempts(1));
    let lost = Plan::new().each(Call::Write, .., Fault::After(Refusal::unavailable()));
    faults.set(lost.each(Call::Stat, .., Fault::Before(Refusal::denied())));
    store.write(&key("doubtful"), "x", WriteOptions::new()).await.expect_err("the answer was lost");
    faults.set(Plan::new().each(Call::Stat, .., Fault::Before(Refusal::denied())));
    write(&store, "sure", "y").await;
    assert_eq!(next(&mut receiver).await, object("sure", "y"));
    for _ in 0..2 {
        assert_eq!(receiver.recv().await.expect_err("denied").kind(), ErrorKind::PermissionDenied);
    }
    // Nothing is forgotten by who stops asking half-way.
    faults.set(Plan::new().each(Call::Stat, .., Fault::Hang));
    assert!(waits(Box::pin(receiver.recv())).await);
    faults.set(Plan::new());
    assert_eq!(next(&mut receiver).await, object("doubtful", "x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletes_and_writes_of_one_key_take_turns() {
    // Answers come late, after what they tell of was changed by others.
    let late = Plan::new().each(Call::Write, .., Fault::Late(Duration::from_millis(1)));
    let faults = FaultLayer::new(late.each(Call::Delete, .., Fault::Late(Duration::from_millis(1))));
    let inner = faults.wrap(Arc::new(Memory::unversioned()));
    let (channel, mut receiver) = Channel::open(inner, Capacity::unbounded()).await.expect("opened");
    let store = Store::new(channel);
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    write(&store, "k", format!("{n}")).await;
                } else {
                    store.delete(DeleteTarget::new(key("k"))).await.expect("deleted");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("to end");
    }
    let stands = store.exists(&key("k")).await.expect("asked");
    assert_eq!(receiver.waiting(), usize::from(stands));
    drop(store);
    assert_eq!(next(&mut receiver).await.is_some(), stands);
    assert!(next(&mut receiver).await.is_none());
}

#[tokio::test]
async fn done_and_dropped_is_done_all_the_same() {
    let faults = FaultLayer::new(Plan::new().each(Call::Delete, .., Fault::Late(Duration::from_millis(100))));
    let inner = faults.wrap(Arc::new(Memory::unversioned()));
    let (channel, mut receiver) = Channel::open(inner, Capacity::unbounded()).await.expect("opened");
    let store = Store::new(channel);
    write(&store, "a", "old").await;
    let delivery = receiver.recv().await.expect("received").expect("an object");
    let hasty = tokio::time::timeout(Duration::from_millis(10), delivery.done()).await;
    assert!(hasty.is_err(), "the delete is late");
    // It waits for the delete, and is not deleted by it.
    write(&store, "a", "new").await;
    assert_eq!(next(&mut receiver).await, object("a", "new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_write_is_verified_before_it_is_received() {
    let (store, mut receiver) = open(Capacity::unbounded()).await;
    let taker = tokio::spawn(async move {
        let mut taken = 0;
        while next(&mut receiver).await.is_some() {
            taken += 1;
        }
        taken
    });
    let source = Store::new(Memory::unversioned());
    write(&source, "small", vec![1; 1000]).await;
    write(&source, "large", vec![2; 40 << 20]).await;
    for n in 0..20 {
        for name in ["small", "large"].iter().take(if n % 5 == 0 { 2 } else { 1 }) {
            let to = key(&format!("{name}-{n}"));
            source.copy_to(&key(name), &store, &to, TransferOptions::new()).await.expect("copied");
        }
    }
    drop(store);
    assert_eq!(taker.await.expect("to end"), 24);
}

#[tokio::test]
async fn what_comes_to_the_backend_behind_our_back_is_found_at_the_end() {
    let memory: Arc<dyn storage_core::Backend> = Arc::new(Memory::unversioned());
    let (channel, mut receiver) = Channel::open(memory.clone(), Capacity::unbounded()).await.expect("opened");
    write(&Store::from_arc(memory), "late", "x").await;
    drop(channel);
    assert_eq!(next(&mut receiver).await, object("late", "x"));
    assert!(next(&mut receiver).await.is_none());
}

#[tokio::test]
async fn what_cannot_be_taken_away_is_delivered_again() {
    let faults = FaultLayer::new(Plan::new());
    let inner = faults.wrap(Arc::new(Memory::unversioned()));
    let (channel, mut receiver) = Channel::open(inner, Capacity::unbounded()).await.expect("opened");
    let store = Store::new(channel);
    write(&store, "a", "a").await;
    faults.set(Plan::new().each(Call::Delete, .., Fault::Before(Refusal::denied())));
    let delivery = receiver.recv().await.expect("received").expect("an object");
    assert_eq!(delivery.done().await.expect_err("denied").kind(), ErrorKind::PermissionDenied);
    faults.set(Plan::new());
    assert_eq!(next(&mut receiver).await, object("a", "a"));
}

#[tokio::test]
async fn what_was_there_before_waits_first() {
    let memory: Arc<dyn storage_core::Backend> = Arc::new(Memory::unversioned());
    let before = Store::from_arc(memory.clone());
    write(&before, "y", "y").await;
    write(&before, "d/x", "x").await;
    let (channel, mut receiver) =
        Channel::open(memory, Capacity::unbounded().objects(1)).await.expect("opened");
    let store = Store::new(channel).with_timeouts(Timeouts::default().silence(Duration::from_secs(60)));
    let new = key("a");
    let mut writing = Box::pin(store.write(&new, "a", WriteOptions::new()));
    assert!(waits(&mut writing).await);
    assert_eq!(next(&mut receiver).await, object("d/x", "x"));
    assert_eq!(next(&mut receiver).await, object("y", "y"));
    writing.await.expect("there is room");
    assert_eq!(next(&mut receiver).await, object("a", "a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_and_receivers_of_many_objects_lose_none() {
    let (store, mut receiver) = open(Capacity::unbounded().objects(3).bytes(100)).await;
    let mut writers = Vec::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for n in 0..200usize {
                write(&store, &format!("{writer}/{n}"), vec![writer as u8; n % 60]).await;
            }
        }));
    }
    drop(store);
    let mut seen = Vec::new();
    let mut workers = tokio::task::JoinSet::new();
    let mut count = 0;
    while let Some(delivery) = receiver.recv().await.expect("received") {
        assert!(receiver.waiting() <= 3, "{}", receiver.waiting());
        count += 1;
        if count % 5 == 0 {
            // Somebody who gives up.
            continue;
        }
        workers.spawn(async move {
            let key = delivery.key().to_string();
            let read = delivery.read().await.expect("read");
            delivery.done().await.expect("done");
            (key, read.bytes.len())
        });
        while let Some(done) = workers.try_join_next() {
            seen.push(done.expect("to end"));
        }
    }
    while let Some(done) = workers.join_next().await {
        seen.push(done.expect("to end"));
    }
    for writer in writers {
        writer.await.expect("to end");
    }
    seen.sort();
    let mut expected: Vec<(String, usize)> =
        (0..8).flat_map(|writer| (0..200).map(move |n| (format!("{writer}/{n}"), n % 60))).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

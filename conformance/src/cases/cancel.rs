//! Futures dropped half-way.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{CopyOptions, Key, ListOptions, ReadOptions, RenameOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way, pattern, polled};
use crate::expect::{holds, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("cancel", "CXL-1", "a-cancelled-write-is-old-or-new", |c| Box::pin(writes(c, Way::OneShot))),
    Case::new("cancel", "CXL-1", "a-cancelled-write-in-parts-is-old-or-new", |c| {
        Box::pin(writes(c, Way::Parts))
    }),
    Case::new("cancel", "CXL-1", "a-cancelled-write-does-not-come-back", |c| Box::pin(late(c))),
    Case::new("cancel", "CXL-1", "a-cancelled-copy-is-old-or-new", |c| Box::pin(copies(c))),
    Case::new("cancel", "CXL-1", "a-cancelled-rename-loses-nothing", |c| Box::pin(renames(c))),
    Case::new("cancel", "CXL-1", "a-cancelled-delete-deletes-or-not", |c| Box::pin(deletes(c))),
    Case::new("cancel", "CXL-1", "cancelled-reads-leave-nothing-behind", |c| Box::pin(reads(c))),
    Case::new("cancel", "CXL-1", "an-unpolled-future-does-nothing", |c| Box::pin(unpolled(c))),
];

/// How often a future is polled before it is dropped.
const POLLS: std::ops::Range<usize> = 0..6;
/// Within this bound the work of a dropped future has stopped.
const BOUND: Duration = Duration::from_millis(200);

/// Waits until the work of a dropped future is over, if it did not end by itself.
async fn stopped(ended: bool) {
    if !ended {
        tokio::time::sleep(BOUND).await;
    }
}

async fn is_one_of(c: &Context, name: &str, old: &Bytes, new: &Bytes) -> Result<(), Failure> {
    // One read, since the work may end between two requests.
    let found = c.store.read(&Key::new(name)?, ReadOptions::new()).await?;
    let whole = found.bytes == old || found.bytes == new;
    holds(whole, format!("expected `{name}` to be old or new, got {} bytes of neither", found.bytes.len()))?;
    same(format!("size of `{name}`"), found.metadata.size, found.bytes.len() as u64)
}

async fn writes(c: Context, way: Way) -> Result<(), Failure> {
    let (old, new) = (pattern(1, 5000), c.body(way, 2));
    let mut all_ended = true;
    for polls in POLLS {
        c.put("a", old.clone()).await?;
        let ended = polled(c.write_by(way, "a", new.clone(), WriteOptions::new()), polls).await;
        is_one_of(&c, "a", &old, &new).await?;
        same("listing", c.names("", ListOptions::new()).await?, ["a"])?;
        all_ended &= ended.is_some();
    }
    // What a step made that was under way when its future went is gone once the step is over.
    stopped(all_ended).await;
    is_one_of(&c, "a", &old, &new).await?;
    c.nothing_left_over().await
}

/// A later write that was acknowledged is not overtaken by one that was cancelled before it.
async fn late(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        for polls in 1..4 {
            let ended = polled(c.write_by(way, "a", c.body(way, 1), WriteOptions::new()), polls).await;
            stopped(ended.is_some()).await;
            c.put("a", "later").await?;
            stopped(ended.is_some()).await;
            c.contains("a", b"later").await?;
        }
    }
    c.nothing_left_over().await
}

async fn copies(c: Context) -> Result<(), Failure> {
    let (old, new) = (pattern(1, 5000), c.body(Way::Parts, 2));
    c.put("from", new.clone()).await?;
    let mut all_ended = true;
    for polls in POLLS {
        c.put("to", old.clone()).await?;
        let (from, to) = (Key::new("from")?, Key::new("to")?);
        let ended = polled(c.store.copy(&from, &to, CopyOptions::new()), polls).await;
        is_one_of(&c, "to", &old, &new).await?;
        c.contains("from", &new).await?;
        all_ended &= ended.is_some();
    }
    stopped(all_ended).await;
    is_one_of(&c, "to", &old, &new).await?;
    c.nothing_left_over().await
}

async fn renames(c: Context) -> Result<(), Failure> {
    let body = c.body(Way::OneShot, 1);
    for polls in POLLS {
        let (from, to) = (Key::new(format!("from{polls}"))?, Key::new(format!("to{polls}"))?);
        c.put(from.as_str(), body.clone()).await?;
        let ended = polled(c.store.rename(&from, &to, RenameOptions::new()), polls).await;
        // The new name first: a rename under way may take the old one between two requests.
        let moved = c.store.exists(&to).await?;
        holds(
            moved || c.store.exists(&from).await? || c.store.exists(&to).await?,
            "expected one of the names",
        )?;
        stopped(ended.is_some()).await;
        let there = if c.store.exists(&from).await? { &from } else { &to };
        c.contains(there.as_str(), &body).await?;
    }
    c.nothing_left_over().await
}

async fn deletes(c: Context) -> Result<(), Failure> {
    for polls in POLLS {
        c.put("a", "content").await?;
        c.put("b", "content").await?;
        let ended = polled(c.store.delete(Key::new("a")?), polls).await;
        stopped(ended.is_some()).await;
        if c.store.exists(&Key::new("a")?).await? {
            c.contains("a", b"content").await?;
        }
        c.contains("b", b"content").await?;
        // Whatever became of it, the next delete and write have the last word.
        c.store.delete(Key::new("a")?).await?;
        c.lacks("a").await?;
    }
    Ok(())
}

/// Permits, locks and connections that a dropped read kept would run out.
async fn reads(c: Context) -> Result<(), Failure> {
    let body = pattern(1, 1 << 20);
    let key = Key::new("a")?;
    c.put("a", body.clone()).await?;
    for round in 0..200 {
        drop(polled(c.get("a"), round % 4).await);
        drop(
            polled(c.store.read_ranges(&key, &[0..10, 600_000..600_010], ReadOptions::new()), round % 4)
                .await,
        );
        let mut reader = c.store.reader(&key, ReadOptions::new()).await?;
        holds(reader.try_next().await?.is_some(), "expected a first chunk")?;
    }
    c.contains("a", &body).await
}

async fn unpolled(c: Context) -> Result<(), Failure> {
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    c.put("a", "old").await?;
    drop(c.store.write(&a, "new", WriteOptions::new()));
    drop(c.store.delete(a.clone()));
    drop(c.store.copy(&a, &b, CopyOptions::new()));
    drop(c.store.rename(&a, &b, RenameOptions::new()));
    tokio::time::sleep(BOUND).await;
    c.contains("a", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["a"])
}

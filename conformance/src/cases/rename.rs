//! Renames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storage_core::{ErrorKind, Key, ListOptions, RenameOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("rename", "REN-1", "the-content-moves", |c| Box::pin(content(c))),
    Case::new("rename", "REN-1", "a-missing-source-is-not-found", |c| Box::pin(missing(c))),
    Case::new("rename", "REN-1", "onto-itself-changes-nothing", |c| Box::pin(itself(c))),
    Case::new("rename", "REN-1", "attributes-move-along", |c| Box::pin(attributes(c)))
        .needs(needs::content_headers),
    Case::new("rename", "REN-1", "at-no-moment-are-both-names-gone", |c| Box::pin(never_gone(c))).threads(),
    Case::new("rename", "WRITE-4", "a-rename-if-absent", |c| Box::pin(if_absent(c)))
        .needs(needs::create_if_absent),
    Case::new("rename", "WRITE-4", "a-rename-if-match", |c| Box::pin(if_match(c)))
        .needs(needs::replace_if_match),
    Case::new("rename", "WRITE-4", "one-of-many-renames-wins", |c| Box::pin(race(c)))
        .needs(needs::create_if_absent)
        .threads(),
];

async fn rename(c: &Context, from: &str, to: &str, options: RenameOptions) -> storage_core::Result<()> {
    c.store.rename(&Key::new(from)?, &Key::new(to)?, options).await
}

async fn content(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        c.put("there", "to be replaced, and longer than nothing").await?;
        let mut from = "a";
        let body = c.body(way, 1);
        c.write_by(way, from, body.clone(), WriteOptions::new()).await?;
        for to in ["there", "d/e/new", "b"] {
            rename(&c, from, to, RenameOptions::new()).await?;
            c.contains(to, &body).await?;
            c.lacks(from).await?;
            same("listing", c.names("", ListOptions::new()).await?, [to])?;
            from = to;
        }
        c.store.delete(Key::new(from)?).await?;
    }
    Ok(())
}

async fn missing(c: Context) -> Result<(), Failure> {
    c.put("there", "old").await?;
    for to in ["there", "new", "a"] {
        let renamed = rename(&c, "a", to, RenameOptions::new()).await;
        fails(format!("rename of nothing to `{to}`"), renamed, ErrorKind::NotFound)?;
    }
    c.contains("there", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["there"])
}

async fn itself(c: Context) -> Result<(), Failure> {
    c.put("a", "content").await?;
    let before = c.stat("a").await?;
    rename(&c, "a", "a", RenameOptions::new()).await?;
    c.contains("a", b"content").await?;
    same("metadata", c.stat("a").await?, before)?;
    if c.can.create_if_absent.is_supported() {
        let renamed = rename(&c, "a", "a", RenameOptions::new().if_absent()).await;
        fails("rename onto itself if absent", renamed, ErrorKind::AlreadyExists)?;
        c.contains("a", b"content").await?;
    }
    Ok(())
}

async fn attributes(c: Context) -> Result<(), Failure> {
    let options = WriteOptions::new().content_type("text/csv");
    c.store.write(&Key::new("a")?, "x", options).await?;
    c.put("b", "without a content type").await?;
    rename(&c, "a", "b", RenameOptions::new()).await?;
    same("content type", c.stat("b").await?.attributes.content_type.as_deref(), Some("text/csv"))
}

/// Somebody who looks at the old name first and then at the new one finds the object.
async fn never_gone(c: Context) -> Result<(), Failure> {
    for round in 0..20 {
        let (from, to) = (format!("from{round}"), format!("to{round}"));
        c.put(&from, c.body(Way::OneShot, round)).await?;
        let done = Arc::new(AtomicBool::new(false));
        let watcher = tokio::spawn({
            let (c, from, to, done) = (c.clone(), Key::new(&from)?, Key::new(&to)?, done.clone());
            async move {
                while !done.load(Ordering::Relaxed) {
                    let there = c.store.exists(&from).await? || c.store.exists(&to).await?;
                    holds(there, format!("expected `{from}` or `{to}` at every moment, both were gone"))?;
                    tokio::task::yield_now().await;
                }
                Ok::<(), Failure>(())
            }
        });
        let renamed = rename(&c, &from, &to, RenameOptions::new()).await;
        done.store(true, Ordering::Relaxed);
        watcher.await??;
        renamed?;
        c.contains(&to, &c.body(Way::OneShot, round)).await?;
        c.lacks(&from).await?;
    }
    Ok(())
}

async fn if_absent(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "there"]).await?;
    let renamed = rename(&c, "a", "there", RenameOptions::new().if_absent()).await;
    fails("rename over an object if absent", renamed, ErrorKind::AlreadyExists)?;
    c.contains("there", b"there").await?;
    c.contains("a", b"a").await?;
    rename(&c, "a", "new", RenameOptions::new().if_absent()).await?;
    c.contains("new", b"a").await?;
    c.lacks("a").await
}

async fn if_match(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "there"]).await?;
    let (seen, other) = (c.stat("there").await?.etag, c.stat("a").await?.etag);
    let (Some(seen), Some(other)) = (seen, other) else {
        return Err(Failure::ignored("the store names no ETags"));
    };
    for target in ["there", "nothing"] {
        let renamed = rename(&c, "a", target, RenameOptions::new().if_match(other.clone())).await;
        fails(format!("rename to `{target}` on a wrong ETag"), renamed, ErrorKind::PreconditionFailed)?;
    }
    c.contains("there", b"there").await?;
    c.contains("a", b"a").await?;
    c.lacks("nothing").await?;
    rename(&c, "a", "there", RenameOptions::new().if_match(seen)).await?;
    c.contains("there", b"a").await?;
    c.lacks("a").await
}

/// Many sources to one free name: one gets there, the others stay where they were.
async fn race(c: Context) -> Result<(), Failure> {
    const SOURCES: usize = 8;
    let mut tasks = tokio::task::JoinSet::new();
    for source in 0..SOURCES {
        c.put(&format!("s{source}"), format!("content {source}")).await?;
    }
    for source in 0..SOURCES {
        let c = c.clone();
        tasks.spawn(async move {
            (source, rename(&c, &format!("s{source}"), "to", RenameOptions::new().if_absent()).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            (source, Ok(())) => winners.push(source),
            (source, Err(error)) => {
                fails("a loser of the race", Err::<(), _>(error), ErrorKind::AlreadyExists)?;
                c.contains(&format!("s{source}"), format!("content {source}").as_bytes()).await?;
            }
        }
    }
    same("winners of the race", winners.len(), 1)?;
    c.contains("to", format!("content {}", winners[0]).as_bytes()).await?;
    c.lacks(&format!("s{}", winners[0])).await
}

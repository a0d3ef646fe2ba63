//! Conditions on writing hold on every path.

use std::time::Duration;

use bytes::Bytes;
use storage_core::{ETag, Error, ErrorKind, Key, Metadata, WriteOptions};
use tokio::task::JoinSet;

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("write", "WRITE-4", "if-absent", |c| Box::pin(if_absent(c))).needs(needs::create_if_absent),
    Case::new("write", "WRITE-4", "if-match", |c| Box::pin(if_match(c))).needs(needs::replace_if_match),
    Case::new("write", "WRITE-4", "if-match-on-nothing", |c| Box::pin(if_match_on_nothing(c)))
        .needs(needs::replace_if_match),
    Case::new("write", "WRITE-4", "a-condition-holds-at-the-end", |c| Box::pin(late(c)))
        .needs(needs::create_if_absent),
    Case::new("write", "WRITE-4", "one-of-many-creates-wins", |c| Box::pin(creates(c)))
        .needs(needs::create_if_absent)
        .threads(),
    Case::new("write", "WRITE-4", "one-of-many-replacements-wins", |c| Box::pin(replacements(c)))
        .needs(needs::replace_if_match)
        .threads(),
    Case::new("write", "WRITE-4", "no-update-is-lost", |c| Box::pin(counter(c)))
        .needs(needs::replace_if_match)
        .threads(),
];

/// What a failed condition must not touch.
async fn unharmed(c: &Context, name: &str, before: &Metadata, content: &[u8]) -> Result<(), Failure> {
    c.contains(name, content).await?;
    let after = c.stat(name).await?;
    same("metadata after a failed condition", &after, before)?;
    c.nothing_left_over().await
}

/// Options that would show in the metadata if they were taken.
fn marked(c: &Context) -> WriteOptions {
    let mut options = WriteOptions::new();
    if c.can.content_headers {
        options = options.content_type("text/x-intruder");
    }
    if c.can.user_metadata {
        options = options.user_metadata("intruder", "yes");
    }
    if c.can.set_modified {
        options = options.modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    }
    options
}

async fn if_absent(c: Context) -> Result<(), Failure> {
    for (at, way) in Way::BOTH.into_iter().enumerate() {
        let name = format!("a{at}");
        let content = c.body(way, 1);
        c.write_by(way, &name, content.clone(), WriteOptions::new().if_absent()).await?;
        let before = c.stat(&name).await?;
        for again in Way::BOTH {
            let result = c.write_by(again, &name, c.body(again, 2), marked(&c).if_absent()).await;
            fails(format!("create by {again:?} over an object"), result, ErrorKind::AlreadyExists)?;
            unharmed(&c, &name, &before, &content).await?;
            let empty = c.write_by(again, &name, Bytes::new(), marked(&c).if_absent()).await;
            fails(format!("empty create by {again:?} over an object"), empty, ErrorKind::AlreadyExists)?;
            unharmed(&c, &name, &before, &content).await?;
        }
        c.store.delete(Key::new(&name)?).await?;
        c.write_by(way, &name, c.body(way, 3), WriteOptions::new().if_absent()).await?;
        c.contains(&name, &c.body(way, 3)).await?;
    }
    Ok(())
}

async fn if_match(c: Context) -> Result<(), Failure> {
    let mut old = etag(c.put("a", "first").await?)?;
    for way in Way::BOTH {
        let new = c.write_by(way, "a", c.body(way, 1), WriteOptions::new().if_match(old.clone())).await?;
        let before = c.stat("a").await?;
        for again in Way::BOTH {
            let stale = marked(&c).if_match(old.clone());
            let result = c.write_by(again, "a", c.body(again, 2), stale).await;
            fails(format!("replace of a stale ETag by {again:?}"), result, ErrorKind::PreconditionFailed)?;
            unharmed(&c, "a", &before, &c.body(way, 1)).await?;
        }
        old = etag(new)?;
    }
    Ok(())
}

async fn if_match_on_nothing(c: Context) -> Result<(), Failure> {
    let gone = etag(c.put("a", "first").await?)?;
    c.store.delete(Key::new("a")?).await?;
    for way in Way::BOTH {
        let result = c.write_by(way, "a", c.body(way, 1), WriteOptions::new().if_match(gone.clone())).await;
        fails(format!("replace of nothing by {way:?}"), result, ErrorKind::PreconditionFailed)?;
        c.lacks("a").await?;
    }
    c.nothing_left_over().await
}

/// The object appears after the upload was begun: a test at the beginning alone would overwrite it.
async fn late(c: Context) -> Result<(), Failure> {
    let mut writer = c.begin("a", WriteOptions::new().if_absent()).await?;
    let fed = c.feed(&mut writer, c.body(Way::Parts, 1)).await;
    c.put("a", "somebody else's").await?;
    let before = c.stat("a").await?;
    fed?;
    fails("finish after somebody else's create", writer.finish().await, ErrorKind::AlreadyExists)?;
    unharmed(&c, "a", &before, b"somebody else's").await
}

async fn creates(c: Context) -> Result<(), Failure> {
    for round in 0..6u64 {
        let name = format!("a{round}");
        let mut tasks = JoinSet::new();
        for seed in 0..12u64 {
            let (c, name) = (c.clone(), name.clone());
            let way = Way::BOTH[usize::from(round % 3 == 2 || (round % 3 == 1 && seed % 2 == 0))];
            tasks.spawn(async move {
                let body = c.body(way, seed + 1);
                let result = c.write_by(way, &name, body.clone(), WriteOptions::new().if_absent()).await;
                (body, result)
            });
        }
        let winner = only_winner(tasks, ErrorKind::AlreadyExists).await?;
        c.contains(&name, &winner).await?;
    }
    c.nothing_left_over().await
}

async fn replacements(c: Context) -> Result<(), Failure> {
    let mut current = etag(c.put("a", "first").await?)?;
    for round in 0..6u64 {
        let mut tasks = JoinSet::new();
        for seed in 0..12u64 {
            let (c, current) = (c.clone(), current.clone());
            let way = Way::BOTH[usize::from(round % 2 == 1)];
            tasks.spawn(async move {
                let body = c.body(way, 100 * round + seed + 1);
                let result = c.write_by(way, "a", body.clone(), WriteOptions::new().if_match(current)).await;
                (body, result)
            });
        }
        let winner = only_winner(tasks, ErrorKind::PreconditionFailed).await?;
        c.contains("a", &winner).await?;
        current = etag(c.stat("a").await?)?;
    }
    c.nothing_left_over().await
}

async fn only_winner(
    mut tasks: JoinSet<(Bytes, Result<Metadata, Error>)>,
    others: ErrorKind,
) -> Result<Bytes, Failure> {
    let mut winners = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            (body, Ok(_)) => winners.push(body),
            (_, Err(error)) => drop(fails("a loser of the race", Err::<(), _>(error), others)?),
        }
    }
    same("winners of the race", winners.len(), 1)?;
    Ok(winners.remove(0))
}

/// Tasks that each add to one number, by compare and swap.
async fn counter(c: Context) -> Result<(), Failure> {
    const TASKS: u64 = 6;
    const EACH: u64 = 5;
    c.put("n", "0").await?;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let c = c.clone();
        tasks.spawn(async move {
            for _ in 0..EACH {
                increment(&c).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    c.contains("n", (TASKS * EACH).to_string().as_bytes()).await
}

async fn increment(c: &Context) -> Result<(), Failure> {
    let key = Key::new("n")?;
    loop {
        let read = match c.store.read(&key, storage_core::ReadOptions::new()).await {
            // The object changed while it was read: read again.
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => continue,
            read => read?,
        };
        let text = std::str::from_utf8(&read.bytes)?;
        let next = text.parse::<u64>()? + 1;
        let options = WriteOptions::new().if_match(etag(read.metadata)?);
        match c.store.write(&key, next.to_string(), options).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn etag(metadata: Metadata) -> Result<ETag, Failure> {
    metadata.etag.ok_or_else(|| Failure::new("expected an ETag of a store that replaces by ETag"))
}

//! A silent server times out; a slow one does not, and neither does a slow consumer.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use storage_core::{DeleteTarget, Error, ErrorKind, Key, ListOptions, ReadOptions, WriteOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::Fault;

pub(crate) const CASES: &[Case] = &[
    Case::new("silence", "TIME-1", "stalled-server-times-out", |c| Box::pin(stalled(c))),
    Case::new("silence", "TIME-1", "stalled-finish-times-out", |c| Box::pin(finish(c))),
    Case::new("silence", "TIME-1", "stalled-once-is-repeated", |c| Box::pin(once(c))),
    Case::new("silence", "TIME-1", "stalled-body-is-continued", |c| Box::pin(body(c))),
    Case::new("silence", "TIME-1", "slow-body-is-no-stall", |c| Box::pin(slow(c))),
    Case::new("silence", "TIME-1", "late-answer-is-taken", |c| Box::pin(late(c))),
    Case::new("silence", "TIME-1", "slow-consumer-is-no-stall", |c| Box::pin(consumer(c))),
];

/// Silence for cases whose requests reach the server too: far longer than a near one takes.
const SHORT: Duration = Duration::from_millis(800);
/// Silence for cases in which nothing but faults is waited for.
const VERY_SHORT: Duration = Duration::from_millis(100);
/// By then every time limit above has passed, with all its repetitions.
const BOUND: Duration = Duration::from_secs(10);

fn timed_out<T>(what: &str, since: Instant, result: Result<T, Error>) -> Result<(), Failure> {
    fails(what, result, ErrorKind::TimedOut)?;
    let took = since.elapsed();
    holds(took < BOUND, format_args!("{what}: expected an end within {BOUND:?}, it took {took:?}"))
}

async fn stalled(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?.silence(VERY_SHORT).attempts(2);
    let calls = [Call::Stat, Call::Read, Call::Write, Call::Page, Call::Delete];
    rig.set(calls.map(|call| rig.rule(call, .., Fault::Stall)));
    let since = Instant::now();
    timed_out("a stat", since, rig.faulty.stat("a").await)?;
    timed_out("a read", since, rig.faulty.get("a").await)?;
    timed_out("a write", since, rig.faulty.put("a", "content").await)?;
    timed_out("a listing", since, rig.faulty.names("", ListOptions::new()).await)?;
    timed_out("a delete", since, rig.faulty.store.delete(DeleteTarget::new(Key::new("a")?)).await)?;
    rig.all_met()
}

async fn finish(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Finish, .., Fault::Stall)?.silence(SHORT).attempts(2);
    rig.calm.put("a", "old").await?;
    let since = Instant::now();
    let written = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    rig.all_met()?;
    timed_out("a finish", since, written)?;
    same_bytes("content", &rig.calm.get("a").await?, b"old")
}

async fn once(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?.silence(SHORT);
    let calls = [Call::Stat, Call::Read, Call::Write, Call::Page, Call::Delete];
    rig.set(calls.map(|call| rig.rule(call, 0..1, Fault::Stall)));
    rig.faulty.put("a", "content").await?;
    rig.faulty.stat("a").await?;
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    same("names", rig.faulty.names("", ListOptions::new()).await?, ["a"])?;
    rig.faulty.store.delete(DeleteTarget::new(Key::new("a")?)).await?;
    rig.all_met()
}

async fn body(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Read, 0..1, Fault::StallBody { after: 1000 })?.silence(SHORT);
    let content = pattern(1, 100_000);
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    if names_version(&stored) {
        return same_bytes("content", &read?, &content);
    }
    fails("a stalled body without a version to continue", read, ErrorKind::Unsupported).map(drop)
}

/// The whole body takes longer than the server may be silent, and moves all the time.
async fn slow(c: Context) -> Result<(), Failure> {
    let drops = Fault::Drip { step: 500, pause: Duration::from_millis(60) };
    let rig = Rig::with(c, Call::Read, .., drops)?.silence(SHORT).attempts(1);
    let content = pattern(1, 10_000);
    rig.calm.put("a", content.clone()).await?;
    same_bytes("content", &rig.faulty.get("a").await?, &content)?;
    rig.all_met()?;
    same("requests", rig.requests(Call::Read).len(), 1)
}

async fn late(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Read, .., Fault::Delay(SHORT / 3))?.silence(SHORT).attempts(1);
    rig.calm.put("a", "content").await?;
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    same("requests", rig.requests(Call::Read).len(), 1)
}

/// The consumer takes longer than the server may be silent; no request is given up for that.
async fn consumer(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?.silence(SHORT).attempts(1);
    // More than what sockets and buffers take on the way, so that the server has to wait for the consumer.
    let content = pattern(1, 20 << 20);
    rig.calm.write_by(Way::Parts, "a", content.clone(), WriteOptions::new()).await?;
    let one_request = ReadOptions::new().concurrency(1);
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, one_request).await?;
    let mut seen = reader.try_next().await?.unwrap_or_default().to_vec();
    tokio::time::sleep(SHORT + SHORT / 2).await;
    seen.extend_from_slice(&reader.collect().await?);
    same_bytes("content", &seen, &content)?;
    same("requests", rig.requests(Call::Read).len(), 1)
}

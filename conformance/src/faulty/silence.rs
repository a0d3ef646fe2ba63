//! Silence times out; slowness does not, neither of the service nor of the consumer.

use std::time::Duration;

use futures_util::TryStreamExt;
use storage_core::{Capabilities, Error, ErrorKind, Key, ListOptions, ReadOptions, WriteOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan};

pub(crate) const CASES: &[Case] = &[
    Case::new("silence", "TIME-1", "no-answer-times-out", |c| Box::pin(no_answer(c))),
    Case::new("silence", "TIME-1", "no-answer-once-is-repeated", |c| Box::pin(once(c))),
    Case::new("silence", "TIME-1", "stalled-body-is-continued", |c| Box::pin(stalled(c))),
    Case::new("silence", "TIME-1", "body-that-always-stalls-times-out", |c| Box::pin(always_stalled(c))),
    Case::new("silence", "TIME-1", "stalled-part-is-sent-again", |c| Box::pin(part(c))).needs(small_parts),
    Case::new("silence", "TIME-1", "slow-consumer-is-no-stall", |c| Box::pin(slow_consumer(c))),
    Case::new("silence", "TIME-1", "trickle-is-no-stall", |c| Box::pin(trickle(c))),
];

/// Silence for cases whose requests reach the backend too: far longer than a local answer takes.
const SHORT: Duration = Duration::from_millis(500);
/// Silence for cases in which nothing but faults is waited for.
const VERY_SHORT: Duration = Duration::from_millis(50);

fn small_parts(can: &Capabilities) -> Option<String> {
    (can.limits.part_min > 16 << 10).then(|| "its parts are too large to time one out in a test".into())
}

async fn no_answer(c: Context) -> Result<(), Failure> {
    let calls = [Call::Stat, Call::Read, Call::Write, Call::Upload, Call::Page, Call::Delete];
    let plan = calls.iter().fold(Plan::new(), |plan, call| plan.each(*call, .., Fault::Hang));
    let rig = Rig::new(c, plan).silence(VERY_SHORT).attempts(2);
    let key = Key::new("a")?;
    let times_out = |what: &str, result: Result<(), Error>| {
        let error = fails(what, result, ErrorKind::TimedOut)?;
        same(format_args!("attempts of {what}"), error.attempts(), 2)?;
        let writes = !["stat", "read", "list"].contains(&what);
        same(format_args!("doubt about a {what} without an answer"), error.may_have_been_applied(), writes)
    };
    times_out("stat", rig.faulty.stat("a").await.map(drop))?;
    times_out("read", rig.faulty.get("a").await.map(drop))?;
    times_out("write", rig.faulty.put("a", "content").await.map(drop))?;
    times_out("list", rig.faulty.names("", ListOptions::new()).await.map(drop))?;
    times_out("delete", rig.faulty.store.delete(key).await)?;
    let begun = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    times_out("upload", begun.map(drop))?;
    rig.all_met()
}

async fn once(c: Context) -> Result<(), Failure> {
    let calls = [Call::Stat, Call::Read, Call::Write, Call::Page, Call::Delete];
    let plan = calls.iter().fold(Plan::new(), |plan, call| plan.at(*call, 0, Fault::Hang));
    let rig = Rig::new(c, plan).silence(SHORT);
    rig.faulty.put("a", "content").await?;
    rig.faulty.stat("a").await?;
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    same("names", rig.faulty.names("", ListOptions::new()).await?, ["a"])?;
    rig.faulty.store.delete(Key::new("a")?).await?;
    rig.all_met()
}

async fn stalled(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, Fault::Stall { after: 1000 })).silence(SHORT);
    let content = pattern(1, 100_000);
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    if names_version(&stored) {
        return same_bytes("content", &read?, &content);
    }
    fails("a stalled body without a version to continue", read, ErrorKind::Unsupported).map(drop)
}

async fn always_stalled(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().each(Call::Read, .., Fault::Stall { after: 0 });
    let rig = Rig::new(c, plan).silence(VERY_SHORT).attempts(2);
    let stored = rig.calm.put("a", pattern(1, 1000)).await?;
    let read = rig.faulty.get("a").await;
    let kind = if names_version(&stored) { ErrorKind::TimedOut } else { ErrorKind::Unsupported };
    fails("a body that never comes", read, kind).map(drop)
}

async fn part(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Part, 1, Fault::Hang)).silence(SHORT);
    let content = rig.parts_content(1);
    rig.put_parts("a", &content, WriteOptions::new()).await?;
    rig.all_met()?;
    same_bytes("content", &rig.calm.get("a").await?, &content)
}

/// The consumer takes longer than the service may be silent; no request is given up for that.
async fn slow_consumer(c: Context) -> Result<(), Failure> {
    let slices = Fault::Trickle { step: 10_000, pause: Duration::ZERO };
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, slices)).silence(SHORT);
    let content = pattern(1, 100_000);
    rig.calm.put("a", content.clone()).await?;
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = reader.try_next().await?.unwrap_or_default().to_vec();
    tokio::time::sleep(SHORT + SHORT / 2).await;
    seen.extend_from_slice(&reader.collect().await?);
    same_bytes("content", &seen, &content)?;
    same("requests", rig.faults.journal().count(Call::Read), 1)
}

/// The whole body takes longer than the service may be silent, and moves all the time.
async fn trickle(c: Context) -> Result<(), Failure> {
    let drops = Fault::Trickle { step: 50, pause: Duration::from_millis(40) };
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., drops)).silence(SHORT).attempts(1);
    let content = pattern(1, 1000);
    rig.calm.put("a", content.clone()).await?;
    same_bytes("content", &rig.faulty.get("a").await?, &content)?;
    same("requests", rig.faults.journal().count(Call::Read), 1)
}

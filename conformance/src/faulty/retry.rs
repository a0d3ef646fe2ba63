//! What is tried again, how often, after what wait, and what the last error tells.

use std::time::{Duration, Instant};

use storage_core::{
    Capabilities, CopyOptions, DeleteTarget, Error, ErrorKind, Key, Level, ListOptions, Operation,
    ReadOptions, RenameOptions, RetryPolicy, StatOptions, WriteOptions,
};

use super::rig::{ATTEMPTS, Rig};
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("retry", "ERR-1", "error-tells-attempts-operation-and-key", |c| Box::pin(attempts(c))),
    Case::new("retry", "ERR-1", "hopeless-errors-are-not-repeated", |c| Box::pin(hopeless(c))),
    Case::new("retry", "ERR-3", "storm-within-the-attempts", |c| Box::pin(storm(c))),
    Case::new("retry", "ERR-3", "storm-of-lost-answers", |c| Box::pin(lost_answers(c))),
    Case::new("retry", "ERR-3", "storm-beyond-the-attempts", |c| Box::pin(long_storm(c))),
    Case::new("retry", "ERR-3", "storm-on-copy-and-rename", |c| Box::pin(copies(c))).needs(atomic),
    Case::new("retry", "ERR-3", "retry-after-is-a-lower-bound", |c| Box::pin(retry_after(c))),
    Case::new("retry", "ERR-3", "retry-after-beyond-the-budget-gives-up", |c| Box::pin(too_long(c))),
    Case::new("retry", "ERR-3", "one-attempt-is-one-request", |c| Box::pin(once(c))),
];

fn atomic(can: &Capabilities) -> Option<String> {
    let both = can.copy == Level::Atomic && can.rename == Level::Atomic;
    (!both).then(|| "it does not copy and rename by itself".into())
}

fn refused() -> Fault {
    Fault::Before(Refusal::unavailable())
}

async fn attempts(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Stat, .., refused()));
    let error = fails("a stat", rig.faulty.stat("some/key").await, ErrorKind::Unavailable)?;
    same("attempts", error.attempts(), ATTEMPTS)?;
    same("requests", rig.faults.journal().count(Call::Stat), u64::from(ATTEMPTS))?;
    same("operation", error.operation(), Some(Operation::Stat))?;
    same("key", error.key(), Some("some/key"))?;
    same("backend", error.backend(), Some(rig.calm.store.backend_name()))?;
    let line = error.to_string();
    holds(
        line.contains("some/key") && line.contains(&format!("after {ATTEMPTS} attempts")),
        format_args!("expected a line with key and attempts, got: {line}"),
    )
}

async fn hopeless(c: Context) -> Result<(), Failure> {
    use ErrorKind::{InvalidInput, PermissionDenied, StorageFull, Unauthenticated, Unsupported};
    for kind in [PermissionDenied, Unauthenticated, InvalidInput, StorageFull, Unsupported] {
        let fault = || Fault::Before(Refusal::of(kind));
        let plan = Plan::new().each(Call::Write, .., fault()).each(Call::Read, .., fault());
        let rig = Rig::new(c.clone(), plan);
        let error = fails("a write", rig.faulty.put("a", "content").await, kind)?;
        same("attempts", error.attempts(), 1)?;
        fails("a read", rig.faulty.get("a").await, kind)?;
        same(format_args!("requests met by {kind:?}"), rig.faults.journal().total(), 2)?;
    }
    Ok(())
}

/// Every call of these fails this way, as long as the attempts allow and one less.
fn all_but_the_last(calls: &[Call], fault: &Fault) -> Plan {
    let last = u64::from(ATTEMPTS) - 1;
    calls.iter().fold(Plan::new(), |plan, call| plan.each(*call, 0..last, fault.clone()))
}

const COMMON: [Call; 7] =
    [Call::Stat, Call::Read, Call::Write, Call::Upload, Call::Finish, Call::Page, Call::Delete];

async fn storm(c: Context) -> Result<(), Failure> {
    through(c, all_but_the_last(&COMMON, &refused())).await
}

/// What is idempotent succeeds also where every answer but the last is lost.
async fn lost_answers(c: Context) -> Result<(), Failure> {
    through(c, all_but_the_last(&COMMON, &Fault::After(Refusal::unavailable()))).await
}

/// One of everything.
async fn through(c: Context, plan: Plan) -> Result<(), Failure> {
    let rig = Rig::new(c, plan);
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    rig.faulty.put("a", "content").await?;
    same("size", rig.faulty.stat("a").await?.size, 7)?;
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    let parts = rig.parts_content(1);
    rig.put_parts("b", &parts, WriteOptions::new()).await?;
    same_bytes("content in parts", &rig.calm.get("b").await?, &parts)?;
    let mut names = rig.faulty.names("", ListOptions::new()).await?;
    names.sort();
    same("names", names, ["a", "b"])?;
    rig.faulty.store.delete(DeleteTarget::new(a)).await?;
    rig.faulty.store.delete(DeleteTarget::new(b)).await?;
    rig.all_met()?;
    same("what is left", rig.calm.names("", ListOptions::new()).await?.len(), 0)
}

async fn long_storm(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, COMMON.iter().fold(Plan::new(), |plan, call| plan.each(*call, .., refused())));
    rig.calm.put("a", "old").await?;
    let key = Key::new("a")?;
    let store = &rig.faulty.store;
    let gives_up = |what: &str, result: Result<(), Error>| {
        let error = fails(what, result, ErrorKind::Unavailable)?;
        same(format_args!("attempts of {what}"), error.attempts(), ATTEMPTS)
    };
    gives_up("stat", store.stat(&key, StatOptions::new()).await.map(drop))?;
    gives_up("read", store.read(&key, ReadOptions::new()).await.map(drop))?;
    gives_up("write", store.write(&key, "new", WriteOptions::new()).await.map(drop))?;
    gives_up("list", rig.faulty.names("", ListOptions::new()).await.map(drop))?;
    gives_up("delete", store.delete(key.clone()).await)?;
    let begun = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    gives_up("upload", begun.map(drop))?;
    rig.faults.set(Plan::new().each(Call::Finish, .., refused()));
    gives_up("finish", rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await.map(drop))?;
    same_bytes("the old object", &rig.calm.get("a").await?, b"old")
}

async fn copies(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, all_but_the_last(&[Call::Copy, Call::Rename], &refused()));
    rig.calm.put("a", "content").await?;
    let (a, b, third) = (Key::new("a")?, Key::new("b")?, Key::new("c")?);
    rig.faulty.store.copy(&a, &b, CopyOptions::new()).await?;
    rig.faulty.store.rename(&b, &third, RenameOptions::new()).await?;
    rig.all_met()?;
    same_bytes("content of the copy", &rig.calm.get("c").await?, b"content")
}

async fn retry_after(c: Context) -> Result<(), Failure> {
    let wait = Duration::from_millis(60);
    let throttled = || Fault::Before(Refusal::throttled(wait));
    let calls = [Call::Read, Call::Write, Call::Page, Call::Delete];
    let rig = Rig::new(c, calls.iter().fold(Plan::new(), |plan, call| plan.at(*call, 0, throttled())));
    rig.faulty.put("a", "content").await?;
    rig.faulty.get("a").await?;
    rig.faulty.names("", ListOptions::new()).await?;
    rig.faulty.store.delete(Key::new("a")?).await?;
    rig.all_met()?;
    for call in calls {
        let seen = rig.faults.journal().of(call);
        same(format_args!("requests of {call}"), seen.len(), 2)?;
        let waited = seen[1].at - seen[0].at;
        holds(
            waited >= wait,
            format_args!("expected {call} to wait at least {wait:?}, it waited {waited:?}"),
        )?;
    }
    Ok(())
}

async fn too_long(c: Context) -> Result<(), Failure> {
    let hour = Duration::from_secs(3600);
    let rig = Rig::new(c, Plan::new().each(Call::Write, .., Fault::Before(Refusal::throttled(hour))));
    let started = Instant::now();
    let error = fails("a write", rig.faulty.put("a", "content").await, ErrorKind::Throttled)?;
    same("requests", rig.faults.journal().count(Call::Write), 1)?;
    same("advice of the error", error.retry(), storage_core::Retry::After(hour))?;
    holds(started.elapsed() < hour, "expected to give up at once, it waited")
}

async fn once(c: Context) -> Result<(), Failure> {
    let mut rig = Rig::new(c, Plan::new().at(Call::Stat, 0, refused()));
    rig.faulty.store = rig.faulty.store.with_retry(RetryPolicy::none());
    fails("a stat", rig.faulty.stat("a").await, ErrorKind::Unavailable)?;
    same("requests", rig.faults.journal().count(Call::Stat), 1)
}

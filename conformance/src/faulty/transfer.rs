//! Large objects as ranges and parts side by side, where one of them goes wrong.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use storage_core::{
    Budget, Error, ErrorKind, Key, Limit, ListOptions, ReadOptions, Store, TransferOptions, WriteOptions,
};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern, polled};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};

pub(crate) const CASES: &[Case] = &[
    Case::new("transfer", "READ-1", "ranges-side-by-side-are-the-whole", |c| Box::pin(whole(c))),
    Case::new("transfer", "READ-1", "every-range-breaks-off-once", |c| Box::pin(broken(c))),
    Case::new("transfer", "READ-2", "replaced-between-ranges", |c| Box::pin(replaced(c))),
    Case::new("transfer", "READ-2", "other-object-in-a-later-range", |c| Box::pin(other(c))),
    Case::new("transfer", "READ-4", "a-later-range-is-another", |c| Box::pin(wrong_range(c))),
    Case::new("transfer", "XFER-1", "parts-of-any-length-make-the-source", |c| Box::pin(parts(c))),
    Case::new("transfer", "XFER-2", "a-failed-copy-leaves-the-destination", |c| Box::pin(failed(c))),
    Case::new("transfer", "XFER-2", "a-dropped-copy-leaves-the-destination", |c| Box::pin(dropped(c))),
    Case::new("transfer", "XFER-3", "damage-is-no-verified-write", |c| Box::pin(damaged(c))),
    Case::new("transfer", "XFER-3", "damage-is-no-verified-copy", |c| Box::pin(damaged_copy(c))),
    Case::new("transfer", "XFER-4", "a-slow-reader-is-not-run-ahead-of", |c| Box::pin(slow(c))),
    Case::new("transfer", "XFER-4", "a-limit-of-nothing-stops-until-it-is-lifted", |c| Box::pin(stopped(c))),
];

const STEP: u64 = 10_000;
const SIZE: usize = 123_456;

/// Ranges of `STEP` bytes.
fn ranged(c: Context, plan: Plan) -> Rig {
    Rig::with(c, FaultLayer::new(plan).declare(|can| can.limits.range_preferred = STEP))
}

/// Ranges and parts as short as the backend takes them, and nothing verified before it is published.
fn parted(c: Context, plan: Plan) -> Rig {
    let part = c.can.limits.part_min.max(4096);
    Rig::with(
        c,
        FaultLayer::new(plan).declare(move |can| {
            can.limits.range_preferred = part;
            can.limits.part_preferred = part;
            can.limits.write_max = can.limits.write_max.min(part);
            can.verified_writes = false;
        }),
    )
}

async fn whole(c: Context) -> Result<(), Failure> {
    let rig = ranged(c, Plan::new());
    let key = Key::new("a")?;
    for size in [0, 1, STEP as usize, STEP as usize + 1, SIZE] {
        let body = pattern(size as u64, size);
        rig.calm.put("a", body.clone()).await?;
        for concurrency in [1, 2, 5, 100] {
            let options = ReadOptions::new().concurrency(concurrency);
            let read = rig.faulty.store.read(&key, options.clone()).await?;
            same_bytes(format_args!("{size} bytes, {concurrency} ranges at a time"), &read.bytes, &body)?;
            let read = rig.faulty.store.read(&key, options.range(size as u64 / 3..)).await;
            match read {
                Ok(read) => same_bytes("from a third on", &read.bytes, &body[size / 3..])?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

async fn broken(c: Context) -> Result<(), Failure> {
    let mut plan = Plan::new();
    for start in (0..SIZE as u64).step_by(STEP as usize) {
        let at_start = move |range: &storage_core::ByteRange| matches!(range, storage_core::ByteRange::Bounded { start: at, .. } if *at == start);
        let cut = Fault::Cut { after: 777, with: Refusal::unavailable() };
        let rule = Rule::new(Call::Read, cut).only(move |seen| seen.range.as_ref().is_some_and(at_start));
        plan = plan.rule(rule.nth(0..1));
    }
    let rig = ranged(c, plan);
    let body = pattern(1, SIZE);
    let stored = rig.calm.put("a", body.clone()).await?;
    if !names_version(&stored) {
        return Err(Failure::ignored("the store names no version that several requests could share"));
    }
    // Who knows how large it is asks for ranges from the first.
    let known = ReadOptions::new().size_hint(SIZE as u64);
    same_bytes("what was read", &rig.faulty.store.read(&Key::new("a")?, known).await?.bytes, &body)?;
    rig.all_met()
}

async fn replaced(c: Context) -> Result<(), Failure> {
    for new_size in [SIZE / 2, SIZE, SIZE * 2] {
        let rig = ranged(c.clone(), Plan::new());
        let old = pattern(1, SIZE);
        rig.calm.put("a", old.clone()).await?;
        let options = ReadOptions::new().concurrency(3);
        let mut reader = rig.faulty.store.reader(&Key::new("a")?, options).await?;
        let mut seen = reader.try_next().await?.unwrap_or_default().to_vec();
        rig.calm.put("a", pattern(2, new_size)).await?;
        let rest: Result<Vec<Bytes>, Error> = reader.try_collect().await;
        match rest {
            Ok(rest) => {
                rest.iter().for_each(|chunk| seen.extend_from_slice(chunk));
                same_bytes("a read that was begun before the change", &seen, &old)?;
            }
            Err(error) => {
                fails::<()>("ranges of a changed object", Err(error), ErrorKind::PreconditionFailed)?;
            }
        }
    }
    Ok(())
}

async fn other(c: Context) -> Result<(), Failure> {
    let rig = ranged(c, Plan::new().at(Call::Read, 3, Fault::OtherObject { etag: "other" }));
    let stored = rig.calm.put("a", pattern(1, SIZE)).await?;
    if !names_version(&stored) {
        return Err(Failure::ignored("the store names no version that several requests could share"));
    }
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    fails("ranges of two objects", read, ErrorKind::PreconditionFailed).map(drop)
}

async fn wrong_range(c: Context) -> Result<(), Failure> {
    for fault in [Fault::WholeObject, Fault::OtherRange(0..STEP), Fault::TooLong(Bytes::from_static(b"more"))]
    {
        let rig = ranged(c.clone(), Plan::new().at(Call::Read, 2, fault.clone()));
        let body = pattern(1, SIZE);
        let stored = rig.calm.put("a", body.clone()).await?;
        if !names_version(&stored) {
            return Err(Failure::ignored("the store names no version that several requests could share"));
        }
        let read = rig.faulty.get("a").await;
        rig.all_met()?;
        match read {
            Ok(bytes) => same_bytes(format_args!("a read with {fault:?}"), &bytes, &body)?,
            Err(error) => drop(fails::<()>("a wrong range", Err(error), ErrorKind::InvalidData)?),
        }
    }
    Ok(())
}

async fn parts(c: Context) -> Result<(), Failure> {
    let rig = parted(c, Plan::new());
    let body = rig.parts_content(1);
    rig.calm.put("a", body.clone()).await?;
    for (add, concurrency) in [(0, 1), (0, 4), (1, 3), (rig.part() / 2, 2)] {
        let options = TransferOptions::new().part_size(rig.part() + add).concurrency(concurrency);
        let (a, b) = (Key::new("a")?, Key::new("b")?);
        rig.calm.store.copy_to(&a, &rig.faulty.store, &b, options.clone()).await?;
        rig.calm.contains("b", &body).await?;
        rig.faulty.store.copy_to(&a, &rig.calm.store, &Key::new("c")?, options).await?;
        rig.calm.contains("c", &body).await?;
    }
    rig.calm.nothing_left_over().await
}

/// A copy of a large object through the rig onto an old one.
async fn copy(rig: &Rig, store: &Store) -> Result<Result<(), Error>, Failure> {
    rig.calm.put("a", rig.parts_content(1)).await?;
    rig.calm.put("b", "old").await?;
    let options = TransferOptions::new();
    Ok(store.copy_to(&Key::new("a")?, &rig.faulty.store, &Key::new("b")?, options).await.map(drop))
}

async fn failed(c: Context) -> Result<(), Failure> {
    let denied = || Fault::Before(Refusal::denied());
    for (what, plan) in [
        ("a part", Plan::new().at(Call::Part, 2, denied())),
        ("its finish", Plan::new().at(Call::Finish, 0, denied())),
        ("a range", Plan::new().each(Call::Read, 2.., denied())),
        ("its beginning", Plan::new().at(Call::Upload, 0, denied())),
    ] {
        let rig = parted(c.clone(), plan);
        let copied = copy(&rig, &rig.faulty.store.layer(&FaultLayer::new(Plan::new()))).await?;
        fails(format_args!("a copy without {what}"), copied, ErrorKind::PermissionDenied)?;
        rig.all_met()?;
        let begun = rig.faults.journal().count(Call::Upload) - u64::from(what == "its beginning");
        same(format_args!("aborts after {what}"), rig.faults.journal().count(Call::Abort), begun)?;
        rig.calm.contains("b", b"old").await?;
        rig.calm.nothing_left_over().await?;
    }
    same("listing", c.names("", ListOptions::new()).await?, ["a", "b"])
}

async fn dropped(c: Context) -> Result<(), Failure> {
    for call in [Call::Part, Call::Finish] {
        let rig = parted(c.clone(), Plan::new().each(call, .., Fault::Hang));
        {
            let copying = copy(&rig, &rig.calm.store);
            let hangs = async {
                while rig.faults.journal().count(call) == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            futures_util::future::select(copying.boxed(), hangs.boxed()).await;
        }
        rig.ended(Call::Abort, 1).await?;
        rig.calm.contains("b", b"old").await?;
        rig.calm.nothing_left_over().await?;
    }
    Ok(())
}

async fn damaged(c: Context) -> Result<(), Failure> {
    let rig = parted(c.clone(), Plan::new().each(Call::Write, .., Fault::Damage));
    let options = || WriteOptions::new().verify(true);
    let written = rig.faulty.store.write(&Key::new("a")?, pattern(1, 1000), options()).await;
    rig.all_met()?;
    fails("a write that was damaged", written, ErrorKind::InvalidData)?;
    let rig = parted(c, Plan::new().at(Call::Part, 1, Fault::Damage));
    let written = rig.put_parts("a", &rig.parts_content(1), options()).await;
    rig.all_met()?;
    fails("a write in parts of which one was damaged", written, ErrorKind::InvalidData).map(drop)
}

async fn damaged_copy(c: Context) -> Result<(), Failure> {
    let rig = parted(c, Plan::new().at(Call::Part, 1, Fault::Damage));
    let copied = copy(&rig, &rig.calm.store).await?;
    rig.all_met()?;
    fails("a copy of which one part was damaged", copied, ErrorKind::InvalidData).map(drop)
}

async fn slow(c: Context) -> Result<(), Failure> {
    let rig = ranged(c, Plan::new());
    let body = pattern(1, SIZE);
    rig.calm.put("a", body.clone()).await?;
    let store = rig.faulty.store.with_budget(Budget::new(2 * STEP));
    let mut reader = store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = reader.try_next().await?.unwrap_or_default().to_vec();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let asked = rig.faults.journal().count(Call::Read);
    // One beyond the budget, and the first one.
    holds(asked <= 4, format_args!("expected no more than 4 ranges for a reader that waits, got {asked}"))?;
    while let Some(chunk) = reader.try_next().await? {
        seen.extend_from_slice(&chunk);
    }
    same_bytes("what was read", &seen, &body)
}

async fn stopped(c: Context) -> Result<(), Failure> {
    let body = pattern(1, 10_000);
    c.put("a", body.clone()).await?;
    let limit = Limit::new().bytes_per_second(0);
    let store = c.store.with_limit(limit.clone());
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    holds(polled(store.read(&a, ReadOptions::new()), 20).await.is_none(), "expected a read to wait")?;
    let write = store.write(&b, body.clone(), WriteOptions::new());
    holds(polled(write, 20).await.is_none(), "expected a write to wait")?;
    c.lacks("b").await?;
    limit.set_bytes_per_second(None);
    same_bytes("what is read", &store.read(&a, ReadOptions::new()).await?.bytes, &body)?;
    store.write(&b, body.clone(), WriteOptions::new()).await?;
    c.contains("b", &body).await
}

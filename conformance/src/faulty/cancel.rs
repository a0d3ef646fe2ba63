//! Futures dropped while the service hangs: the object is old or new, and the store goes on.

use std::time::Duration;

use futures_util::TryStreamExt;
use storage_core::{Error, Key, ListOptions, ReadOptions, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan};

pub(crate) const CASES: &[Case] = &[
    Case::new("cancel", "CXL-1", "write-before-it-is-applied", |c| Box::pin(write(c, Fault::Hang))),
    Case::new("cancel", "CXL-1", "write-after-it-is-applied", |c| Box::pin(write(c, Fault::HangAfter))),
    Case::new("cancel", "CXL-1", "part", |c| Box::pin(in_parts(c, Call::Part, Fault::Hang))),
    Case::new("cancel", "CXL-1", "finish-before-it-is-applied", |c| {
        Box::pin(in_parts(c, Call::Finish, Fault::Hang))
    }),
    Case::new("cancel", "CXL-1", "finish-after-it-is-applied", |c| {
        Box::pin(in_parts(c, Call::Finish, Fault::HangAfter))
    }),
    Case::new("cancel", "CXL-1", "dropped-write-breaks-the-writer", |c| Box::pin(broken_writer(c))),
    Case::new("cancel", "CXL-1", "read-and-list", |c| Box::pin(read(c))),
    Case::new("cancel", "CXL-1", "delete", |c| Box::pin(delete(c))),
];

/// Runs the operation until the fault is met and a little longer, and drops it.
async fn give_up<T>(
    rig: &Rig,
    call: Call,
    operation: impl Future<Output = Result<T, Error>> + Send,
) -> Result<(), Failure> {
    let hanging = async {
        while rig.faults.journal().count(call) == 0 || !rig.faults.unmet().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let operation = std::pin::pin!(operation);
    let hanging = std::pin::pin!(hanging);
    match futures_util::future::select(operation, hanging).await {
        futures_util::future::Either::Left((Ok(_), _)) => {
            Err(Failure::new(format_args!("expected {call} to hang, it succeeded")))
        }
        futures_util::future::Either::Left((Err(error), _)) => Err(error.into()),
        futures_util::future::Either::Right(_) => Ok(()),
    }
}

/// The object is the old one or the new one, whole; and a later write works.
async fn old_or_new(rig: &Rig, old: &[u8], new: &[u8]) -> Result<(), Failure> {
    let found = rig.calm.get("a").await?;
    if found != old {
        same_bytes("an object that is not the old one", &found, new)?;
    }
    same("size in a stat", rig.calm.stat("a").await?.size, found.len() as u64)?;
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["a"])?;
    rig.faults.set(Plan::new());
    rig.faulty.put("a", "later").await?;
    same_bytes("a later write", &rig.calm.get("a").await?, b"later")
}

async fn write(c: Context, fault: Fault) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Write, 0, fault));
    let (old, new) = (pattern(1, 1000), pattern(2, 700));
    rig.calm.put("a", old.clone()).await?;
    give_up(&rig, Call::Write, rig.faulty.put("a", new.clone())).await?;
    old_or_new(&rig, &old, &new).await
}

async fn in_parts(c: Context, call: Call, fault: Fault) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(call, 0, fault));
    let (old, new) = (pattern(1, 1000), rig.parts_content(2));
    rig.calm.put("a", old.clone()).await?;
    give_up(&rig, call, rig.put_parts("a", &new, WriteOptions::new())).await?;
    rig.ended(Call::Abort, 1).await?;
    old_or_new(&rig, &old, &new).await
}

/// After a dropped `write` nobody knows how much was taken; the writer must not publish a guess.
async fn broken_writer(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Part, .., Fault::Hang));
    rig.calm.put("a", "old").await?;
    let options = WriteOptions::new().part_size(rig.part()).concurrency(1);
    let mut writer = rig.faulty.store.writer(&Key::new("a")?, options).await?;
    give_up(&rig, Call::Part, writer.write(rig.parts_content(1))).await?;
    rig.faults.set(Plan::new());
    holds(
        writer.write("more").await.is_err(),
        "expected a writer whose write was dropped to refuse, it wrote",
    )?;
    holds(writer.finish().await.is_err(), "expected a writer whose write was dropped to fail, it finished")?;
    rig.ended(Call::Abort, 1).await?;
    same_bytes("the old object", &rig.calm.get("a").await?, b"old")
}

async fn read(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, Fault::Stall { after: 10 }).at(Call::Page, 0, Fault::Hang);
    let rig = Rig::new(c, plan);
    let content = pattern(1, 1000);
    rig.calm.put("a", content.clone()).await?;
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let first = reader.try_next().await?.unwrap_or_default();
    same_bytes("what came before the stall", &first, &content[..10])?;
    let stalled = tokio::time::timeout(Duration::from_millis(20), reader.try_next()).await;
    holds(stalled.is_err(), "expected the body to stall, it went on")?;
    drop(reader);
    let listing = tokio::time::timeout(Duration::from_millis(20), rig.faulty.names("", ListOptions::new()));
    holds(listing.await.is_err(), "expected the listing to hang, it went on")?;
    rig.all_met()?;
    same_bytes("a later read", &rig.faulty.get("a").await?, &content)?;
    same("a later listing", rig.faulty.names("", ListOptions::new()).await?, ["a"])
}

async fn delete(c: Context) -> Result<(), Failure> {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let rig = Rig::new(c.clone(), Plan::new().at(Call::Delete, 0, fault));
        rig.calm.put("a", "content").await?;
        give_up(&rig, Call::Delete, rig.faulty.store.delete(Key::new("a")?)).await?;
        if rig.calm.store.exists(&Key::new("a")?).await? {
            same_bytes("the object", &rig.calm.get("a").await?, b"content")?;
        }
    }
    Ok(())
}

//! A read is of one version, also when it takes several requests and somebody writes in between.

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{DeleteTarget, Error, ErrorKind, Key, ReadOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-2", "other-object-on-resume-is-refused", |c| Box::pin(other_on_resume(c))),
    Case::new("read", "READ-2", "other-object-in-a-vectored-read", |c| Box::pin(other_in_vectored(c))),
    Case::new("read", "READ-2", "overwritten-between-requests", |c| Box::pin(overwritten(c))),
    Case::new("read", "READ-2", "overwritten-by-a-shorter-one", |c| Box::pin(shortened(c))),
    Case::new("read", "READ-2", "deleted-between-requests", |c| Box::pin(deleted(c))),
    Case::new("read", "READ-2", "if-match-holds-an-answer-that-ignores-it", |c| Box::pin(if_match(c))),
];

const SIZE: usize = 150_000;
const CUT: u64 = 1000;

fn cut() -> Fault {
    Fault::Cut { after: CUT, with: Refusal::unavailable() }
}

/// The service answers the second request with another object of the same length.
async fn other_on_resume(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, cut()).at(Call::Read, 1, Fault::OtherObject { etag: "other" });
    let rig = Rig::new(c, plan);
    let stored = rig.calm.put("a", pattern(1, SIZE)).await?;
    let read = rig.faulty.get("a").await;
    if !names_version(&stored) {
        fails("a cut read without a version to continue", read, ErrorKind::Unsupported)?;
        return Ok(());
    }
    rig.all_met()?;
    let error = fails("a read continued in another object", read, ErrorKind::PreconditionFailed)?;
    tells_change(&error)
}

async fn other_in_vectored(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Read, 1, Fault::OtherObject { etag: "other" }));
    let stored = rig.calm.put("a", pattern(1, 1 << 20)).await?;
    let ranges = [0..100, 900_000..900_100];
    let read = rig.faulty.store.read_ranges(&Key::new("a")?, &ranges, ReadOptions::new()).await;
    match read {
        Err(error) if !names_version(&stored) && error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::InvalidData) => {
            rig.all_met()
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::new("expected an error, got ranges of two objects")),
    }
}

async fn overwritten(c: Context) -> Result<(), Failure> {
    let new = pattern(2, SIZE);
    changed_underneath(c, |c| Box::pin(async move { c.put("a", new).await.map(drop) })).await
}

async fn shortened(c: Context) -> Result<(), Failure> {
    let new = pattern(2, SIZE / 2);
    changed_underneath(c, |c| Box::pin(async move { c.put("a", new).await.map(drop) })).await
}

async fn deleted(c: Context) -> Result<(), Failure> {
    let change = |c: Context| -> storage_core::BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move { c.store.delete(DeleteTarget::new(Key::new("a")?)).await })
    };
    changed_underneath(c, change).await
}

/// The body breaks off, and before the second request goes out the object changes. Where old versions can still be
/// read the read may end with the old bytes; else it fails. It never mixes.
async fn changed_underneath(
    c: Context,
    change: impl FnOnce(Context) -> storage_core::BoxFuture<'static, Result<(), Error>> + Send,
) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, cut()));
    let old = pattern(1, SIZE);
    let stored = rig.calm.put("a", old.clone()).await?;
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = Vec::new();
    while seen.len() < CUT as usize {
        let chunk = reader.try_next().await?.unwrap_or_default();
        holds(!chunk.is_empty(), "expected the bytes before the cut, the body ended")?;
        seen.extend_from_slice(&chunk);
    }
    change(rig.calm.clone()).await?;
    let rest: Result<Bytes, Error> = reader.collect().await;
    rig.all_met()?;
    match rest {
        Ok(rest) => {
            seen.extend_from_slice(&rest);
            same_bytes("a read that went on although the object changed", &seen, &old)
        }
        Err(error) if !names_version(&stored) => {
            fails::<()>("a cut read without a version", Err(error), ErrorKind::Unsupported).map(drop)
        }
        Err(error) => {
            let error =
                fails::<()>("the rest of a changed object", Err(error), ErrorKind::PreconditionFailed)?;
            tells_change(&error)
        }
    }
}

async fn if_match(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, Fault::OtherObject { etag: "other" }));
    let stored = rig.calm.put("a", "content").await?;
    let Some(etag) = stored.etag else { return Err(Failure::ignored("it names no ETag")) };
    let read = rig.faulty.store.read(&Key::new("a")?, ReadOptions::new().if_match(etag)).await;
    rig.all_met()?;
    fails("a conditional read that got another object", read, ErrorKind::PreconditionFailed).map(drop)
}

fn tells_change(error: &Error) -> Result<(), Failure> {
    holds(
        error.message().contains("changed"),
        format_args!("expected a message that the object changed, got: {error}"),
    )
}

//! Bodies that break off on the wire are continued from their own byte, or the read fails.

use futures_util::TryStreamExt;
use storage_core::{ByteRange, DeleteTarget, ErrorKind, Key, ReadOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-1", "reset-body-is-continued", |c| Box::pin(reset(c))),
    Case::new("read", "READ-1", "closed-body-is-continued", |c| Box::pin(closed(c))),
    Case::new("read", "READ-1", "reset-before-the-first-byte", |c| Box::pin(no_byte(c))),
    Case::new("read", "READ-1", "lost-answer-is-asked-for-again", |c| Box::pin(no_answer(c))),
    Case::new("read", "READ-1", "reset-range-is-continued", |c| Box::pin(range(c))),
    Case::new("read", "READ-1", "reset-suffix-is-continued", |c| Box::pin(suffix(c))),
    Case::new("read", "READ-1", "many-resets", |c| Box::pin(many(c))),
    Case::new("read", "READ-1", "body-that-always-ends-early", |c| Box::pin(always_early(c))),
    Case::new("read", "READ-2", "replaced-before-the-rest", |c| Box::pin(replaced(c))),
    Case::new("read", "READ-2", "replaced-by-a-shorter-one", |c| Box::pin(shortened(c))),
    Case::new("read", "READ-2", "deleted-before-the-rest", |c| Box::pin(deleted(c))),
];

const SIZE: usize = 300_000;

fn cut(after: u64, close: Close) -> Fault {
    Fault::CutBody { after, close }
}

/// The first request meets `fault`; the read gives what was asked for all the same.
async fn check(c: Context, asked: ByteRange, fault: Fault) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let rig = Rig::with(c, Call::Read, 0..1, fault)?;
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.store.read(&Key::new("a")?, ReadOptions::new().range(asked)).await;
    rig.all_met()?;
    if !names_version(&stored) {
        return fails("a broken read without a version to continue", read, ErrorKind::Unsupported).map(drop);
    }
    let wanted = asked.resolve(SIZE as u64)?;
    same_bytes("content", &read?.bytes, &content[wanted.start as usize..wanted.end as usize])?;
    same("requests", rig.requests(Call::Read).len(), 2)
}

async fn reset(c: Context) -> Result<(), Failure> {
    check(c, ByteRange::Full, cut(100_000, Close::Reset)).await
}

async fn closed(c: Context) -> Result<(), Failure> {
    check(c, ByteRange::Full, cut(100_000, Close::Clean)).await
}

async fn no_byte(c: Context) -> Result<(), Failure> {
    check(c, ByteRange::Full, cut(0, Close::Reset)).await
}

async fn range(c: Context) -> Result<(), Failure> {
    check(c, ByteRange::new(5000..250_000), cut(70_000, Close::Reset)).await
}

async fn suffix(c: Context) -> Result<(), Failure> {
    check(c, ByteRange::Suffix(200_000), cut(70_000, Close::Clean)).await
}

/// No version is needed here: nothing came.
async fn no_answer(c: Context) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let rig = Rig::http(c)?;
    rig.calm.put("a", content.clone()).await?;
    for fault in [Fault::ResetBefore, Fault::LoseResponse(Close::Reset), Fault::LoseResponse(Close::Clean)] {
        rig.set([rig.rule(Call::Read, 0..1, fault)]);
        same_bytes("content", &rig.faulty.get("a").await?, &content)?;
        rig.all_met()?;
    }
    Ok(())
}

async fn many(c: Context) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let rig = Rig::with(c, Call::Read, .., cut(50_000, Close::Reset))?.attempts(2);
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    if !names_version(&stored) {
        return fails("a broken read without a version to continue", read, ErrorKind::Unsupported).map(drop);
    }
    same_bytes("content after a reset every 50,000 bytes", &read?, &content)
}

async fn always_early(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Read, .., cut(0, Close::Clean))?;
    let stored = rig.calm.put("a", pattern(1, SIZE)).await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    let Err(error) = read else {
        return Err(Failure::new("expected an error, a body without its bytes was taken as whole"));
    };
    holds(
        !names_version(&stored) || error.is_retryable(),
        format_args!("expected an error that advises a retry, got: {error}"),
    )
}

async fn replaced(c: Context) -> Result<(), Failure> {
    changed(c, Some(SIZE)).await
}

async fn shortened(c: Context) -> Result<(), Failure> {
    changed(c, Some(SIZE / 4)).await
}

async fn deleted(c: Context) -> Result<(), Failure> {
    changed(c, None).await
}

/// The object changes while the body is cut. Where old versions can still be read the read may end with the old bytes;
/// else it fails. It never mixes.
async fn changed(c: Context, new: Option<usize>) -> Result<(), Failure> {
    let old = pattern(1, SIZE);
    let rig = Rig::with(c, Call::Read, 0..1, cut(1000, Close::Reset))?;
    let stored = rig.calm.put("a", old.clone()).await?;
    let key = Key::new("a")?;
    let mut reader = rig.faulty.store.reader(&key, ReadOptions::new()).await?;
    let mut seen = Vec::new();
    while seen.len() < 1000 {
        let chunk = reader.try_next().await?.unwrap_or_default();
        holds(!chunk.is_empty(), "expected the bytes before the cut, the body ended")?;
        seen.extend_from_slice(&chunk);
    }
    match new {
        Some(size) => drop(rig.calm.put("a", pattern(2, size)).await?),
        None => rig.calm.store.delete(DeleteTarget::new(key)).await?,
    }
    let rest = reader.collect().await;
    rig.all_met()?;
    match rest {
        Ok(rest) => {
            seen.extend_from_slice(&rest);
            same_bytes("a read that went on although the object changed", &seen, &old)
        }
        Err(error) => {
            let kind =
                if names_version(&stored) { ErrorKind::PreconditionFailed } else { ErrorKind::Unsupported };
            fails::<()>("the rest of a changed object", Err(error), kind).map(drop)
        }
    }
}

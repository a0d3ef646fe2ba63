//! Bodies that break off are continued from their own byte, or the read fails.

use futures_util::TryStreamExt;
use storage_core::{ByteRange, ErrorKind, Key, ReadOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-1", "cut-body-is-continued", |c| Box::pin(cut(c))),
    Case::new("read", "READ-1", "early-end-is-continued", |c| Box::pin(early_end(c))),
    Case::new("read", "READ-1", "cut-before-the-first-byte", |c| Box::pin(nothing_came(c))),
    Case::new("read", "READ-1", "lost-end-needs-no-request", |c| Box::pin(lost_end(c))),
    Case::new("read", "READ-1", "cut-range-is-continued", |c| Box::pin(range(c))),
    Case::new("read", "READ-1", "cut-suffix-is-continued", |c| Box::pin(suffix(c))),
    Case::new("read", "READ-1", "cut-suffix-longer-than-the-object", |c| Box::pin(long_suffix(c))),
    Case::new("read", "READ-1", "progress-renews-the-attempts", |c| Box::pin(many_cuts(c))),
    Case::new("read", "READ-1", "no-progress-gives-up", |c| Box::pin(no_progress(c))),
    Case::new("read", "READ-1", "cut-vectored-read", |c| Box::pin(vectored(c))),
];

const SIZE: usize = 200_000;

fn cut_after(after: u64) -> Fault {
    Fault::Cut { after, with: Refusal::unavailable() }
}

/// Reads through `plan`; the answer is `expected`, which starts at `from`, and the second request starts at `resumed`.
async fn check(c: Context, plan: Plan, asked: ByteRange, from: usize, resumed: u64) -> Result<(), Failure> {
    let rig = Rig::new(c, plan);
    let content = pattern(1, SIZE);
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.store.read(&Key::new("a")?, ReadOptions::new().range(asked)).await;
    rig.all_met()?;
    if !names_version(&stored) {
        fails("a cut read without a version to continue", read, ErrorKind::Unsupported)?;
        return Ok(());
    }
    let end = match asked {
        ByteRange::Bounded { end, .. } => end as usize,
        _ => SIZE,
    };
    let read = read?;
    same("range", read.range, from as u64..end as u64)?;
    same_bytes("content", &read.bytes, &content[from..end])?;
    let requests = rig.faults.journal().of(Call::Read);
    same("requests", requests.len(), 2)?;
    same("range of the second", requests[1].range, Some(ByteRange::new(resumed..end as u64)))?;
    holds(requests[1].pinned, "expected the second request to name the version, it does not")
}

async fn cut(c: Context) -> Result<(), Failure> {
    check(c, Plan::new().at(Call::Read, 0, cut_after(1000)), ByteRange::Full, 0, 1000).await
}

async fn early_end(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, Fault::EndEarly { after: 70_001 });
    check(c, plan, ByteRange::Full, 0, 70_001).await
}

async fn nothing_came(c: Context) -> Result<(), Failure> {
    check(c, Plan::new().at(Call::Read, 0, cut_after(0)), ByteRange::Full, 0, 0).await
}

async fn range(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, cut_after(100));
    check(c, plan, ByteRange::new(5000..60_000), 5000, 5100).await
}

async fn suffix(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, cut_after(100));
    check(c, plan, ByteRange::Suffix(5000), SIZE - 5000, SIZE as u64 - 4900).await
}

/// A suffix counts from an end that a second request must not count from again.
async fn long_suffix(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, cut_after(4000));
    check(c, plan, ByteRange::Suffix(10 * SIZE as u64), 0, 4000).await
}

async fn lost_end(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, cut_after(SIZE as u64)));
    let content = pattern(1, SIZE);
    rig.calm.put("a", content.clone()).await?;
    same_bytes("content", &rig.faulty.get("a").await?, &content)?;
    rig.all_met()?;
    same("requests for an object whose every byte came", rig.faults.journal().count(Call::Read), 1)
}

async fn many_cuts(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., cut_after(10_000))).attempts(2);
    let content = pattern(1, SIZE);
    let stored = rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.get("a").await;
    if !names_version(&stored) {
        fails("a cut read without a version to continue", read, ErrorKind::Unsupported)?;
        return Ok(());
    }
    same_bytes("content after 20 cuts", &read?, &content)?;
    same("requests", rig.faults.journal().count(Call::Read), 20)
}

async fn no_progress(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, cut_after(1000)).each(Call::Read, 1.., cut_after(0));
    let rig = Rig::new(c, plan).attempts(3);
    let content = pattern(1, SIZE);
    let stored = rig.calm.put("a", content.clone()).await?;
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = Vec::new();
    let error = loop {
        match reader.try_next().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            Ok(None) => return Err(Failure::new("expected an error, the body ended as if it were whole")),
            Err(error) => break error,
        }
    };
    same_bytes("what came before the error", &seen, &content[..1000])?;
    holds(reader.try_next().await?.is_none(), "expected the stream to end after its error, it went on")?;
    if names_version(&stored) {
        same("kind", error.kind(), ErrorKind::Unavailable)?;
        same("attempts of the error", error.attempts(), 3)?;
        same("requests", rig.faults.journal().count(Call::Read), 3)?;
    }
    Ok(())
}

async fn vectored(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, 0..4, cut_after(50)));
    let content = pattern(1, 2 << 20);
    let stored = rig.calm.put("a", content.clone()).await?;
    let ranges = [600_000..600_100, 0..100, 1_500_000..1_500_200, 50..120];
    let read = rig.faulty.store.read_ranges(&Key::new("a")?, &ranges, ReadOptions::new()).await;
    if !names_version(&stored) {
        fails("a vectored read without a version to share", read, ErrorKind::Unsupported)?;
        return Ok(());
    }
    rig.all_met()?;
    for (range, bytes) in ranges.iter().zip(read?) {
        same_bytes(
            format_args!("range {range:?}"),
            &bytes,
            &content[range.start as usize..range.end as usize],
        )?;
    }
    Ok(())
}

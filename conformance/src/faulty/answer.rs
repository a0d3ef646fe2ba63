//! Answers that lie about what they hold are caught.

use std::ops::Range;

use bytes::Bytes;
use storage_core::{ErrorKind, Key, ReadOptions};

use super::rig::{ATTEMPTS, Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-4", "whole-object-for-a-range", |c| Box::pin(whole(c))),
    Case::new("read", "READ-4", "another-range", |c| Box::pin(shifted(c))),
    Case::new("read", "READ-4", "a-shorter-range", |c| Box::pin(shorter(c))),
    Case::new("read", "READ-4", "a-longer-body", |c| Box::pin(longer(c))),
    Case::new("read", "READ-4", "a-longer-body-of-a-range", |c| Box::pin(longer_range(c))),
    Case::new("read", "READ-4", "bytes-for-an-empty-object", |c| Box::pin(not_empty(c))),
    Case::new("read", "READ-4", "a-body-that-always-ends-early", |c| Box::pin(always_short(c))),
    Case::new("read", "READ-4", "whole-object-on-resume", |c| Box::pin(whole_on_resume(c))),
    Case::new("read", "READ-4", "another-range-on-resume", |c| Box::pin(shifted_on_resume(c))),
    Case::new("read", "READ-4", "a-longer-body-leaves-the-local-file", |c| Box::pin(download(c))),
];

const SIZE: usize = 1000;

/// A read of `range` that meets `fault` is `InvalidData`.
async fn caught(c: Context, range: Range<u64>, fault: Fault) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., fault));
    rig.calm.put("a", pattern(1, SIZE)).await?;
    let read = rig.faulty.store.read(&Key::new("a")?, ReadOptions::new().range(range.clone())).await;
    rig.all_met()?;
    fails(format_args!("a read of {range:?}"), read, ErrorKind::InvalidData).map(drop)
}

async fn whole(c: Context) -> Result<(), Failure> {
    caught(c, 10..20, Fault::WholeObject).await
}

async fn shifted(c: Context) -> Result<(), Failure> {
    caught(c, 10..20, Fault::OtherRange(0..10)).await
}

async fn shorter(c: Context) -> Result<(), Failure> {
    caught(c, 10..20, Fault::OtherRange(10..15)).await
}

async fn longer(c: Context) -> Result<(), Failure> {
    caught(c, 0..u64::MAX, Fault::TooLong(Bytes::from_static(b"!"))).await
}

async fn longer_range(c: Context) -> Result<(), Failure> {
    caught(c, 10..20, Fault::TooLong(Bytes::from_static(b"!"))).await
}

async fn not_empty(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., Fault::TooLong(Bytes::from_static(b"!"))));
    rig.calm.put("a", "").await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    fails("a read of an empty object", read, ErrorKind::InvalidData).map(drop)
}

async fn always_short(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., Fault::EndEarly { after: 0 }));
    let stored = rig.calm.put("a", pattern(1, SIZE)).await?;
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    if names_version(&stored) {
        let error = fails("a body that always ends early", read, ErrorKind::Unavailable)?;
        return same("attempts", error.attempts(), ATTEMPTS);
    }
    fails("a short body without a version to continue", read, ErrorKind::Unsupported).map(drop)
}

/// A cut read whose second answer meets `fault` is `InvalidData`, and not a splice.
async fn caught_on_resume(c: Context, fault: Fault) -> Result<(), Failure> {
    let cut = Fault::Cut { after: 400, with: Refusal::unavailable() };
    let rig = Rig::new(c, Plan::new().at(Call::Read, 0, cut).each(Call::Read, 1.., fault));
    let stored = rig.calm.put("a", pattern(1, SIZE)).await?;
    let read = rig.faulty.get("a").await;
    if !names_version(&stored) {
        return fails("a cut read without a version", read, ErrorKind::Unsupported).map(drop);
    }
    rig.all_met()?;
    fails("a cut read", read, ErrorKind::InvalidData).map(drop)
}

async fn whole_on_resume(c: Context) -> Result<(), Failure> {
    caught_on_resume(c, Fault::WholeObject).await
}

async fn shifted_on_resume(c: Context) -> Result<(), Failure> {
    caught_on_resume(c, Fault::OtherRange(0..600)).await
}

/// The lie shows only behind the last byte; nothing may be published before.
async fn download(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().each(Call::Read, .., Fault::TooLong(Bytes::from_static(b"!"))));
    rig.calm.put("a", pattern(1, SIZE)).await?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("file");
    std::fs::write(&path, "old")?;
    let read = rig.faulty.store.download_file(&Key::new("a")?, &path, ReadOptions::new()).await;
    fails("a download", read, ErrorKind::InvalidData)?;
    same_bytes("the local file", &std::fs::read(&path)?, b"old")?;
    same("files beside it", std::fs::read_dir(directory.path())?.count(), 1)
}

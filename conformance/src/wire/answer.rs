//! Answers that lie about what they hold are caught, as far as a client can know.

use std::ops::Range;

use bytes::Bytes;
use storage_core::{Error, Key, ReadOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::same_bytes;
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-4", "another-range", |c| Box::pin(another(c))),
    Case::new("read", "READ-4", "another-range-on-resume", |c| Box::pin(another_on_resume(c))),
    Case::new("read", "READ-4", "whole-object-for-a-range", |c| Box::pin(whole(c))),
    Case::new("read", "READ-4", "whole-object-on-resume", |c| Box::pin(whole_on_resume(c))),
    Case::new("read", "READ-4", "a-shorter-body-of-a-range", |c| Box::pin(shorter(c))),
    Case::new("read", "READ-4", "a-shorter-body-on-resume", |c| Box::pin(shorter_on_resume(c))),
    Case::new("read", "READ-4", "a-longer-body-of-a-range", |c| Box::pin(longer(c))),
    Case::new("read", "READ-4", "a-longer-body-on-resume", |c| Box::pin(longer_on_resume(c))),
];

const SIZE: usize = 100_000;
const ASKED: Range<u64> = 20_000..60_000;

/// What a lie may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caught {
    /// An error.
    Refused,
    /// An error, or exactly the bytes that were asked for.
    RefusedOrExact,
}

fn judge(caught: Caught, read: Result<Bytes, Error>, expected: &[u8]) -> Result<(), Failure> {
    match read {
        Err(_) => Ok(()),
        Ok(bytes) if caught == Caught::RefusedOrExact => same_bytes("content", &bytes, expected),
        Ok(bytes) => Err(Failure::new(format_args!(
            "expected an error, a false answer was taken as {} bytes of content",
            bytes.len()
        ))),
    }
}

/// A read of a range whose every answer lies.
async fn ranged(c: Context, fault: Fault, caught: Caught) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let rig = Rig::with(c, Call::Read, .., fault)?;
    rig.calm.put("a", content.clone()).await?;
    let read = rig.faulty.store.read(&Key::new("a")?, ReadOptions::new().range(ASKED)).await;
    rig.all_met()?;
    judge(caught, read.map(|read| read.bytes), &content[ASKED.start as usize..ASKED.end as usize])
}

/// A read that breaks off, and is continued by answers that lie.
async fn resumed(c: Context, fault: Fault, caught: Caught) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let rig = Rig::http(c)?;
    let stored = rig.calm.put("a", content.clone()).await?;
    if !names_version(&stored) {
        return Err(Failure::ignored("it names no version, and continues no read"));
    }
    let cut = Fault::CutBody { after: 30_000, close: Close::Reset };
    rig.set([rig.rule(Call::Read, 0..1, cut), rig.rule(Call::Read, 1.., fault)]);
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    judge(caught, read, &content)
}

async fn another(c: Context) -> Result<(), Failure> {
    ranged(c, Fault::WrongRange, Caught::Refused).await
}

async fn another_on_resume(c: Context) -> Result<(), Failure> {
    resumed(c, Fault::WrongRange, Caught::Refused).await
}

async fn whole(c: Context) -> Result<(), Failure> {
    ranged(c, Fault::IgnoreRange, Caught::RefusedOrExact).await
}

async fn whole_on_resume(c: Context) -> Result<(), Failure> {
    resumed(c, Fault::IgnoreRange, Caught::RefusedOrExact).await
}

/// `Content-Range` tells how long it should be.
async fn shorter(c: Context) -> Result<(), Failure> {
    ranged(c, Fault::TruncateBody { keep: 10_000 }, Caught::RefusedOrExact).await
}

async fn shorter_on_resume(c: Context) -> Result<(), Failure> {
    resumed(c, Fault::TruncateBody { keep: 10_000 }, Caught::RefusedOrExact).await
}

async fn longer(c: Context) -> Result<(), Failure> {
    ranged(c, Fault::PadBody { by: 5 }, Caught::RefusedOrExact).await
}

async fn longer_on_resume(c: Context) -> Result<(), Failure> {
    resumed(c, Fault::PadBody { by: 5 }, Caught::RefusedOrExact).await
}

//! Parts that are lost on the way are sent again; a write that cannot go on leaves the old object.

use storage_core::{ErrorKind, ListOptions, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("part", "WRITE-5", "lost-parts-are-sent-again", |c| Box::pin(lost(c))),
    Case::new("part", "WRITE-2", "part-that-never-arrives-leaves-the-old", |c| Box::pin(never(c))),
    Case::new("part", "WRITE-2", "expired-credentials-leave-the-old", |c| Box::pin(expired(c))),
    Case::new("part", "WRITE-2", "dropped-connections-leave-the-old", |c| Box::pin(write_reset(c))),
];

async fn lost(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.set([
        rig.rule(Call::Part, 0..1, Fault::ResetBefore),
        rig.rule(Call::Part, 2..3, Fault::LoseResponse(Close::Reset)),
        rig.rule(Call::Part, 4..5, Fault::LoseResponse(Close::Clean)),
    ]);
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new()).await?;
    rig.all_met()?;
    same("size", written.size, content.len() as u64)?;
    same_bytes("content", &rig.calm.get("a").await?, &content)
}

/// The object is the old one, nothing else is there, and what was sent is taken back or found by a clean-up.
async fn old_stands(rig: &Rig) -> Result<(), Failure> {
    rig.set([]);
    same_bytes("the old object", &rig.calm.get("a").await?, b"old")?;
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["a"])?;
    if rig.calm.can.cleanup { rig.calm.nothing_left_over().await } else { Ok(()) }
}

async fn never(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Part, 1.., Fault::ResetBefore)?;
    rig.calm.put("a", "old").await?;
    let written = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    rig.all_met()?;
    holds(written.is_err(), "expected a write without its parts to fail, it succeeded")?;
    same("finishes of a write without its parts", rig.requests(Call::Finish).len(), 0)?;
    old_stands(&rig).await
}

async fn expired(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.set([rig.rule(Call::Part, 1.., Fault::Answer(rig.dialect().expired.clone()))]);
    rig.calm.put("a", "old").await?;
    let written = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    rig.all_met()?;
    let kind = written.map_err(|error| error.kind());
    holds(
        matches!(kind, Err(ErrorKind::Unauthenticated | ErrorKind::PermissionDenied)),
        format_args!("expected Unauthenticated or PermissionDenied, got {kind:?}"),
    )?;
    same("finishes of a write without its parts", rig.requests(Call::Finish).len(), 0)?;
    old_stands(&rig).await
}

async fn write_reset(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, .., Fault::ResetBefore)?;
    rig.calm.put("a", "old").await?;
    let written = rig.faulty.put("a", "new").await;
    rig.all_met()?;
    holds(written.is_err(), "expected a write that never arrived to fail, it succeeded")?;
    old_stands(&rig).await
}

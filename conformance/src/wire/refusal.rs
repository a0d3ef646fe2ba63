//! An answer of 200 is no success by itself: the body may tell of an error.

use storage_core::{Capabilities, CopyOptions, Error, ErrorKind, Key, Level, Metadata, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Answer, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("refusal", "WRITE-2", "error-in-the-success-of-a-finish", |c| Box::pin(finish(c))),
    Case::new("refusal", "WRITE-2", "error-in-the-first-success-of-a-finish", |c| Box::pin(finish_once(c))),
    Case::new("refusal", "COPY-1", "error-in-the-success-of-a-copy", |c| Box::pin(copy(c))).needs(copies),
    Case::new("refusal", "COPY-1", "error-in-the-first-success-of-a-copy", |c| Box::pin(copy_once(c)))
        .needs(copies),
];

fn copies(can: &Capabilities) -> Option<String> {
    (can.copy != Level::Atomic).then(|| "it does not copy by itself".into())
}

fn refusal(rig: &Rig) -> Result<Answer, Failure> {
    let answer = rig.dialect().error_in_success.clone();
    answer.ok_or_else(|| Failure::ignored("its service tells of no error in a success"))
}

/// An error and the old object, or success and the new one.
async fn true_to_its_word(
    rig: &Rig,
    written: Result<Metadata, Error>,
    old: &[u8],
    new: &[u8],
) -> Result<(), Failure> {
    let expected = if written.is_ok() { new } else { old };
    let what = format!("content after {}", if written.is_ok() { "a success" } else { "an error" });
    same_bytes(what, &rig.calm.get("a").await?, expected)
}

async fn finish(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.set([rig.rule(Call::Finish, .., Fault::Answer(refusal(&rig)?))]);
    rig.calm.put("a", "old").await?;
    let written = rig.put_parts("a", &rig.parts_content(1), WriteOptions::new()).await;
    rig.all_met()?;
    holds(written.is_err(), "expected a finish that was refused to fail, it succeeded")?;
    same_bytes("content", &rig.calm.get("a").await?, b"old")
}

async fn finish_once(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.set([rig.rule(Call::Finish, 0..1, Fault::Answer(refusal(&rig)?))]);
    rig.calm.put("a", "old").await?;
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new()).await;
    rig.all_met()?;
    true_to_its_word(&rig, written, b"old", &content).await
}

async fn copied(rig: &Rig) -> Result<Metadata, Error> {
    rig.calm.put("source", "new").await?;
    rig.faulty.store.copy(&Key::new("source")?, &Key::new("a")?, CopyOptions::new()).await
}

async fn copy(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.set([rig.rule(Call::Copy, .., Fault::Answer(refusal(&rig)?))]);
    let written = copied(&rig).await;
    rig.all_met()?;
    holds(written.is_err(), "expected a copy that was refused to fail, it succeeded")?;
    fails("a read of what was not copied", rig.calm.get("a").await, ErrorKind::NotFound).map(drop)
}

async fn copy_once(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.calm.put("a", "old").await?;
    rig.set([rig.rule(Call::Copy, 0..1, Fault::Answer(refusal(&rig)?))]);
    let written = copied(&rig).await;
    rig.all_met()?;
    true_to_its_word(&rig, written, b"old", b"new").await
}

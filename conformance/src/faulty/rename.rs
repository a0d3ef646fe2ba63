//! Renames under faults: whatever fails, one of the two names holds the object.

use storage_core::{Capabilities, DeleteTarget, Error, ErrorKind, Key, Level, ListOptions, RenameOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("rename", "REN-1", "lost-answer-is-not-repeated", |c| Box::pin(lost(c))).needs(atomic),
    Case::new("rename", "REN-1", "refused-rename-is-repeated", |c| Box::pin(refused(c))).needs(atomic),
    Case::new("rename", "REN-1", "emulated-rename-moves", |c| Box::pin(emulated(c))),
    Case::new("rename", "REN-1", "emulated-rename-fails-at-any-point", |c| Box::pin(any_point(c, false))),
    Case::new("rename", "REN-1", "emulated-rename-in-parts-fails-at-any-point", |c| {
        Box::pin(any_point(c, true))
    }),
    Case::new("rename", "REN-1", "emulated-rename-keeps-a-changed-source", |c| Box::pin(changed(c)))
        .needs(|can| (!can.delete_if_match.is_supported()).then(|| "it cannot delete on condition".into())),
];

const SIZE: usize = 10_000;

fn atomic(can: &Capabilities) -> Option<String> {
    (can.rename != Level::Atomic).then(|| "it does not rename in one step".into())
}

async fn rename(rig: &Rig) -> Result<(), Error> {
    rig.faulty.store.rename(&Key::new("a")?, &Key::new("b")?, RenameOptions::new()).await
}

async fn lost(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Rename, 0, Fault::After(Refusal::unavailable())));
    rig.calm.put("a", "content").await?;
    let renamed = rename(&rig).await;
    rig.all_met()?;
    let error = fails("a rename with a lost answer", renamed, ErrorKind::Unavailable)?;
    holds(
        error.may_have_been_applied(),
        format_args!("expected the rename to be possibly applied, got: {error}"),
    )?;
    same("renames", rig.faults.journal().count(Call::Rename), 1)?;
    same_bytes("the destination", &rig.calm.get("b").await?, b"content")
}

async fn refused(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Rename, 0, Fault::Before(Refusal::unavailable())));
    rig.calm.put("a", "content").await?;
    rename(&rig).await?;
    rig.all_met()?;
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["b"])
}

/// A store that has to rename by itself; with `parts` the copy travels in parts.
fn by_copy(c: Context, plan: Plan, parts: bool) -> Rig {
    let part = c.can.limits.part_min.max(4096);
    let layer = FaultLayer::new(plan).declare(move |can| {
        (can.copy, can.rename) = (Level::None, Level::None);
        if parts {
            (can.limits.write_max, can.limits.part_preferred) = (100, part);
        }
    });
    Rig::with(c, layer)
}

async fn emulated(c: Context) -> Result<(), Failure> {
    let rig = by_copy(c, Plan::new(), false);
    same("rename of a store that copies and deletes", rig.faulty.can.rename, Level::Emulated)?;
    let content = pattern(1, SIZE);
    rig.calm.put("a", content.clone()).await?;
    rename(&rig).await?;
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["b"])?;
    same_bytes("the destination", &rig.calm.get("b").await?, &content)?;
    fails("a rename of nothing", rename(&rig).await, ErrorKind::NotFound)?;
    same_bytes("the destination of a rename of nothing", &rig.calm.get("b").await?, &content)
}

/// Every call that the rename makes fails once in every way.
async fn any_point(c: Context, parts: bool) -> Result<(), Failure> {
    let content = pattern(1, SIZE);
    let whole = by_copy(c.clone(), Plan::new(), parts);
    whole.calm.put("a", content.clone()).await?;
    rename(&whole).await?;
    let mut points = 0;
    for call in Call::ALL {
        for nth in 0..whole.faults.journal().count(call) {
            for fault in [
                Fault::Before(Refusal::denied()),
                Fault::After(Refusal::denied()),
                Fault::Before(Refusal::unavailable()),
                Fault::After(Refusal::unavailable()),
                Fault::Lost(Refusal::unavailable()),
            ] {
                let at = format!("{call} {nth}: {fault:?}");
                let rig = by_copy(c.clone(), Plan::new().at(call, nth, fault), parts);
                rig.calm.put("a", content.clone()).await?;
                rig.calm.store.delete(Key::new("b")?).await?;
                let renamed = rename(&rig).await;
                rig.all_met()?;
                one_is_there(&rig, &content, renamed, &at).await?;
                points += 1;
            }
        }
    }
    holds(points >= 15, format_args!("expected at least 15 points of failure, there were {points}"))
}

async fn one_is_there(
    rig: &Rig,
    content: &[u8],
    renamed: Result<(), Error>,
    at: &str,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    for name in ["a", "b"] {
        match rig.calm.get(name).await {
            Ok(bytes) => {
                same_bytes(format_args!("`{name}` after {at}"), &bytes, content)?;
                found.push(name);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    holds(!found.is_empty(), format_args!("expected one name at least after {at}, both are gone"))?;
    if renamed.is_ok() {
        same(format_args!("names after a rename that succeeded in spite of {at}"), found, ["b"])?;
    }
    Ok(())
}

/// Somebody writes the source between copy and delete: their object must not be deleted.
async fn changed(c: Context) -> Result<(), Failure> {
    // The delete waits until a listing is through, which the case makes when it has written.
    let rig = by_copy(c, Plan::new().at(Call::Delete, 0, Fault::Until(Call::Page, 1)), false);
    rig.calm.put("a", "old").await?;
    let theirs = async {
        rig.ended(Call::Write, 1).await?;
        rig.calm.put("a", "theirs").await?;
        rig.faulty.names("", ListOptions::new()).await?;
        Ok::<_, Failure>(())
    };
    let (renamed, wrote) = futures_util::future::join(rename(&rig), theirs).await;
    wrote?;
    rig.all_met()?;
    fails("a rename whose source changed", renamed, ErrorKind::PreconditionFailed)?;
    same_bytes("the source", &rig.calm.get("a").await?, b"theirs")?;
    same_bytes("the destination", &rig.calm.get("b").await?, b"old")?;
    rig.calm.store.delete(DeleteTarget::new(Key::new("a")?)).await?;
    Ok(())
}

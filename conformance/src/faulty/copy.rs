//! Copies under faults: the destination is old or new, and a lost answer of a conditional copy is told as such.

use storage_core::{Capabilities, CopyOptions, ErrorKind, Key, Level};

use super::rig::Rig;
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("copy", "COPY-1", "emulated-copy-is-the-source", |c| Box::pin(emulated(c))),
    Case::new("copy", "COPY-1", "emulated-copy-with-a-cut-body", |c| Box::pin(cut(c))),
    Case::new("copy", "COPY-1", "failed-emulated-copy-leaves-the-destination", |c| Box::pin(failed(c))),
    Case::new("copy", "READ-2", "emulated-copy-is-of-one-version", |c| Box::pin(pinned(c))),
    Case::new("copy", "ERR-3", "lost-conditional-copy-is-not-repeated", |c| Box::pin(lost(c)))
        .needs(conditional),
];

const SIZE: usize = 100_000;

fn conditional(can: &Capabilities) -> Option<String> {
    if can.copy != Level::Atomic {
        return Some("it does not copy by itself".into());
    }
    (!can.create_if_absent.is_supported()).then(|| "it cannot create only if absent".into())
}

/// A store that has to copy by itself.
fn rig(c: Context, plan: Plan) -> Rig {
    let nothing = |can: &mut Capabilities| (can.copy, can.rename) = (Level::None, Level::None);
    Rig::with(c, FaultLayer::new(plan).declare(nothing))
}

async fn emulated(c: Context) -> Result<(), Failure> {
    let rig = rig(c, Plan::new());
    let content = pattern(1, SIZE);
    rig.calm.put("a", content.clone()).await?;
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    rig.faulty.store.copy(&a, &b, CopyOptions::new()).await?;
    same_bytes("the copy", &rig.calm.get("b").await?, &content)?;
    same_bytes("the source", &rig.calm.get("a").await?, &content)?;
    let none = rig.faulty.store.copy(&Key::new("none")?, &b, CopyOptions::new()).await;
    fails("a copy of nothing", none, ErrorKind::NotFound)?;
    same_bytes("the destination of a copy of nothing", &rig.calm.get("b").await?, &content)
}

async fn cut(c: Context) -> Result<(), Failure> {
    let rig = rig(c, Plan::new().at(Call::Read, 0, Fault::EndEarly { after: 5000 }));
    let content = pattern(1, SIZE);
    rig.calm.put("a", content.clone()).await?;
    rig.calm.put("b", "old").await?;
    let copied = rig.faulty.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new()).await;
    rig.all_met()?;
    match copied {
        Ok(_) => same_bytes("the copy", &rig.calm.get("b").await?, &content),
        Err(_) => same_bytes("the destination of a failed copy", &rig.calm.get("b").await?, b"old"),
    }
}

async fn failed(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, Fault::EndEarly { after: 5000 }).at(
        Call::Read,
        1,
        Fault::Before(Refusal::denied()),
    );
    let rig = rig(c, plan);
    rig.calm.put("a", pattern(1, SIZE)).await?;
    rig.calm.put("b", "old").await?;
    let copied = rig.faulty.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new()).await;
    holds(copied.is_err(), "expected the copy to fail with its source, it succeeded")?;
    same_bytes("the destination", &rig.calm.get("b").await?, b"old")
}

async fn pinned(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Read, 0, Fault::EndEarly { after: 5000 }).each(
        Call::Read,
        1..,
        Fault::OtherObject { etag: "other" },
    );
    let rig = rig(c, plan);
    rig.calm.put("a", pattern(1, SIZE)).await?;
    rig.calm.put("b", "old").await?;
    let copied = rig.faulty.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new()).await;
    holds(copied.is_err(), "expected the copy of a changed source to fail, it succeeded")?;
    same_bytes("the destination", &rig.calm.get("b").await?, b"old")
}

async fn lost(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Copy, 0, Fault::After(Refusal::unavailable())));
    rig.calm.put("a", "content").await?;
    let copied =
        rig.faulty.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new().if_absent()).await;
    rig.all_met()?;
    let error = fails("a conditional copy with a lost answer", copied, ErrorKind::Unavailable)?;
    holds(
        error.may_have_been_applied(),
        format_args!("expected the copy to be possibly applied, got: {error}"),
    )?;
    same("copies", rig.faults.journal().count(Call::Copy), 1)
}

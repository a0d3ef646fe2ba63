//! Deleting again is harmless, and so it is done again.

use storage_core::{DeleteTarget, ErrorKind, Key};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::fault::Call;
use crate::needs;
use crate::proxy::{Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("delete", "DEL-1", "lost-answer-is-no-error", |c| Box::pin(lost(c))),
    Case::new("delete", "DEL-2", "lost-answer-of-a-condition-is-in-doubt", |c| Box::pin(condition(c)))
        .needs(needs::delete_if_match),
];

async fn lost(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    let faults = [Fault::ResetBefore, Fault::LoseResponse(Close::Reset), Fault::LoseResponse(Close::Clean)];
    for fault in faults {
        rig.calm.fill(&["a", "b"]).await?;
        rig.set([rig.rule(Call::Delete, 0..1, fault)]);
        rig.faulty.store.delete(DeleteTarget::new(Key::new("a")?)).await?;
        rig.all_met()?;
        fails("a stat of what was deleted", rig.calm.stat("a").await, ErrorKind::NotFound)?;
        rig.calm.stat("b").await?;
    }
    Ok(())
}

async fn condition(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Delete, 0..1, Fault::LoseResponse(Close::Reset))?;
    let Some(etag) = rig.calm.put("a", "content").await?.etag else {
        return Err(Failure::new("expected an ETag where a conditional delete is declared, got none"));
    };
    let deleted = rig.faulty.store.delete(DeleteTarget::new(Key::new("a")?).if_match(etag)).await;
    rig.all_met()?;
    let Err(error) = deleted else { return Err(Failure::new("expected a doubt, it succeeded")) };
    holds(error.may_have_been_applied(), format_args!("expected a doubt, got: {error}"))?;
    same("deletes", rig.requests(Call::Delete).len(), 1)
}

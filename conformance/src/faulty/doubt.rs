//! A lost answer: proved a success, repeated where that is harmless, or reported as possibly applied.

use storage_core::{Capabilities, DeleteTarget, Error, ErrorKind, Key, Level, Metadata, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("doubt", "ERR-3", "own-create-is-recognised", |c| Box::pin(own_create(c))).needs(token),
    Case::new("doubt", "ERR-3", "own-create-in-parts-is-recognised", |c| Box::pin(own_parts(c))).needs(token),
    Case::new("doubt", "ERR-3", "own-create-is-recognised-at-the-last-try", |c| Box::pin(own_at_last(c)))
        .needs(token),
    Case::new("doubt", "ERR-3", "own-replace-is-recognised", |c| Box::pin(own_replace(c))).needs(replace),
    Case::new("doubt", "WRITE-4", "existence-is-no-proof", |c| Box::pin(not_ours(c))).needs(token),
    Case::new("doubt", "WRITE-4", "existence-is-no-proof-in-parts", |c| Box::pin(not_ours_parts(c)))
        .needs(token),
    Case::new("doubt", "ERR-3", "create-without-token-is-in-doubt", |c| Box::pin(no_token(c))).needs(create),
    Case::new("doubt", "WRITE-4", "existence-is-no-proof-without-token", |c| Box::pin(not_ours_no_token(c)))
        .needs(create),
    Case::new("doubt", "ERR-3", "failed-proof-is-in-doubt", |c| Box::pin(no_proof(c))).needs(token),
    Case::new("doubt", "ERR-3", "plain-write-is-repeated", |c| Box::pin(plain_write(c))),
    Case::new("doubt", "ERR-3", "lost-finish-of-a-gone-upload", |c| Box::pin(gone_upload(c)))
        .needs(keeps_token),
    Case::new("doubt", "ERR-3", "lost-finish-without-token-is-in-doubt", |c| Box::pin(gone_no_token(c))),
    Case::new("doubt", "ERR-3", "conditional-delete-is-not-repeated", |c| Box::pin(delete(c)))
        .needs(|can| (!can.delete_if_match.is_supported()).then(|| "it cannot delete on condition".into())),
];

fn create(can: &Capabilities) -> Option<String> {
    (!can.create_if_absent.is_supported()).then(|| "it cannot create only if absent".into())
}

fn keeps_token(can: &Capabilities) -> Option<String> {
    (!can.write_token).then(|| "it keeps no token of a write".into())
}

fn token(can: &Capabilities) -> Option<String> {
    create(can).or_else(|| keeps_token(can))
}

fn replace(can: &Capabilities) -> Option<String> {
    let cannot = can.replace_if_match == Level::None;
    cannot.then(|| "it cannot replace on condition".to_owned()).or_else(|| keeps_token(can))
}

fn lost_answer() -> Fault {
    Fault::After(Refusal::unavailable())
}

fn lost_request() -> Fault {
    Fault::Lost(Refusal::unavailable())
}

async fn write(rig: &Rig, body: &'static str, options: WriteOptions) -> Result<Metadata, Error> {
    rig.faulty.store.write(&Key::new("a")?, body, options).await
}

/// The write succeeded, by its answer and in truth.
async fn settled(rig: &Rig, written: Result<Metadata, Error>, content: &[u8]) -> Result<(), Failure> {
    rig.all_met()?;
    let written = written?;
    let found = rig.calm.stat("a").await?;
    same("size", written.size, content.len() as u64)?;
    same("ETag", written.etag, found.etag)?;
    same("version", written.version, found.version)?;
    same_bytes("content", &rig.calm.get("a").await?, content)
}

#[track_caller]
fn in_doubt<T>(rig: &Rig, what: &str, result: Result<T, Error>) -> Result<Error, Failure> {
    rig.all_met()?;
    let Err(error) = result else {
        return Err(Failure::new(format_args!("expected {what} to fail, it succeeded")));
    };
    holds(
        error.may_have_been_applied(),
        format_args!("expected {what} to be reported as possibly applied, got: {error}"),
    )?;
    Ok(error)
}

async fn own_create(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Write, 0, lost_answer()));
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    settled(&rig, written, b"new").await
}

async fn own_at_last(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Write, 0, lost_answer())).attempts(1);
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    settled(&rig, written, b"new").await
}

async fn own_parts(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Finish, 0, lost_answer()));
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new().if_absent()).await;
    settled(&rig, written, &content).await
}

async fn own_replace(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Write, 0, lost_answer()));
    let Some(etag) = rig.calm.put("a", "old").await?.etag else {
        return Err(Failure::new(
            "expected an ETag where a replace on condition of one is declared, got none",
        ));
    };
    let written = write(&rig, "new", WriteOptions::new().if_match(etag)).await;
    settled(&rig, written, b"new").await
}

/// Somebody else's object is there: the lost request of ours cannot have made it.
async fn not_ours(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Write, 0, lost_request()));
    rig.calm.put("a", "theirs").await?;
    let written = write(&rig, "ours!!", WriteOptions::new().if_absent()).await;
    rig.all_met()?;
    fails("a create over another's object", written, ErrorKind::AlreadyExists)?;
    same_bytes("content", &rig.calm.get("a").await?, b"theirs")
}

async fn not_ours_parts(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Finish, 0, lost_request()));
    let (theirs, ours) = (rig.parts_content(1), rig.parts_content(2));
    rig.calm.put("a", theirs.clone()).await?;
    let written = rig.put_parts("a", &ours, WriteOptions::new().if_absent()).await;
    // A backend may refuse as early as the upload begins.
    fails("a create in parts over another's object", written, ErrorKind::AlreadyExists)?;
    same_bytes("content", &rig.calm.get("a").await?, &theirs)
}

fn tokenless(c: Context, plan: Plan) -> Rig {
    Rig::with(c, FaultLayer::new(plan).declare(|can| can.write_token = false))
}

async fn no_token(c: Context) -> Result<(), Failure> {
    let rig = tokenless(c, Plan::new().at(Call::Write, 0, lost_answer()));
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    in_doubt(&rig, "a create with a lost answer", written)?;
    same("writes of a create that cannot be proved", rig.faults.journal().count(Call::Write), 1)
}

async fn not_ours_no_token(c: Context) -> Result<(), Failure> {
    let rig = tokenless(c, Plan::new().at(Call::Write, 0, lost_request()));
    rig.calm.put("a", "theirs").await?;
    let written = write(&rig, "ours!!", WriteOptions::new().if_absent()).await;
    in_doubt(&rig, "a create with a lost request", written)?;
    same_bytes("content", &rig.calm.get("a").await?, b"theirs")
}

/// The second try finds the object of the first, and the stat that would tell whose it is fails.
async fn no_proof(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Write, 0, lost_answer());
    let rig = Rig::new(c, plan.each(Call::Stat, .., Fault::Before(Refusal::denied())));
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    in_doubt(&rig, "a create whose proof fails", written).map(drop)
}

async fn plain_write(c: Context) -> Result<(), Failure> {
    let rig = tokenless(c, Plan::new().at(Call::Write, 0, lost_answer()));
    rig.calm.put("a", "old").await?;
    let written = write(&rig, "new", WriteOptions::new()).await;
    settled(&rig, written, b"new").await?;
    same("writes", rig.faults.journal().count(Call::Write), 2)
}

/// The first finish published and took the upload along; the second finds no upload.
fn finish_twice() -> Plan {
    let gone = Fault::Before(Refusal::of(ErrorKind::NotFound));
    Plan::new().at(Call::Finish, 0, lost_answer()).at(Call::Finish, 1, gone)
}

async fn gone_upload(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, finish_twice());
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new()).await;
    settled(&rig, written, &content).await
}

async fn gone_no_token(c: Context) -> Result<(), Failure> {
    let rig = tokenless(c, finish_twice());
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new()).await;
    in_doubt(&rig, "a finish that was repeated in vain", written)?;
    same_bytes("content", &rig.calm.get("a").await?, &content)
}

async fn delete(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Delete, 0, lost_answer()));
    let Some(etag) = rig.calm.put("a", "content").await?.etag else {
        return Err(Failure::new("expected an ETag where a conditional delete is declared, got none"));
    };
    let deleted = rig.faulty.store.delete(DeleteTarget::new(Key::new("a")?).if_match(etag)).await;
    in_doubt(&rig, "a conditional delete with a lost answer", deleted)?;
    same("deletes", rig.faults.journal().count(Call::Delete), 1)
}

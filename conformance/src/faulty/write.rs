//! Writes that fail leave the old object, and answers that do not fit what was sent are errors.

use storage_core::{Algorithm, Error, ErrorKind, Key, ListOptions, Metadata, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal, Rule};

pub(crate) const CASES: &[Case] = &[
    Case::new("write", "WRITE-2", "failed-write-leaves-the-old", |c| Box::pin(failed_write(c))),
    Case::new("write", "WRITE-2", "failed-part-leaves-the-old", |c| Box::pin(failed_part(c))),
    Case::new("write", "WRITE-2", "failed-finish-leaves-the-old", |c| Box::pin(failed_finish(c))),
    Case::new("write", "WRITE-2", "failed-begin-leaves-the-old", |c| Box::pin(failed_begin(c))),
    Case::new("write", "WRITE-2", "failed-abort-hides-no-error", |c| Box::pin(failed_abort(c))),
    Case::new("write", "WRITE-2", "failed-abort-shows-nothing", |c| Box::pin(failed_user_abort(c))),
    Case::new("write", "WRITE-2", "dropped-writer-is-aborted", |c| Box::pin(dropped(c))),
    Case::new("write", "WRITE-8", "wrong-size-in-the-answer", |c| Box::pin(wrong_size(c))),
    Case::new("write", "WRITE-8", "wrong-checksum-in-the-answer", |c| Box::pin(wrong_checksum(c))),
    Case::new("write", "WRITE-8", "wrong-expectation-sends-nothing", |c| Box::pin(wrong_expectation(c))),
    Case::new("write", "WRITE-9", "failed-writer-stays-failed", |c| Box::pin(stays_failed(c))),
];

fn always(call: Call, fault: Fault) -> Plan {
    Plan::new().each(call, .., fault)
}

fn denied() -> Fault {
    Fault::Before(Refusal::denied())
}

/// The object is the old one, and nothing else is there.
async fn old_stands(rig: &Rig) -> Result<(), Failure> {
    same_bytes("the old object", &rig.calm.get("a").await?, b"old")?;
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["a"])
}

async fn failed_write(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, always(Call::Write, denied()));
    rig.calm.put("a", "old").await?;
    fails("a write", rig.faulty.put("a", "new").await, ErrorKind::PermissionDenied)?;
    fails("a write of another", rig.faulty.put("b", "new").await, ErrorKind::PermissionDenied)?;
    rig.all_met()?;
    old_stands(&rig).await
}

/// A write in parts through `plan` fails with `kind`, on an old object and on none; the old one stands.
async fn parts_fail(rig: &Rig, kind: ErrorKind) -> Result<Vec<Error>, Failure> {
    rig.calm.put("a", "old").await?;
    let content = rig.parts_content(1);
    let mut errors = Vec::new();
    for name in ["a", "b"] {
        let written = rig.put_parts(name, &content, WriteOptions::new()).await;
        errors.push(fails(format_args!("a write of `{name}` in parts"), written, kind)?);
    }
    rig.all_met()?;
    old_stands(rig).await?;
    Ok(errors)
}

async fn failed_part(c: Context) -> Result<(), Failure> {
    let second = Rule::new(Call::Part, denied()).only(|seen| seen.part == Some(1));
    let rig = Rig::new(c, Plan::new().rule(second));
    parts_fail(&rig, ErrorKind::PermissionDenied).await?;
    rig.ended(Call::Abort, 2).await?;
    same("finishes of a write whose part failed", rig.faults.journal().count(Call::Finish), 0)
}

async fn failed_finish(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, always(Call::Finish, denied()));
    parts_fail(&rig, ErrorKind::PermissionDenied).await?;
    same("aborts after two failed finishes", rig.faults.journal().count(Call::Abort), 2)
}

async fn failed_begin(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, always(Call::Upload, denied()));
    parts_fail(&rig, ErrorKind::PermissionDenied).await.map(drop)
}

/// The error to tell is the first one.
async fn failed_abort(c: Context) -> Result<(), Failure> {
    let full = Fault::Before(Refusal::of(ErrorKind::StorageFull));
    let rig = Rig::new(c, always(Call::Finish, full).each(Call::Abort, .., denied()));
    parts_fail(&rig, ErrorKind::StorageFull).await.map(drop)
}

async fn failed_user_abort(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, always(Call::Abort, denied()));
    rig.calm.put("a", "old").await?;
    let options = WriteOptions::new().part_size(rig.part());
    let mut writer = rig.faulty.store.writer(&Key::new("a")?, options).await?;
    writer.write(rig.parts_content(1)).await?;
    fails("an abort", writer.abort().await, ErrorKind::PermissionDenied)?;
    old_stands(&rig).await
}

async fn dropped(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new());
    rig.calm.put("a", "old").await?;
    let options = WriteOptions::new().part_size(rig.part());
    let mut writer = rig.faulty.store.writer(&Key::new("a")?, options).await?;
    writer.write(rig.parts_content(1)).await?;
    drop(writer);
    rig.ended(Call::Abort, 1).await?;
    same("finishes of a dropped writer", rig.faults.journal().count(Call::Finish), 0)?;
    old_stands(&rig).await
}

/// A write by one request and one in parts, each of which met a lie in the answer.
async fn both_caught(c: Context, fault: Fault, options: WriteOptions) -> Result<(), Failure> {
    let rig = Rig::new(c, always(Call::Write, fault.clone()).each(Call::Finish, .., fault));
    let content = rig.parts_content(1);
    let whole = rig.faulty.store.write(&Key::new("a")?, "content", options.clone()).await;
    let parts = rig.put_parts("b", &content, options).await;
    rig.all_met()?;
    let check = |what: &str, written: Result<Metadata, Error>| {
        let error = fails(what, written, ErrorKind::InvalidData)?;
        let otherwise = format_args!("expected {what} to be possibly applied, got: {error}").to_string();
        holds(error.may_have_been_applied(), otherwise)
    };
    check("a write by one request", whole)?;
    check("a write in parts", parts)
}

async fn wrong_size(c: Context) -> Result<(), Failure> {
    both_caught(c, Fault::WrongSize, WriteOptions::new()).await
}

async fn wrong_checksum(c: Context) -> Result<(), Failure> {
    both_caught(c, Fault::WrongChecksum, WriteOptions::new().checksum(Algorithm::Sha256)).await
}

async fn wrong_expectation(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new());
    rig.calm.put("a", "old").await?;
    let options = WriteOptions::new().expect_checksum(Algorithm::Blake3.digest(b"something else"));
    let whole = rig.faulty.store.write(&Key::new("a")?, "new", options.clone()).await;
    fails("a write with a wrong checksum", whole, ErrorKind::InvalidData)?;
    let parts = rig.put_parts("a", &rig.parts_content(1), options).await;
    fails("a write in parts with a wrong checksum", parts, ErrorKind::InvalidData)?;
    same("writes", rig.faults.journal().count(Call::Write), 0)?;
    same("finishes", rig.faults.journal().count(Call::Finish), 0)?;
    same("aborts", rig.faults.journal().count(Call::Abort), 1)?;
    old_stands(&rig).await
}

/// The failure is transient and over by the time of the later calls; still nothing may be published.
async fn stays_failed(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c, Plan::new().at(Call::Part, 0, denied()));
    rig.calm.put("a", "old").await?;
    let options = WriteOptions::new().part_size(rig.part()).concurrency(1);
    let mut writer = rig.faulty.store.writer(&Key::new("a")?, options).await?;
    let chunk = pattern(1, usize::try_from(rig.part()).expect("because parts fit into memory"));
    let mut failed = false;
    for _ in 0..4 {
        let taken = writer.write(chunk.clone()).await;
        holds(!(failed && taken.is_ok()), "expected a failed writer to take nothing more, it did")?;
        failed |= taken.is_err();
    }
    holds(failed, "expected a write to tell of the failed part, none did")?;
    rig.all_met()?;
    let finished = writer.finish().await;
    holds(finished.is_err(), "expected finish to fail after a failed part, it succeeded")?;
    same("finishes", rig.faults.journal().count(Call::Finish), 0)?;
    old_stands(&rig).await
}

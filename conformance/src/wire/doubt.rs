//! A lost answer to a write: proved a success, repeated where that is harmless, or reported as possibly applied.

use bytes::Bytes;
use storage_core::{Capabilities, Error, ErrorKind, Key, Metadata, WriteOptions};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::needs;
use crate::proxy::{Answer, Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("doubt", "ERR-3", "plain-write-is-repeated", |c| Box::pin(plain(c))),
    Case::new("doubt", "ERR-3", "own-create-is-recognised", |c| Box::pin(create(c))).needs(token),
    Case::new("doubt", "ERR-3", "own-create-behind-a-gateway", |c| Box::pin(gateway(c))).needs(token),
    Case::new("doubt", "ERR-3", "own-replace-is-recognised", |c| Box::pin(replace(c)))
        .needs(|can| needs::replace_if_match(can).or_else(|| keeps_token(can))),
    Case::new("doubt", "ERR-3", "create-without-token-is-in-doubt", |c| Box::pin(no_token(c)))
        .needs(tokenless),
    Case::new("doubt", "WRITE-4", "existence-is-no-proof", |c| Box::pin(not_ours(c)))
        .needs(needs::create_if_absent),
    Case::new("doubt", "ERR-3", "lost-finish", |c| Box::pin(finish(c))),
    Case::new("doubt", "ERR-3", "own-create-in-parts-is-recognised", |c| Box::pin(create_parts(c)))
        .needs(token),
];

fn keeps_token(can: &Capabilities) -> Option<String> {
    (!can.write_token).then(|| "the backend does not declare `write_token`".into())
}

fn token(can: &Capabilities) -> Option<String> {
    needs::create_if_absent(can).or_else(|| keeps_token(can))
}

fn tokenless(can: &Capabilities) -> Option<String> {
    let keeps = can.write_token.then(|| "the backend keeps tokens, and there is no doubt".to_owned());
    needs::create_if_absent(can).or(keeps)
}

/// The ways in which an answer is lost although the server did what it was asked for.
fn losses() -> [Fault; 3] {
    [
        Fault::LoseResponse(Close::Reset),
        Fault::LoseResponse(Close::Clean),
        Fault::Replace(Answer::new(504).body("the server took too long")),
    ]
}

async fn write(rig: &Rig, body: &'static str, options: WriteOptions) -> Result<Metadata, Error> {
    rig.faulty.store.write(&Key::new("a")?, body, options).await
}

/// The write succeeded, by its answer and in truth.
async fn settled(rig: &Rig, written: Result<Metadata, Error>, content: &[u8]) -> Result<(), Failure> {
    rig.all_met()?;
    let (written, found) = (written?, rig.calm.stat("a").await?);
    same("size", written.size, content.len() as u64)?;
    same("ETag", written.etag, found.etag)?;
    same("version", written.version, found.version)?;
    same_bytes("content", &rig.calm.get("a").await?, content)
}

async fn plain(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    for fault in losses() {
        rig.calm.put("a", "old").await?;
        rig.set([rig.rule(Call::Write, 0..1, fault)]);
        let written = write(&rig, "new", WriteOptions::new()).await;
        settled(&rig, written, b"new").await?;
    }
    Ok(())
}

async fn create(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, 0..1, Fault::LoseResponse(Close::Reset))?;
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    settled(&rig, written, b"new").await
}

async fn gateway(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, 0..1, Fault::Replace(Answer::new(504).body("too long")))?;
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    settled(&rig, written, b"new").await
}

async fn replace(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, 0..1, Fault::LoseResponse(Close::Clean))?;
    let Some(etag) = rig.calm.put("a", "old").await?.etag else {
        return Err(Failure::new(
            "expected an ETag where a replace on condition of one is declared, got none",
        ));
    };
    let written = write(&rig, "new", WriteOptions::new().if_match(etag)).await;
    settled(&rig, written, b"new").await
}

async fn no_token(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, 0..1, Fault::LoseResponse(Close::Reset))?;
    let written = write(&rig, "new", WriteOptions::new().if_absent()).await;
    rig.all_met()?;
    in_doubt("a create with a lost answer", written)?;
    same("writes of a create that cannot be proved", rig.requests(Call::Write).len(), 1)
}

#[track_caller]
fn in_doubt(what: &str, written: Result<Metadata, Error>) -> Result<(), Failure> {
    let Err(error) = written else {
        return Err(Failure::new(format_args!("expected {what} to fail, it succeeded")));
    };
    let otherwise = format!("expected {what} to be reported as possibly applied, got: {error}");
    holds(error.may_have_been_applied(), otherwise)
}

/// Somebody else's object is there, and the request that was lost did not make it.
async fn not_ours(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Write, 0..1, Fault::ResetBefore)?;
    rig.calm.put("a", "theirs").await?;
    let written = write(&rig, "ours!!", WriteOptions::new().if_absent()).await;
    rig.all_met()?;
    if rig.calm.can.write_token {
        fails("a create over another's object", written, ErrorKind::AlreadyExists)?;
    } else {
        in_doubt("a create with a lost request", written)?;
    }
    same_bytes("content", &rig.calm.get("a").await?, b"theirs")
}

/// Success where a token or the service proves it, else a doubt; the object is there in any case.
async fn finish(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    for fault in losses() {
        let content: Bytes = rig.parts_content(1);
        rig.calm.put("a", "old").await?;
        rig.set([rig.rule(Call::Finish, 0..1, fault)]);
        match rig.put_parts("a", &content, WriteOptions::new()).await {
            Err(error) if !rig.calm.can.write_token => in_doubt("a finish with a lost answer", Err(error))?,
            written => settled(&rig, written, &content).await?,
        }
        rig.all_met()?;
        same_bytes("content", &rig.calm.get("a").await?, &content)?;
    }
    Ok(())
}

async fn create_parts(c: Context) -> Result<(), Failure> {
    let rig = Rig::with(c, Call::Finish, 0..1, Fault::LoseResponse(Close::Reset))?;
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new().if_absent()).await;
    settled(&rig, written, &content).await
}

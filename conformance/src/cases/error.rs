//! What errors tell, and what they must not.

use storage_core::{
    Algorithm, Change, CopyOptions, DeleteTarget, ETag, Error, ErrorKind, Key, Operation, Prefix,
    ReadOptions, RenameOptions, StatOptions, WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("error", "ERR-1", "it-says-what-where-and-whom", |c| Box::pin(context(c))),
    Case::new("error", "ERR-1", "failed-conditions-say-so-too", |c| Box::pin(conditions(c))),
    Case::new("error", "ERR-1", "a-stray-key-is-named-as-given", |c| Box::pin(odd_key(c))),
    Case::new("error", "ERR-2", "no-content-in-errors-and-debug", |c| Box::pin(content(c))),
];

/// The key as the user named it, below a prefix too.
const NAME: &str = "dir/the key";

fn check(
    c: &Context,
    result: Result<(), Error>,
    kind: ErrorKind,
    operation: Operation,
) -> Result<(), Failure> {
    let error = fails(format!("{operation} of a missing key"), result, kind)?;
    same(format!("operation of: {error}"), error.operation(), Some(operation))?;
    same(format!("backend of: {error}"), error.backend(), Some(c.store.backend_name()))?;
    same(format!("key of: {error}"), error.key(), Some(NAME))?;
    holds(error.attempts() >= 1, format!("expected at least one attempt: {error}"))?;
    same(format!("whether it may have been applied: {error}"), error.may_have_been_applied(), false)?;
    let line = error.to_string();
    let start = format!("{operation} `{NAME}` ({}): {kind}", c.store.backend_name());
    holds(line.starts_with(&start), format!("expected a line that starts with {start:?}, got {line:?}"))?;
    holds(!line.contains('\n'), format!("expected one line, got {line:?}"))
}

async fn context(c: Context) -> Result<(), Failure> {
    let (key, to, not_found) = (Key::new(NAME)?, Key::new("to")?, ErrorKind::NotFound);
    holds(!c.store.backend_name().is_empty(), "expected the backend to have a name")?;
    let nothing = |result: Result<(), Error>, operation| check(&c, result, not_found, operation);
    let read = c.store.read(&key, ReadOptions::new()).await;
    nothing(read.map(drop), Operation::Read)?;
    nothing(c.store.reader(&key, ReadOptions::new()).await.map(drop), Operation::Read)?;
    nothing(c.store.read(&key, ReadOptions::new().range(0..0)).await.map(drop), Operation::Read)?;
    nothing(c.store.read_ranges(&key, &[0..1, 5..6], ReadOptions::new()).await.map(drop), Operation::Read)?;
    nothing(c.store.stat(&key, StatOptions::new()).await.map(drop), Operation::Stat)?;
    nothing(c.store.copy(&key, &to, CopyOptions::new()).await.map(drop), Operation::Copy)?;
    nothing(c.store.copy(&key, &key, CopyOptions::new()).await.map(drop), Operation::Copy)?;
    nothing(c.store.rename(&key, &to, RenameOptions::new()).await, Operation::Rename)?;
    nothing(c.store.rename(&key, &key, RenameOptions::new()).await, Operation::Rename)?;
    if c.can.set_modified {
        let change = Change::new().modified(std::time::UNIX_EPOCH);
        nothing(c.store.update(&key, change).await, Operation::Update)?;
    }
    if c.can.versions {
        let of_other = c.put("other", "x").await?.version;
        let version = of_other.ok_or_else(|| Failure::new("expected a version"))?;
        let options = StatOptions::new().version(version);
        nothing(c.store.stat(&key, options).await.map(drop), Operation::Stat)?;
    }
    Ok(())
}

async fn conditions(c: Context) -> Result<(), Failure> {
    let key = Key::new(NAME)?;
    c.put(NAME, "0123456789").await?;
    let read = c.store.read(&key, ReadOptions::new().range(20..)).await;
    check(&c, read.map(drop), ErrorKind::RangeNotSatisfiable, Operation::Read)?;
    for way in Way::BOTH {
        let wrong = WriteOptions::new().expect_checksum(Algorithm::Crc32c.digest(b"other"));
        let written = c.write_by(way, NAME, c.body(way, 1), wrong).await;
        check(&c, written.map(drop), ErrorKind::InvalidData, Operation::Write)?;
        if c.can.create_if_absent.is_supported() {
            let written = c.write_by(way, NAME, c.body(way, 1), WriteOptions::new().if_absent()).await;
            check(&c, written.map(drop), ErrorKind::AlreadyExists, Operation::Write)?;
        }
        if c.can.replace_if_match.is_supported() {
            let options = WriteOptions::new().if_match(ETag::new("\"none\""));
            let written = c.write_by(way, NAME, c.body(way, 1), options).await;
            check(&c, written.map(drop), ErrorKind::PreconditionFailed, Operation::Write)?;
        }
    }
    if c.can.delete_if_match.is_supported() {
        let deleted = c.store.delete(DeleteTarget::new(key).if_match(ETag::new("\"none\""))).await;
        check(&c, deleted, ErrorKind::PreconditionFailed, Operation::Delete)?;
    }
    Ok(())
}

/// Control characters of a key would break a log line.
async fn odd_key(c: Context) -> Result<(), Failure> {
    for name in ["line\nbreak", "tab\t", "esc\u{1b}[31m", "back`tick", "\u{202e}rtl"] {
        let Err(error) = c.get(name).await else {
            return Err(Failure::new(format!("expected no object {name:?}")));
        };
        same("the key that the error names", error.key(), Some(name))?;
        let line = error.to_string();
        holds(!line.chars().any(char::is_control), format!("expected no control character, got {line:?}"))?;
    }
    Ok(())
}

/// Logs are read by people who may not read the objects.
async fn content(c: Context) -> Result<(), Failure> {
    const SECRET: &str = "hunter2-hunter2-hunter2";
    let key = Key::new("a")?;
    let clean = |what: &str, text: String| {
        holds(!text.contains(SECRET), format!("expected no content of objects in {what}, got {text}"))
    };
    let body = SECRET.repeat(c.part_size() / SECRET.len() * 3);
    let mut writer = c.begin("a", WriteOptions::new()).await?;
    writer.write(SECRET).await?;
    clean("Debug of a writer", format!("{writer:?}"))?;
    writer.write(body).await?;
    clean("Debug of a writer in parts", format!("{writer:?}"))?;
    writer.finish().await?;
    clean("Debug of a store", format!("{:?}", c.store))?;
    clean("Debug of a reader", format!("{:?}", c.store.reader(&key, ReadOptions::new()).await?))?;
    let listing = c.store.list(&Prefix::root(), storage_core::ListOptions::new());
    clean("Debug of a listing", format!("{listing:?}"))?;
    let wrong = WriteOptions::new().expect_checksum(Algorithm::Sha256.digest(b"other"));
    let Err(error) = c.store.write(&key, SECRET, wrong).await else {
        return Err(Failure::new("expected a wrong checksum to fail"));
    };
    clean("an error", format!("{error} {error:?}"))
}

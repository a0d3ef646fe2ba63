//! What is not declared is refused before a byte is sent.
//!
//! The refusal is `Store`'s, so it is tried on every backend, with its capabilities hidden.

use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use storage_core::{
    Change, CopyOptions, DeleteTarget, ETag, ErrorKind, FileKind, Key, ListOptions, Prefix, ReadOptions,
    RenameOptions, SignRequest, SignedMethod, StatOptions, UnixAttributes, Version, WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::mask::Mask;

pub(crate) const CASES: &[Case] = &[
    Case::new("capability", "CAP-1", "writes-are-refused-before-a-byte", |c| Box::pin(writes(c))),
    Case::new("capability", "CAP-1", "copies-and-renames-are-refused", |c| Box::pin(copies(c))),
    Case::new("capability", "CAP-1", "conditional-deletes-are-refused", |c| Box::pin(deletes(c))),
    Case::new("capability", "CAP-1", "versions-are-refused", |c| Box::pin(versions(c))),
    Case::new("capability", "CAP-1", "updates-and-directories-are-refused", |c| Box::pin(updates(c))),
    Case::new("capability", "CAP-1", "signing-is-refused", |c| Box::pin(signing(c))),
    Case::new("capability", "CAP-1", "what-is-declared-makes-sense", |c| Box::pin(sense(c))),
    Case::new("capability", "WRITE-4", "a-condition-that-cannot-hold-is-refused", |c| {
        Box::pin(conditions(c))
    }),
];

/// The same store, of which nothing is declared.
fn bare(c: &Context) -> Context {
    Context::new(c.opened.clone(), c.store.layer(&Mask::Everything))
}

async fn refused(
    c: &Context,
    what: &str,
    options: impl Fn() -> WriteOptions + Send + Sync,
) -> Result<(), Failure> {
    let bare = bare(c);
    for name in ["a", "new"] {
        for way in Way::BOTH {
            let result = bare.write_by(way, name, c.body(way, 1), options()).await;
            fails(format!("{what} by {way:?}"), result, ErrorKind::Unsupported)?;
        }
        let begun = bare.begin(name, options()).await;
        fails(format!("{what} by a writer that was sent nothing"), begun, ErrorKind::Unsupported)?;
    }
    c.contains("a", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["a"])?;
    c.nothing_left_over().await
}

async fn conditions(c: Context) -> Result<(), Failure> {
    let etag = c.put("a", "old").await?.etag.unwrap_or_else(|| ETag::new("any"));
    refused(&c, "a create", || WriteOptions::new().if_absent()).await?;
    refused(&c, "a replacement", || WriteOptions::new().if_match(etag.clone())).await
}

async fn writes(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    let unix = UnixAttributes { mode: 0o644, uid: 0, gid: 0 };
    refused(&c, "a content type", || WriteOptions::new().content_type("text/plain")).await?;
    refused(&c, "user metadata", || WriteOptions::new().user_metadata("a", "b")).await?;
    refused(&c, "a modification time", || WriteOptions::new().modified(SystemTime::UNIX_EPOCH)).await?;
    refused(&c, "permissions", || WriteOptions::new().unix(unix, false)).await?;
    refused(&c, "a symlink", || WriteOptions::new().kind(FileKind::Symlink)).await?;
    let directory = c.store.write(&Key::new("d")?, "", WriteOptions::new().kind(FileKind::Directory)).await;
    fails("a directory written as an object", directory, ErrorKind::InvalidInput).map(drop)
}

async fn copies(c: Context) -> Result<(), Failure> {
    let (bare, a, to, refused) = (bare(&c), Key::new("a")?, Key::new("to")?, ErrorKind::Unsupported);
    c.put("a", "old").await?;
    let mut attributes = storage_core::Attributes::new();
    attributes.content_type = Some("text/plain".into());
    for options in [
        CopyOptions::new().if_absent(),
        CopyOptions::new().if_match(ETag::new("any")),
        CopyOptions::new().attributes(attributes),
        CopyOptions::new().source_version(Version::new("any")),
    ] {
        let what = format!("copy with {options:?}");
        fails(&what, bare.store.copy(&a, &to, options.clone()).await, refused)?;
        fails(&what, bare.store.copy(&a, &a, options).await, refused)?;
    }
    fails("rename if absent", bare.store.rename(&a, &to, RenameOptions::new().if_absent()).await, refused)?;
    c.contains("a", b"old").await?;
    c.lacks("to").await
}

async fn deletes(c: Context) -> Result<(), Failure> {
    let bare = bare(&c);
    c.fill(&["a", "b", "d"]).await?;
    let target = |name: &str| Key::new(name).map(DeleteTarget::new);
    let targets =
        [target("a")?.if_match(ETag::new("any")), target("b")?, target("d")?.version(Version::new("any"))];
    let kinds: Vec<_> =
        bare.store.delete_all(targets).await.into_iter().map(|(_, r)| r.map_err(|e| e.kind())).collect();
    let refused = ErrorKind::Unsupported;
    same("results", kinds, [Err(refused), Ok(()), Err(refused)])?;
    c.contains("a", b"a").await?;
    c.contains("d", b"d").await?;
    c.lacks("b").await
}

async fn versions(c: Context) -> Result<(), Failure> {
    let (bare, key, refused) = (bare(&c), Key::new("a")?, ErrorKind::Unsupported);
    c.put("a", "content").await?;
    let version = || Version::new("any");
    fails("read", bare.store.read(&key, ReadOptions::new().version(version())).await, refused)?;
    let empty = ReadOptions::new().version(version()).range(0..0);
    fails("empty read", bare.store.read(&key, empty).await, refused)?;
    fails("stat", bare.store.stat(&key, StatOptions::new().version(version())).await, refused)?;
    let listing: Result<Vec<_>, _> =
        bare.store.list(&Prefix::root(), ListOptions::new().versions(true)).try_collect().await;
    fails("listing", listing, refused).map(drop)
}

async fn updates(c: Context) -> Result<(), Failure> {
    let (bare, key, refused) = (bare(&c), Key::new("a")?, ErrorKind::Unsupported);
    c.put("a", "content").await?;
    let before = c.stat("a").await?;
    let time = || Change::new().modified(SystemTime::UNIX_EPOCH);
    let mode = || Change::new().unix(UnixAttributes { mode: 0o600, uid: 0, gid: 0 }, false);
    let directory = Prefix::new("d/")?;
    fails("new time", bare.store.update(&key, time()).await, refused)?;
    fails("new mode", bare.store.update(&key, mode()).await, refused)?;
    fails("new time of a directory", bare.store.update_dir(&directory, time()).await, refused)?;
    fails("creation of a directory", bare.store.create_dir(&directory).await, refused)?;
    fails("removal of a directory", bare.store.remove_dir(&directory).await, refused)?;
    same("metadata", c.stat("a").await?, before)?;
    same("a clean-up where nothing can be left", bare.store.cleanup(&Prefix::root()).await?.removed, 0)
}

async fn signing(c: Context) -> Result<(), Failure> {
    let (bare, key) = (bare(&c), Key::new("a")?);
    for method in SignedMethod::ALL {
        let request = SignRequest::new(method, Duration::from_secs(60));
        fails(method.as_str(), bare.store.presign(&key, request).await, ErrorKind::Unsupported)?;
    }
    Ok(())
}

async fn sense(c: Context) -> Result<(), Failure> {
    let limits = &c.can.limits;
    holds(limits.part_min <= limits.part_max, format!("expected part_min <= part_max, got {limits:?}"))?;
    holds(
        limits.part_preferred <= limits.part_max,
        format!("expected part_preferred <= part_max, got {limits:?}"),
    )?;
    holds(
        limits.parts_max >= 1 && limits.part_max >= 1,
        format!("expected room for one part, got {limits:?}"),
    )?;
    holds(limits.delete_batch >= 1, format!("expected batches of at least one key, got {limits:?}"))?;
    let conditional = c.can.replace_if_match.is_supported() || c.can.delete_if_match.is_supported();
    let written = c.put("a", "x").await?;
    let named = written.etag.is_some() || !conditional;
    holds(named, "expected ETags of a store that replaces or deletes by ETag")?;
    same("whether writes are told a version", written.version.is_some(), c.can.versions)?;
    same("whether a stat tells the write's token", c.stat("a").await?.token.is_some(), c.can.write_token)?;
    same("capabilities asked again", c.store.capabilities(), c.can.clone())
}

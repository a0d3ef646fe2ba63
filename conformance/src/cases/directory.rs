//! Directories, where they are real.

use std::time::{Duration, UNIX_EPOCH};

use storage_core::{Change, Entry, ErrorKind, FileKind, Key, ListOptions, Prefix, UnixAttributes};

use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("directory", "DIR-1", "made-with-its-parents", |c| Box::pin(made(c))).needs(needs::directories),
    Case::new("directory", "DIR-1", "removed-only-when-empty", |c| Box::pin(removed(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-1", "an-object-in-its-place", |c| Box::pin(in_the_way(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-1", "a-name-without-slash-is-refused", |c| Box::pin(names(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-2", "an-empty-one-is-listed-where-asked", |c| Box::pin(listed(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-2", "in-order-among-objects", |c| Box::pin(order(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-2", "a-directory-is-no-object", |c| Box::pin(no_object(c)))
        .needs(needs::directories),
    Case::new("directory", "DIR-3", "times-and-permissions-are-changed", |c| Box::pin(update(c)))
        .needs(needs::directories),
];

async fn make(c: &Context, name: &str) -> Result<(), Failure> {
    Ok(c.store.create_dir(&Prefix::new(name)?).await?)
}

async fn remove(c: &Context, name: &str) -> storage_core::Result<()> {
    c.store.remove_dir(&Prefix::new(name)?).await
}

async fn all(c: &Context) -> Result<Vec<String>, Failure> {
    let mut names = c.names("", ListOptions::new().directories(true)).await?;
    names.sort();
    Ok(names)
}

async fn made(c: Context) -> Result<(), Failure> {
    make(&c, "a/b/c/").await?;
    same("all", all(&c).await?, ["a/", "a/b/", "a/b/c/"])?;
    make(&c, "a/b/c/").await?;
    make(&c, "a/").await?;
    same("all, made twice", all(&c).await?, ["a/", "a/b/", "a/b/c/"])?;
    c.put("a/b/c/x", "x").await?;
    c.contains("a/b/c/x", b"x").await?;
    make(&c, "a/b/c/").await?;
    c.contains("a/b/c/x", b"x").await
}

async fn removed(c: Context) -> Result<(), Failure> {
    make(&c, "a/b/").await?;
    fails("removal of a parent", remove(&c, "a/").await, ErrorKind::PreconditionFailed)?;
    c.put("a/b/x", "x").await?;
    fails("removal around an object", remove(&c, "a/b/").await, ErrorKind::PreconditionFailed)?;
    c.contains("a/b/x", b"x").await?;
    c.store.delete(Key::new("a/b/x")?).await?;
    remove(&c, "a/b/").await?;
    remove(&c, "a/b/").await?;
    remove(&c, "a/").await?;
    same("all", all(&c).await?, [""; 0])?;
    remove(&c, "never/was/").await?;
    fails("removal of the root", remove(&c, "").await, ErrorKind::InvalidInput).map(drop)
}

/// Refused, or both are there: a store of keys may hold `a` beside `a/`.
async fn in_the_way(c: Context) -> Result<(), Failure> {
    c.put("a", "object").await?;
    for name in ["a/", "a/b/"] {
        match c.store.create_dir(&Prefix::new(name)?).await {
            Ok(()) => {
                holds(all(&c).await?.iter().any(|n| n == name), format!("expected `{name}` to be listed"))?;
            }
            Err(error) => same("the refusal", error.kind(), ErrorKind::InvalidKey)?,
        }
        c.contains("a", b"object").await?;
    }
    Ok(())
}

async fn names(c: Context) -> Result<(), Failure> {
    c.put("a/x", "x").await?;
    fails("creation of `b`", c.store.create_dir(&Prefix::new("b")?).await, ErrorKind::InvalidInput)?;
    fails("removal of `a`", remove(&c, "a").await, ErrorKind::InvalidInput)?;
    c.contains("a/x", b"x").await
}

async fn listed(c: Context) -> Result<(), Failure> {
    make(&c, "empty/inner/").await?;
    c.put("full/x", "x").await?;
    same("a plain listing", c.names("", ListOptions::new()).await?, ["full/x"])?;
    let mut level = c.names("", ListOptions::new().delimiter('/')).await?;
    level.sort();
    same("one level", level, ["empty/", "full/"])?;
    same("one level further", c.names("empty/", ListOptions::new().delimiter('/')).await?, ["empty/inner/"])?;
    same(
        "below an empty one",
        c.names("empty/inner/", ListOptions::new().directories(true)).await?,
        [""; 0],
    )?;
    let walked: Vec<String> = {
        use futures_util::TryStreamExt;
        let walk = c.store.walk(&Prefix::root()).map_ok(|entry| entry.name().to_owned());
        let mut names: Vec<String> = walk.try_collect().await?;
        names.sort();
        names
    };
    same("a walk", walked, ["empty/", "empty/inner/", "full/", "full/x"])
}

async fn order(c: Context) -> Result<(), Failure> {
    c.fill(&["a-b", "a0", "b/x"]).await?;
    make(&c, "a/").await?;
    make(&c, "b/y/").await?;
    let mut flat = c.names("", ListOptions::new().directories(true)).await?;
    let mut level = c.names("", ListOptions::new().directories(true).delimiter('/')).await?;
    if !c.can.list_sorted {
        flat.sort();
        level.sort();
    }
    // Whether `b/` is real, though nobody made it, the backend decides.
    flat.retain(|name| name != "b/");
    same("all", flat, ["a-b", "a/", "a0", "b/x", "b/y/"])?;
    same("one level", level, ["a-b", "a/", "a0", "b/"])?;
    let after = c.names("", ListOptions::new().directories(true).start_after("a/")).await?;
    holds(
        !after.iter().any(|name| name == "a/" || name == "a-b"),
        format!("expected only what follows, got {after:?}"),
    )
}

async fn no_object(c: Context) -> Result<(), Failure> {
    make(&c, "d/").await?;
    c.lacks("d").await?;
    fails("read of a directory", c.get("d").await, ErrorKind::NotFound)?;
    match c.store.delete(Key::new("d")?).await {
        Err(error) if error.kind() == ErrorKind::InvalidKey => {}
        result => result?,
    }
    same("all", all(&c).await?, ["d/"])
}

async fn update(c: Context) -> Result<(), Failure> {
    make(&c, "d/").await?;
    c.put("d/x", "x").await?;
    let directory = Prefix::new("d/")?;
    if c.can.set_modified {
        let time = UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        c.store.update_dir(&directory, Change::new().modified(time)).await?;
        same("time", real(&c).await?.modified, Some(time))?;
    }
    if c.can.unix_attributes {
        let unix = UnixAttributes { mode: 0o750, uid: 0, gid: 0 };
        c.store.update_dir(&directory, Change::new().unix(unix, false)).await?;
        same("mode", real(&c).await?.unix.map(|unix| unix.mode), Some(0o750))?;
    }
    c.contains("d/x", b"x").await?;
    if c.can.set_modified || c.can.unix_attributes {
        let change = Change::new().modified(UNIX_EPOCH + Duration::from_secs(1));
        let change = if c.can.set_modified { change } else { Change::new() };
        let missing = c.store.update_dir(&Prefix::new("none/")?, change).await;
        fails("update of no directory", missing, ErrorKind::NotFound)?;
    }
    Ok(())
}

/// What a listing tells of the directory `d/`.
async fn real(c: &Context) -> Result<storage_core::Metadata, Failure> {
    for entry in c.entries("", ListOptions::new().directories(true)).await? {
        if let Entry::Prefix(directory) = entry {
            let metadata =
                directory.metadata.ok_or_else(|| Failure::new("expected metadata of a real directory"))?;
            same("kind", metadata.kind, FileKind::Directory)?;
            return Ok(metadata);
        }
    }
    Err(Failure::new("expected the directory to be listed"))
}

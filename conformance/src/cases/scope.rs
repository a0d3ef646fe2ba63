//! Nothing outside a store's root can be reached.

use storage_core::{
    CopyOptions, DeleteTarget, Error, ErrorKind, FileKind, Key, ListOptions, Pattern, Prefix, RenameOptions,
    WriteOptions,
};

use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same};
use crate::failure::Failure;
use crate::needs;
use crate::strangers::Strangers;

pub(crate) const CASES: &[Case] = &[
    Case::new("scope", "KEY-4", "a-listing-stays-inside", |c| Box::pin(listing(c))),
    Case::new("scope", "KEY-4", "no-key-reaches-outside", |c| Box::pin(escape(c))),
    Case::new("scope", "KEY-4", "scopes-nest", |c| Box::pin(nested(c))),
    Case::new("scope", "KEY-4", "a-scope-need-not-end-at-a-slash", |c| Box::pin(half_a_segment(c))),
    Case::new("scope", "KEY-4", "a-link-is-no-way-out", |c| Box::pin(link(c))).needs(needs::symlinks),
];

/// A store inside the one under test, with strangers beside it.
async fn boxed(c: &Context) -> Result<(Context, Strangers), Failure> {
    let inner = c.store.scoped(&Prefix::new("box/")?)?;
    let strangers = Strangers::around(&c.store, inner.prefix()).await?;
    Ok((Context::new(c.store.clone(), inner), strangers))
}

async fn listing(c: Context) -> Result<(), Failure> {
    let (inner, strangers) = boxed(&c).await?;
    inner.fill(&["a", "d/b"]).await?;
    same("listing", sorted(inner.names("", ListOptions::new()).await?), ["a", "d/b"])?;
    same("level", sorted(inner.names("", ListOptions::new().delimiter('/')).await?), ["a", "d/"])?;
    same("walk", sorted(drain(&inner, Walk::Tree).await?), ["a", "d/", "d/b"])?;
    same("glob", sorted(drain(&inner, Walk::Glob("**")).await?), ["a", "d/b"])?;
    for outside in ["../", "..", "/", "box", "box/", "X/", "-"] {
        same(format!("listing of `{outside}`"), inner.names(outside, ListOptions::new()).await?, [""; 0])?;
    }
    strangers.unharmed().await
}

/// Whatever these keys mean, it is nothing of a stranger's.
async fn escape(c: Context) -> Result<(), Failure> {
    let (inner, strangers) = boxed(&c).await?;
    inner.fill(&["mine"]).await?;
    let full = c.store.prefix().as_str().to_owned();
    let names =
        ["../boxX/a", "../stranger", "../box0", "/stranger", "d/../../stranger", "..\\stranger", "X/a"];
    let names =
        names.iter().map(|n| (*n).to_owned()).chain([format!("/{full}stranger"), format!("{full}stranger")]);
    let mine = Key::new("mine")?;
    for name in names {
        let key = Key::new(&name)?;
        let read = inner.get(&name).await;
        nothing(format!("read of `{name}`"), read)?;
        nothing(format!("stat of `{name}`"), inner.stat(&name).await)?;
        same(format!("whether `{name}` exists"), inner.store.exists(&key).await?, false)?;
        held(inner.store.delete(key.clone()).await)?;
        held(inner.store.copy(&mine, &key, CopyOptions::new()).await)?;
        held(inner.put(&name, "intruder").await)?;
        strangers.unharmed().await?;
        held(inner.store.rename(&key, &Key::new("taken")?, RenameOptions::new()).await)?;
        for (_, result) in inner.store.delete_all([DeleteTarget::new(key)]).await {
            held(result)?;
        }
        strangers.unharmed().await?;
    }
    inner.store.cleanup(&Prefix::root()).await?;
    strangers.unharmed().await
}

async fn nested(c: Context) -> Result<(), Failure> {
    let direct = c.store.scoped(&Prefix::new("x/y/")?)?;
    let nested = c.store.scoped(&Prefix::new("x/")?)?.scoped(&Prefix::new("y/")?)?;
    direct.write(&Key::new("z")?, "1", WriteOptions::new()).await?;
    let nested = Context::new(c.store.clone(), nested);
    nested.contains("z", b"1").await?;
    same("listing", nested.names("", ListOptions::new()).await?, ["z"])?;
    c.contains("x/y/z", b"1").await
}

/// A prefix is bytes, not a directory.
async fn half_a_segment(c: Context) -> Result<(), Failure> {
    let inner = Context::new(c.store.clone(), c.store.scoped(&Prefix::new("day-")?)?);
    inner.fill(&["1", "2/x"]).await?;
    c.fill(&["da", "day", "dayx", "dax/day-1"]).await?;
    c.contains("day-1", b"1").await?;
    same("listing", sorted(inner.names("", ListOptions::new()).await?), ["1", "2/x"])?;
    same("level", sorted(inner.names("", ListOptions::new().delimiter('/')).await?), ["1", "2/"])?;
    inner.store.delete(Key::new("1")?).await?;
    same(
        "left",
        sorted(c.names("da", ListOptions::new()).await?),
        ["da", "dax/day-1", "day", "day-2/x", "dayx"],
    )
}

async fn link(c: Context) -> Result<(), Failure> {
    let (inner, strangers) = boxed(&c).await?;
    let options = || WriteOptions::new().kind(FileKind::Symlink);
    for (name, target) in [("up", ".."), ("beside", "../boxX"), ("root", "/"), ("file", "../stranger")] {
        inner.store.write(&Key::new(name)?, target, options()).await?;
        inner.contains(name, target.as_bytes()).await?;
    }
    for name in ["up/stranger", "up/boxX/a", "beside/a", "file/x"] {
        let key = Key::new(name)?;
        nothing(format!("read of `{name}`"), inner.get(name).await)?;
        held(inner.put(name, "intruder").await)?;
        held(inner.store.delete(key).await)?;
        strangers.unharmed().await?;
    }
    // Neither a listing nor a walk may follow the links.
    for name in inner.names("", ListOptions::new().directories(true)).await? {
        holds(!name.contains("stranger"), format!("expected only what is inside, got `{name}`"))?;
    }
    // A file written in a link's place replaces the link, not what it points to.
    inner.put("file", "a file now").await?;
    inner.contains("file", b"a file now").await?;
    strangers.unharmed().await
}

enum Walk {
    Tree,
    Glob(&'static str),
}

async fn drain(c: &Context, walk: Walk) -> Result<Vec<String>, Error> {
    use futures_util::TryStreamExt;
    let listing = match walk {
        Walk::Tree => c.store.walk(&Prefix::root()),
        Walk::Glob(pattern) => c.store.glob(&Pattern::new(pattern)?),
    };
    listing.map_ok(|entry| entry.name().to_owned()).try_collect().await
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// There is no such object, or there cannot be one.
#[track_caller]
fn nothing<T>(what: impl std::fmt::Display, result: Result<T, Error>) -> Result<(), Failure> {
    match result {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidKey) => Ok(()),
        Err(error) => Err(Failure::new(format!("{what}: expected NotFound or InvalidKey, got {error}"))),
        Ok(_) => Err(Failure::new(format!("{what}: expected NotFound or InvalidKey, it succeeded"))),
    }
}

/// The key is an ordinary one inside the store, or none that this backend can hold.
#[track_caller]
fn held<T>(result: Result<T, Error>) -> Result<(), Failure> {
    match result {
        Ok(_) => Ok(()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidKey) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

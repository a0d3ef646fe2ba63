//! Deleting, one by one and many at once.

use storage_core::{DeleteTarget, ETag, Error, ErrorKind, Key, ListOptions, MAX_KEY_BYTES};

use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("delete", "DEL-1", "a-missing-key-is-fine", |c| Box::pin(missing(c))),
    Case::new("delete", "DEL-1", "nothing-but-the-key-goes", |c| Box::pin(neighbours(c))),
    Case::new("delete", "DEL-1", "a-batch-beyond-the-limit", |c| Box::pin(batch(c))),
    Case::new("delete", "DEL-1", "a-batch-tells-per-key", |c| Box::pin(per_key(c))),
    Case::new("delete", "DEL-1", "an-empty-batch-is-fine", |c| Box::pin(empty_batch(c))),
    Case::new("delete", "DEL-1", "deleted-and-written-again", |c| Box::pin(again(c))),
    Case::new("delete", "DEL-2", "only-the-version-that-is-meant", |c| Box::pin(conditional(c)))
        .needs(needs::delete_if_match),
    Case::new("delete", "DEL-2", "conditions-hold-in-a-batch", |c| Box::pin(conditional_batch(c)))
        .needs(needs::delete_if_match),
];

fn target(name: &str) -> Result<DeleteTarget, Error> {
    Key::new(name).map(DeleteTarget::new)
}

async fn missing(c: Context) -> Result<(), Failure> {
    for name in ["a", "d/e/a"] {
        c.store.delete(Key::new(name)?).await?;
        c.put(name, "x").await?;
        c.store.delete(Key::new(name)?).await?;
        c.store.delete(Key::new(name)?).await?;
        c.lacks(name).await?;
        same("whether it exists", c.store.exists(&Key::new(name)?).await?, false)?;
    }
    Ok(())
}

/// A key is no pattern, no prefix and no directory.
async fn neighbours(c: Context) -> Result<(), Failure> {
    let names = ["ab", "b", "d/e/x", "d/x", "dd"];
    c.fill(&names).await?;
    for gone in ["a", "d", "d/", "d/e", "", "*", "d/*", "?"].into_iter().filter(|n| !n.is_empty()) {
        match c.store.delete(Key::new(gone)?).await {
            Err(error) if error.kind() == ErrorKind::InvalidKey => {}
            result => result?,
        }
        for name in names {
            c.contains(name, name.as_bytes()).await?;
        }
    }
    Ok(())
}

async fn batch(c: Context) -> Result<(), Failure> {
    let limit = c.can.limits.delete_batch;
    let count = if limit > 1_200 { limit.min(2_000) + 1 } else { 2 * limit + 3 };
    let present = ["many/0", "many/1", "other", "many0"];
    c.fill(&present).await?;
    let last = format!("many/{}", count - 1);
    c.put(&last, "x").await?;
    let names: Vec<String> = (0..count).map(|n| format!("many/{n}")).collect();
    let targets: Result<Vec<_>, Error> = names.iter().map(|name| target(name)).collect();
    let results = c.store.delete_all(targets?).await;
    same("number of results", results.len(), count)?;
    for (name, (target, result)) in names.iter().zip(results) {
        same("the target of a result", target.key.as_str(), name.as_str())?;
        result?;
    }
    let mut left = c.names("", ListOptions::new()).await?;
    left.sort();
    same("keys left", left, ["many0", "other"])
}

async fn per_key(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "b"]).await?;
    let inner = c.store.scoped(&storage_core::Prefix::new("x".repeat(100))?)?;
    let (good, bad) = (Key::new("short")?, Key::new("x".repeat(MAX_KEY_BYTES))?);
    let targets = [good.clone(), bad.clone(), good].map(DeleteTarget::new);
    let mut results = inner.delete_all(targets).await.into_iter().map(|(_, result)| result);
    let mut next = || results.next().ok_or_else(|| Failure::new("expected three results"));
    next()??;
    let error = fails("the key that is too long below the prefix", next()?, ErrorKind::InvalidKey)?;
    same("the key that the error names", error.key(), Some(bad.as_str()))?;
    next()??;
    let twice = c.store.delete_all([target("a")?, target("a")?, target("missing")?]).await;
    for (_, result) in twice {
        result?;
    }
    same("keys left", c.names("", ListOptions::new()).await?, ["b"])
}

async fn empty_batch(c: Context) -> Result<(), Failure> {
    c.fill(&["a"]).await?;
    same("number of results", c.store.delete_all([]).await.len(), 0)?;
    c.contains("a", b"a").await
}

async fn again(c: Context) -> Result<(), Failure> {
    for round in 0..5u8 {
        c.put("d/a", vec![round; 10]).await?;
        c.contains("d/a", &[round; 10]).await?;
        c.store.delete(Key::new("d/a")?).await?;
        c.lacks("d/a").await?;
    }
    Ok(())
}

async fn two_etags(c: &Context, name: &str) -> Result<(ETag, ETag), Failure> {
    let old = c.put(name, "old").await?.etag;
    let new = c.put(name, "newer").await?.etag;
    old.zip(new).ok_or_else(|| Failure::new("expected ETags of a store that deletes by ETag"))
}

async fn conditional(c: Context) -> Result<(), Failure> {
    let (old, new) = two_etags(&c, "a").await?;
    let stale = c.store.delete(target("a")?.if_match(old)).await;
    fails("delete of a stale ETag", stale, ErrorKind::PreconditionFailed)?;
    c.contains("a", b"newer").await?;
    c.store.delete(target("a")?.if_match(new.clone())).await?;
    c.lacks("a").await?;
    let gone = c.store.delete(target("a")?.if_match(new)).await;
    fails("conditional delete of nothing", gone, ErrorKind::PreconditionFailed).map(drop)
}

async fn conditional_batch(c: Context) -> Result<(), Failure> {
    let (old_a, _) = two_etags(&c, "a").await?;
    let (_, new_b) = two_etags(&c, "b").await?;
    let (old_d, _) = two_etags(&c, "d").await?;
    c.put("plain", "x").await?;
    let targets = [
        target("plain")?,
        target("a")?.if_match(old_a),
        target("b")?.if_match(new_b),
        target("missing")?,
        target("d")?.if_match(old_d),
    ];
    let results = c.store.delete_all(targets).await;
    let kinds: Vec<_> = results.iter().map(|(_, result)| result.as_ref().map_err(Error::kind)).collect();
    let failed = ErrorKind::PreconditionFailed;
    same("results", kinds, [Ok(&()), Err(failed), Ok(&()), Ok(&()), Err(failed)])?;
    let mut left = c.names("", ListOptions::new()).await?;
    left.sort();
    same("keys left", left, ["a", "d"])?;
    c.contains("a", b"newer").await
}

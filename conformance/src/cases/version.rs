//! Old versions, where they are kept.

use storage_core::{
    CopyOptions, DeleteTarget, ErrorKind, Key, ListOptions, Metadata, Object, ReadOptions, StatOptions,
    Version, WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("version", "VER-1", "every-write-makes-one", |c| Box::pin(writes(c))).needs(needs::versions),
    Case::new("version", "VER-1", "a-listing-has-the-newest-first", |c| Box::pin(listing(c)))
        .needs(needs::versions),
    Case::new("version", "VER-1", "no-such-version-is-not-found", |c| Box::pin(missing(c)))
        .needs(needs::versions),
    Case::new("version", "VER-1", "a-copy-of-an-old-one", |c| Box::pin(copy(c))).needs(needs::versions),
    Case::new("version", "VER-2", "a-delete-keeps-them", |c| Box::pin(marker(c))).needs(needs::versions),
    Case::new("version", "VER-2", "a-delete-by-name-is-for-good", |c| Box::pin(for_good(c)))
        .needs(needs::versions),
];

fn version(metadata: Metadata) -> Result<Version, Failure> {
    metadata.version.ok_or_else(|| Failure::new("expected a version of a store that keeps versions"))
}

async fn objects(c: &Context, prefix: &str) -> Result<Vec<Object>, Failure> {
    let entries = c.entries(prefix, ListOptions::new().versions(true)).await?;
    Ok(entries.into_iter().filter_map(|entry| entry.into_object()).collect())
}

async fn writes(c: Context) -> Result<(), Failure> {
    let mut made = Vec::new();
    for (at, way) in [Way::OneShot, Way::Parts, Way::OneShot].into_iter().enumerate() {
        let body = c.body(way, at as u64);
        let told = c.write_by(way, "a", body.clone(), WriteOptions::new()).await?;
        made.push((version(told.clone())?, body, told));
    }
    for (version, body, told) in &made {
        let key = Key::new("a")?;
        let read = c.store.read(&key, ReadOptions::new().version(version.clone())).await?;
        same_bytes(format!("version {version}"), &read.bytes, body)?;
        let part = c.store.read(&key, ReadOptions::new().version(version.clone()).range(10..500)).await?;
        same_bytes(format!("10..500 of version {version}"), &part.bytes, &body[10..500])?;
        let found = c.store.stat(&key, StatOptions::new().version(version.clone())).await?;
        same("size and ETag of a version", (found.size, found.etag), (told.size, told.etag.clone()))?;
    }
    let newest = &made[2].0;
    same("version of a plain stat", c.stat("a").await?.version.as_ref(), Some(newest))?;
    holds(made[0].0 != made[1].0 && made[1].0 != *newest, "expected three different versions")
}

async fn listing(c: Context) -> Result<(), Failure> {
    let mut expected = Vec::new();
    for name in ["a", "b"] {
        let mut own = Vec::new();
        for content in ["1", "22", "333"] {
            own.push((name.to_owned(), Some(version(c.put(name, content).await?)?), content.len() as u64));
        }
        own.reverse();
        expected.extend(own);
    }
    let found = objects(&c, "").await?;
    let told = |o: &Object| (o.key.as_str().to_owned(), o.metadata.version.clone(), o.metadata.size);
    same("versions", found.iter().map(told).collect::<Vec<_>>(), expected)?;
    let latest: Vec<bool> = found.iter().map(|o| o.metadata.is_latest).collect();
    same("which are the newest", latest, [true, false, false, true, false, false])?;
    same("a plain listing", c.names("", ListOptions::new()).await?, ["a", "b"])
}

async fn missing(c: Context) -> Result<(), Failure> {
    let of_b = version(c.put("b", "b").await?)?;
    let gone = version(c.put("a", "1").await?)?;
    c.put("a", "2").await?;
    c.store.delete(DeleteTarget::new(Key::new("a")?).version(gone.clone())).await?;
    for (what, version) in [("another key's", of_b), ("a deleted", gone)] {
        let read = c.store.read(&Key::new("a")?, ReadOptions::new().version(version.clone())).await;
        fails(format!("read of {what} version"), read, ErrorKind::NotFound)?;
        let stat = c.store.stat(&Key::new("a")?, StatOptions::new().version(version)).await;
        fails(format!("stat of {what} version"), stat, ErrorKind::NotFound)?;
    }
    c.contains("a", b"2").await
}

async fn copy(c: Context) -> Result<(), Failure> {
    let old = version(c.put("a", "old").await?)?;
    c.put("a", "new").await?;
    for to in ["b", "a"] {
        let options = CopyOptions::new().source_version(old.clone());
        c.store.copy(&Key::new("a")?, &Key::new(to)?, options).await?;
        c.contains(to, b"old").await?;
    }
    same("versions of `a`", objects(&c, "a").await?.len(), 3)
}

async fn marker(c: Context) -> Result<(), Failure> {
    let old = version(c.put("a", "content").await?)?;
    c.store.delete(Key::new("a")?).await?;
    c.lacks("a").await?;
    same("a plain listing", c.names("", ListOptions::new()).await?, [""; 0])?;
    let read = c.store.read(&Key::new("a")?, ReadOptions::new().version(old.clone())).await?;
    same_bytes("the version that was deleted over", &read.bytes, b"content")?;
    let found = objects(&c, "").await?;
    let told: Vec<_> = found.iter().map(|o| (o.metadata.is_delete_marker, o.metadata.is_latest)).collect();
    if !c.can.delete_markers {
        return same("markers and newest", told, [(false, false)]);
    }
    same("markers and newest", told, [(true, true), (false, false)])?;
    // Without the marker the object is back.
    let marker = version(found[0].metadata.clone())?;
    c.store.delete(DeleteTarget::new(Key::new("a")?).version(marker)).await?;
    c.contains("a", b"content").await
}

async fn for_good(c: Context) -> Result<(), Failure> {
    let mut versions = Vec::new();
    for content in ["1", "2", "3"] {
        versions.push(version(c.put("a", content).await?)?);
    }
    let by_name = |at: usize| Key::new("a").map(|key| DeleteTarget::new(key).version(versions[at].clone()));
    c.store.delete(by_name(1)?).await?;
    c.contains("a", b"3").await?;
    same("versions left", objects(&c, "").await?.len(), 2)?;
    c.store.delete(by_name(2)?).await?;
    same(
        "whether the one left is the newest",
        objects(&c, "").await?[0].metadata.is_latest,
        c.can.delete_markers,
    )?;
    if c.can.delete_markers {
        c.contains("a", b"1").await?;
    } else {
        c.lacks("a").await?;
    }
    c.store.delete(by_name(2)?).await?;
    c.store.delete(by_name(0)?).await?;
    c.lacks("a").await?;
    same("versions left at last", objects(&c, "").await?.len(), 0)
}

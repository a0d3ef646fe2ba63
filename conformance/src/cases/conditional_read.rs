//! Conditions on reading.

use std::time::Duration;

use storage_core::{ETag, ErrorKind, Key, Metadata, ReadOptions, StatOptions};

use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-5", "if-match", |c| Box::pin(if_match(c))),
    Case::new("read", "READ-5", "if-none-match", |c| Box::pin(if_none_match(c))),
    Case::new("read", "READ-5", "if-modified-since", |c| Box::pin(dates(c))),
    Case::new("read", "READ-5", "a-condition-on-a-missing-object-is-not-found", |c| Box::pin(missing(c))),
    Case::new("read", "READ-5", "conditions-hold-for-ranges", |c| Box::pin(ranges(c))),
];

/// An ETag that was the object's, and the one that is.
async fn two_etags(c: &Context) -> Result<(ETag, ETag), Failure> {
    let old = c.put("a", "old content").await?.etag;
    let new = c.put("a", "new content, longer").await?.etag;
    old.zip(new).ok_or_else(|| Failure::ignored("the store names no ETags"))
}

async fn if_match(c: Context) -> Result<(), Failure> {
    let (key, (old, new)) = (Key::new("a")?, two_etags(&c).await?);
    let failed = ErrorKind::PreconditionFailed;
    let read = c.store.read(&key, ReadOptions::new().if_match(new.clone())).await?;
    same("content", &read.bytes[..], b"new content, longer".as_slice())?;
    fails(
        "read of the old ETag",
        c.store.read(&key, ReadOptions::new().if_match(old.clone())).await,
        failed,
    )?;
    c.store.stat(&key, StatOptions::new().if_match(new)).await?;
    fails("stat of the old ETag", c.store.stat(&key, StatOptions::new().if_match(old)).await, failed)?;
    let foreign = ReadOptions::new().if_match(ETag::new("\"no-such-etag\""));
    fails("read of a foreign ETag", c.store.read(&key, foreign).await, failed).map(drop)
}

async fn if_none_match(c: Context) -> Result<(), Failure> {
    let (key, (old, new)) = (Key::new("a")?, two_etags(&c).await?);
    let same_as = ErrorKind::NotModified;
    let read = c.store.read(&key, ReadOptions::new().if_none_match(old.clone())).await?;
    same("content", &read.bytes[..], b"new content, longer".as_slice())?;
    let unchanged = c.store.read(&key, ReadOptions::new().if_none_match(new.clone())).await;
    fails("read of what is known", unchanged, same_as)?;
    c.store.stat(&key, StatOptions::new().if_none_match(old)).await?;
    fails("stat of what is known", c.store.stat(&key, StatOptions::new().if_none_match(new)).await, same_as)
        .map(drop)
}

async fn dates(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "content").await?;
    let Metadata { modified: Some(modified), .. } = c.stat("a").await? else {
        return Err(Failure::ignored("the store tells no modification times"));
    };
    // Servers compare whole seconds: an hour leaves no doubt.
    let (before, after) = (modified - Duration::from_secs(3600), modified + Duration::from_secs(3600));
    c.store.read(&key, ReadOptions::new().if_modified_since(before)).await?;
    c.store.read(&key, ReadOptions::new().if_unmodified_since(after)).await?;
    let read = c.store.read(&key, ReadOptions::new().if_modified_since(after)).await;
    fails("if modified since an hour from now", read, ErrorKind::NotModified)?;
    let read = c.store.read(&key, ReadOptions::new().if_unmodified_since(before)).await;
    fails("if unmodified since an hour ago", read, ErrorKind::PreconditionFailed).map(drop)
}

async fn missing(c: Context) -> Result<(), Failure> {
    let (_, etag) = two_etags(&c).await?;
    let key = Key::new("b")?;
    let read = c.store.read(&key, ReadOptions::new().if_match(etag.clone())).await;
    fails("if-match on nothing", read, ErrorKind::NotFound)?;
    let read = c.store.read(&key, ReadOptions::new().if_none_match(etag)).await;
    fails("if-none-match on nothing", read, ErrorKind::NotFound).map(drop)
}

async fn ranges(c: Context) -> Result<(), Failure> {
    let (key, (old, new)) = (Key::new("a")?, two_etags(&c).await?);
    for range in [0..0, 0..3, 4..100] {
        let options = || ReadOptions::new().range(range.clone());
        let read = c.store.read(&key, options().if_match(new.clone())).await?;
        let end = range.end.min(19) as usize;
        same("bytes", &read.bytes[..], &b"new content, longer"[range.start as usize..end])?;
        let changed = c.store.read(&key, options().if_match(old.clone())).await;
        fails(format!("{range:?} of the old ETag"), changed, ErrorKind::PreconditionFailed)?;
        let known = c.store.read(&key, options().if_none_match(new.clone())).await;
        fails(format!("{range:?} of what is known"), known, ErrorKind::NotModified)?;
    }
    Ok(())
}

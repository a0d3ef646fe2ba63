//! Copies.

use bytes::Bytes;
use storage_core::{Attributes, CopyOptions, ErrorKind, FileKind, Key, ListOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("copy", "COPY-1", "a-copy-has-the-content", |c| Box::pin(content(c))),
    Case::new("copy", "COPY-1", "a-missing-source-is-not-found", |c| Box::pin(missing(c))),
    Case::new("copy", "COPY-1", "a-copy-is-no-alias", |c| Box::pin(alias(c))),
    Case::new("copy", "COPY-1", "a-copy-onto-itself-changes-nothing", |c| Box::pin(itself(c))),
    Case::new("copy", "COPY-1", "a-large-object", |c| Box::pin(large(c))),
    Case::new("copy", "WRITE-4", "a-copy-if-absent", |c| Box::pin(if_absent(c)))
        .needs(needs::create_if_absent),
    Case::new("copy", "WRITE-4", "a-copy-if-match", |c| Box::pin(if_match(c))).needs(needs::replace_if_match),
    Case::new("copy", "COPY-1", "a-copy-of-one-state-of-the-source", |c| Box::pin(source_if_match(c))),
    Case::new("copy", "WRITE-7", "a-copy-with-new-attributes", |c| Box::pin(attributes(c)))
        .needs(needs::content_headers),
    Case::new("copy", "COPY-1", "a-copy-of-a-link-is-a-link", |c| Box::pin(link(c))).needs(needs::symlinks),
];

async fn copy(
    c: &Context,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> storage_core::Result<storage_core::Metadata> {
    c.store.copy(&Key::new(from)?, &Key::new(to)?, options).await
}

async fn content(c: Context) -> Result<(), Failure> {
    for body in [Bytes::new(), c.body(Way::OneShot, 1), c.body(Way::Parts, 1)] {
        c.put("a", body.clone()).await?;
        c.put("there", pattern(9, body.len() + 5000)).await?;
        for to in ["there", "d/new"] {
            let told = copy(&c, "a", to, CopyOptions::new()).await?;
            c.contains(to, &body).await?;
            let found = c.stat(to).await?;
            same("size told and found", (told.size, found.size), (body.len() as u64, body.len() as u64))?;
            same("ETag found and told", found.etag, told.etag)?;
            same("version found and told", found.version, told.version)?;
        }
        c.contains("a", &body).await?;
        c.store.delete(Key::new("d/new")?).await?;
    }
    Ok(())
}

async fn missing(c: Context) -> Result<(), Failure> {
    c.put("there", "old").await?;
    for to in ["there", "new", "a"] {
        let copied = copy(&c, "a", to, CopyOptions::new()).await;
        fails(format!("copy of nothing to `{to}`"), copied, ErrorKind::NotFound)?;
    }
    c.contains("there", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["there"])?;
    c.nothing_left_over().await
}

async fn alias(c: Context) -> Result<(), Failure> {
    c.put("a", "first").await?;
    copy(&c, "a", "b", CopyOptions::new()).await?;
    c.put("a", "second").await?;
    c.contains("b", b"first").await?;
    c.put("b", "third").await?;
    c.contains("a", b"second").await?;
    copy(&c, "a", "b", CopyOptions::new()).await?;
    c.store.delete(Key::new("a")?).await?;
    c.contains("b", b"second").await
}

async fn itself(c: Context) -> Result<(), Failure> {
    let body = c.body(Way::Parts, 1);
    c.put("a", body.clone()).await?;
    let before = c.stat("a").await?;
    copy(&c, "a", "a", CopyOptions::new()).await?;
    c.contains("a", &body).await?;
    same("metadata", c.stat("a").await?, before.clone())?;
    if c.can.create_if_absent.is_supported() {
        let copied = copy(&c, "a", "a", CopyOptions::new().if_absent()).await;
        fails("copy onto itself if absent", copied, ErrorKind::AlreadyExists)?;
    }
    if c.can.content_headers {
        let mut attributes = Attributes::new();
        attributes.content_type = Some("text/plain".into());
        copy(&c, "a", "a", CopyOptions::new().attributes(attributes)).await?;
        c.contains("a", &body).await?;
        same("content type", c.stat("a").await?.attributes.content_type.as_deref(), Some("text/plain"))?;
    }
    same("listing", c.names("", ListOptions::new()).await?, ["a"])
}

async fn large(c: Context) -> Result<(), Failure> {
    // Beyond what one request takes, as far as a test can go.
    let size = (c.can.limits.write_max.min(16 << 20) as usize) + 12_345;
    let body = pattern(3, size);
    c.put("a", body.clone()).await?;
    copy(&c, "a", "b", CopyOptions::new()).await?;
    c.contains("b", &body).await
}

async fn if_absent(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "there"]).await?;
    let before = c.stat("there").await?;
    let copied = copy(&c, "a", "there", CopyOptions::new().if_absent()).await;
    fails("copy over an object if absent", copied, ErrorKind::AlreadyExists)?;
    c.contains("there", b"there").await?;
    same("metadata", c.stat("there").await?, before)?;
    copy(&c, "a", "new", CopyOptions::new().if_absent()).await?;
    c.contains("new", b"a").await
}

async fn if_match(c: Context) -> Result<(), Failure> {
    c.put("a", "source").await?;
    let old = c.put("b", "old").await?.etag;
    let new = c.put("b", "newer").await?.etag;
    let (Some(old), Some(new)) = (old, new) else {
        return Err(Failure::new("expected ETags of a store that replaces by ETag"));
    };
    let stale = copy(&c, "a", "b", CopyOptions::new().if_match(old.clone())).await;
    fails("copy over another state", stale, ErrorKind::PreconditionFailed)?;
    c.contains("b", b"newer").await?;
    copy(&c, "a", "b", CopyOptions::new().if_match(new)).await?;
    c.contains("b", b"source").await?;
    let nothing = copy(&c, "a", "none", CopyOptions::new().if_match(old)).await;
    fails("copy over nothing if it matches", nothing, ErrorKind::PreconditionFailed)?;
    c.lacks("none").await
}

async fn source_if_match(c: Context) -> Result<(), Failure> {
    let old = c.put("a", "old").await?.etag;
    let new = c.put("a", "newer").await?.etag;
    let (Some(old), Some(new)) = (old, new) else {
        return Err(Failure::ignored("the store names no ETags"));
    };
    c.put("b", "b").await?;
    for to in ["b", "a", "new"] {
        let stale = copy(&c, "a", to, CopyOptions::new().source_if_match(old.clone())).await;
        fails(format!("copy of an old state to `{to}`"), stale, ErrorKind::PreconditionFailed)?;
    }
    c.contains("b", b"b").await?;
    c.lacks("new").await?;
    copy(&c, "a", "b", CopyOptions::new().source_if_match(new)).await?;
    c.contains("b", b"newer").await
}

async fn attributes(c: Context) -> Result<(), Failure> {
    let options = WriteOptions::new().content_type("text/csv");
    c.store.write(&Key::new("a")?, "x", options).await?;
    copy(&c, "a", "kept", CopyOptions::new()).await?;
    same(
        "content type of a copy",
        c.stat("kept").await?.attributes.content_type.as_deref(),
        Some("text/csv"),
    )?;
    let mut attributes = Attributes::new();
    attributes.content_type = Some("text/plain".into());
    copy(&c, "a", "new", CopyOptions::new().attributes(attributes)).await?;
    same("new content type", c.stat("new").await?.attributes.content_type.as_deref(), Some("text/plain"))?;
    same("that of the source", c.stat("a").await?.attributes.content_type.as_deref(), Some("text/csv"))
}

async fn link(c: Context) -> Result<(), Failure> {
    c.put("target", "the target's content").await?;
    c.store.write(&Key::new("link")?, "target", WriteOptions::new().kind(FileKind::Symlink)).await?;
    copy(&c, "link", "second", CopyOptions::new()).await?;
    same("kind", c.stat("second").await?.kind, FileKind::Symlink)?;
    c.contains("second", b"target").await
}

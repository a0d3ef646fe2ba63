//! Copies to another store, made by the service where it can and carried where it cannot.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use storage_core::{
    Attributes, Condition, CopyTarget, ErrorKind, Event, FileKind, Journal, Key, ListOptions, Operation,
    Progress, Store, TransferOptions, UnixAttributes, WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::fault::{FaultLayer, Plan};
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("transfer", "XFER-1", "a-copy-is-its-source", |c| Box::pin(content(c))),
    Case::new("transfer", "XFER-1", "a-copy-keeps-what-the-store-keeps", |c| Box::pin(kept(c))),
    Case::new("transfer", "XFER-1", "a-copy-of-a-link-is-a-link-or-refused", |c| Box::pin(link(c)))
        .needs(needs::symlinks),
    Case::new("transfer", "XFER-1", "a-copy-onto-itself-changes-nothing", |c| Box::pin(itself(c))),
    Case::new("transfer", "XFER-2", "a-missing-source-is-not-found", |c| Box::pin(missing(c))),
    Case::new("transfer", "XFER-2", "each-of-many-has-its-own-result", |c| Box::pin(many(c))),
    Case::new("transfer", "XFER-5", "a-copy-that-was-cut-off-goes-on", |c| Box::pin(cut_off(c))),
    Case::new("transfer", "XFER-5", "a-copy-of-another-source-begins-anew", |c| Box::pin(other_source(c))),
    Case::new("transfer", "WRITE-4", "a-copy-to-another-store-if-absent", |c| Box::pin(if_absent(c)))
        .needs(needs::create_if_absent),
];

/// The same store as another one that no service knows, so that the bytes are carried, in small ranges and parts.
fn stranger(c: &Context) -> Store {
    let small = c.part_size() as u64;
    c.store.layer(&FaultLayer::new(Plan::new()).declare(move |can| {
        can.limits.range_preferred = small;
        can.limits.part_preferred = small;
        can.limits.write_max = can.limits.write_max.min(small);
    }))
}

/// From where to where.
fn ways(c: &Context) -> [(&'static str, Store, Store); 4] {
    let stranger = stranger(c);
    [
        ("within", c.store.clone(), c.store.clone()),
        ("out", c.store.clone(), stranger.clone()),
        ("in", stranger.clone(), c.store.clone()),
        ("between", stranger.clone(), stranger.layer(&FaultLayer::new(Plan::new()))),
    ]
}

async fn content(c: Context) -> Result<(), Failure> {
    let (a, b) = (Key::new("a")?, Key::new("d/b")?);
    for (way, from, to) in ways(&c) {
        for body in [Bytes::new(), c.body(Way::OneShot, 1), c.body(Way::Parts, 1)] {
            c.put("a", body.clone()).await?;
            let done = from.copy_to(&a, &to, &b, TransferOptions::new()).await?;
            let size = body.len() as u64;
            holds(done.verified, format_args!("expected a copy {way} to be verified"))?;
            c.contains("d/b", &body).await?;
            c.contains("a", &body).await?;
            let found = c.stat("d/b").await?;
            same("size told and found", (done.metadata.size, found.size), (size, size))?;
            same("ETag found and told", found.etag, done.metadata.etag)?;
            same("version found and told", found.version, done.metadata.version)?;
        }
        c.store.delete(b.clone()).await?;
    }
    c.nothing_left_over().await
}

async fn kept(c: Context) -> Result<(), Failure> {
    let mut attributes = Attributes::new();
    if c.can.content_headers {
        attributes.content_type = Some("text/csv".into());
    }
    if c.can.user_metadata {
        attributes.user.insert("kept".into(), "yes".into());
    }
    for way in Way::BOTH {
        let mut options = WriteOptions::new().attributes(attributes.clone());
        if c.can.set_modified {
            options = options.modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000));
        }
        if c.can.unix_attributes {
            options = options.unix(UnixAttributes { mode: 0o640, uid: 0, gid: 0 }, false);
        }
        c.write_by(way, "a", c.body(way, 1), options).await?;
        let source = c.stat("a").await?;
        for (by, from, to) in ways(&c) {
            c.put("b", "an old one").await?;
            from.copy_to(&Key::new("a")?, &to, &Key::new("b")?, TransferOptions::new()).await?;
            let copy = c.stat("b").await?;
            same(format_args!("attributes of a copy {by}"), copy.attributes, attributes.clone())?;
            if c.can.set_modified {
                same(format_args!("time of a copy {by}"), copy.modified, source.modified)?;
            }
            let mode = |unix: Option<UnixAttributes>| unix.map(|unix| unix.mode);
            if c.can.unix_attributes {
                same(format_args!("permissions of a copy {by}"), mode(copy.unix), mode(source.unix))?;
            }
        }
    }
    Ok(())
}

async fn link(c: Context) -> Result<(), Failure> {
    c.put("target", "the target's content").await?;
    let options = WriteOptions::new().kind(FileKind::Symlink);
    c.store.write(&Key::new("link")?, "target", options).await?;
    for (way, from, to) in ways(&c) {
        let done = from.copy_to(&Key::new("link")?, &to, &Key::new(way)?, TransferOptions::new()).await?;
        same(format_args!("kind told of a copy {way}"), done.metadata.kind, FileKind::Symlink)?;
        let found = c.stat(way).await?.kind;
        same(format_args!("kind of a copy {way}"), found, FileKind::Symlink)?;
        c.contains(way, b"target").await?;
    }
    let without = c.store.layer(&FaultLayer::new(Plan::new()).declare(|can| can.symlinks = false));
    c.put("old", "old").await?;
    let options = TransferOptions::new();
    let copied = c.store.copy_to(&Key::new("link")?, &without, &Key::new("old")?, options).await;
    fails("a copy of a link to a store without", copied, ErrorKind::Unsupported)?;
    c.contains("old", b"old").await
}

async fn itself(c: Context) -> Result<(), Failure> {
    for body in [Bytes::new(), c.body(Way::Parts, 1)] {
        c.put("a", body.clone()).await?;
        let before = c.stat("a").await?;
        let a = Key::new("a")?;
        c.store.copy_to(&a, &c.store.clone(), &a, TransferOptions::new()).await?;
        same("metadata", c.stat("a").await?, before)?;
        c.contains("a", &body).await?;
        if c.can.create_if_absent.is_supported() {
            let options = TransferOptions::new().condition(Condition::IfAbsent);
            let copied = c.store.copy_to(&a, &c.store, &a, options).await;
            fails("copy onto itself if absent", copied, ErrorKind::AlreadyExists)?;
        }
    }
    same("listing", c.names("", ListOptions::new()).await?, ["a"])
}

async fn missing(c: Context) -> Result<(), Failure> {
    c.put("there", "old").await?;
    for (way, from, to) in ways(&c) {
        for name in ["there", "new", "a"] {
            let copied = from.copy_to(&Key::new("a")?, &to, &Key::new(name)?, TransferOptions::new()).await;
            let error =
                fails(format_args!("copy of nothing {way} to `{name}`"), copied, ErrorKind::NotFound)?;
            same("key of the error", error.key(), Some("a"))?;
        }
    }
    c.contains("there", b"old").await?;
    same("listing", c.names("", ListOptions::new()).await?, ["there"])?;
    c.nothing_left_over().await
}

async fn many(c: Context) -> Result<(), Failure> {
    let names: Vec<String> = (0..9).map(|n| format!("from/{n}")).collect();
    for (n, name) in names.iter().enumerate().filter(|(n, _)| n % 4 != 2) {
        c.put(name, pattern(n as u64, 3000)).await?;
    }
    for (way, from, to) in ways(&c) {
        let copies = names
            .iter()
            .enumerate()
            .map(|(n, name)| Ok(CopyTarget::new(Key::new(name)?, Key::new(format!("{way}/{n}"))?)))
            .collect::<Result<Vec<_>, storage_core::Error>>()?;
        let done = from.copy_all_to(&copies, &to, &TransferOptions::new()).await;
        same("results", done.len(), names.len())?;
        for (n, done) in done.into_iter().enumerate() {
            let to = format!("{way}/{n}");
            if n % 4 == 2 {
                let error = fails("a copy of nothing among others", done, ErrorKind::NotFound)?;
                same("key of the error", error.key(), Some(names[n].as_str()))?;
                c.lacks(&to).await?;
            } else {
                done?;
                c.contains(&to, &pattern(n as u64, 3000)).await?;
            }
        }
    }
    Ok(())
}

/// Counts bytes that are written, and can wait until there are so many.
#[derive(Debug, Default)]
struct Written(tokio::sync::watch::Sender<u64>);

impl Progress for Written {
    fn event(&self, event: Event<'_>) {
        if let Event::Bytes { operation: Operation::Write, count, .. } = event {
            self.0.send_modify(|written| *written += count);
        }
    }
}

impl Written {
    async fn reaches(&self, bytes: u64) {
        // Cannot fail: the other end is here.
        let _ = self.0.subscribe().wait_for(|written| *written >= bytes).await;
    }
}

/// A copy is written down from this size on.
const WRITTEN_DOWN: usize = 32 << 20;

/// Begins to copy `a` to `b` and is cut off in the middle, as if the process had been killed.
async fn begin(c: &Context, from: &Store, body: &[u8], options: &TransferOptions) -> Result<(), Failure> {
    let written = Arc::new(Written::default());
    let to = c.store.with_progress(written.clone());
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    let copy = pin!(from.copy_to(&a, &to, &b, options.clone()));
    match select(copy, pin!(written.reaches(WRITTEN_DOWN as u64 / 2))).await {
        // A store that takes all of it at once is done by then.
        Either::Left((done, _)) => done.map(drop)?,
        Either::Right(_) => {
            // Cut off behind its last part, all of it may stand there, and else nothing.
            if c.store.exists(&b).await? {
                c.contains("b", body).await?;
            }
        }
    }
    Ok(())
}

async fn cut_off(c: Context) -> Result<(), Failure> {
    let journal = tempfile::tempdir()?;
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    let body = pattern(5, WRITTEN_DOWN + 12_345);
    c.put("a", body.clone()).await?;
    let from = stranger(&c);
    // One part after another, and side by side.
    for streams in [1, 2] {
        let options =
            TransferOptions::new().concurrency(streams).resume(Journal::new(journal.path()), "conformance");
        begin(&c, &from, &body, &options).await?;
        c.store.delete(b.clone()).await?;
        begin(&c, &from, &body, &options).await?;
        from.copy_to(&a, &c.store, &b, options).await?;
        c.contains("b", &body).await?;
        same("entries of the journal", std::fs::read_dir(journal.path())?.count(), 0)?;
        c.store.delete(b.clone()).await?;
    }
    Ok(())
}

async fn other_source(c: Context) -> Result<(), Failure> {
    let journal = tempfile::tempdir()?;
    let options = TransferOptions::new().concurrency(2).resume(Journal::new(journal.path()), "conformance");
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    let body = pattern(6, WRITTEN_DOWN + 12_345);
    c.put("a", body.clone()).await?;
    let from = stranger(&c);
    begin(&c, &from, &body, &options).await?;
    // As large as the old one: nothing but its version tells them apart.
    let body = pattern(7, WRITTEN_DOWN + 12_345);
    c.put("a", body.clone()).await?;
    from.copy_to(&a, &c.store, &b, options).await?;
    c.contains("b", &body).await?;
    same("entries of the journal", std::fs::read_dir(journal.path())?.count(), 0)
}

async fn if_absent(c: Context) -> Result<(), Failure> {
    for body in [c.body(Way::OneShot, 1), c.body(Way::Parts, 1)] {
        c.put("a", body.clone()).await?;
        c.put("there", "old").await?;
        for (way, from, to) in ways(&c) {
            let options = TransferOptions::new().condition(Condition::IfAbsent);
            let copied = from.copy_to(&Key::new("a")?, &to, &Key::new("there")?, options.clone()).await;
            fails(format_args!("copy {way} over an object if absent"), copied, ErrorKind::AlreadyExists)?;
            c.contains("there", b"old").await?;
            from.copy_to(&Key::new("a")?, &to, &Key::new("new")?, options).await?;
            c.contains("new", &body).await?;
            c.store.delete(Key::new("new")?).await?;
        }
    }
    c.nothing_left_over().await
}

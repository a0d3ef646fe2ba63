//! How many requests an operation makes. A hidden one costs a round trip and a gap between check and act.

use storage_core::{DeleteTarget, Error, Key, ListOptions, ReadOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::same;
use crate::failure::Failure;
use crate::fault::{Call, CallCounts};

pub(crate) const CASES: &[Case] = &[
    Case::new("requests", "READ-2", "a-read-is-one-request", |c| Box::pin(read(c))),
    Case::new("requests", "READ-3", "an-empty-range-reads-nothing", |c| Box::pin(empty_range(c))),
    Case::new("requests", "READ-1", "ranges-close-together-share-a-request", |c| Box::pin(ranges(c))),
    Case::new("requests", "WRITE-1", "a-small-write-is-one-request", |c| Box::pin(write(c))),
    Case::new("requests", "WRITE-4", "a-small-conditional-write-is-one-request", |c| Box::pin(create(c)))
        .needs(|can| {
            (!can.create_if_absent.is_supported()).then(|| "it cannot create only if absent".into())
        }),
    Case::new("requests", "LIST-3", "a-listing-is-its-pages", |c| Box::pin(list(c))),
    Case::new("requests", "DEL-1", "a-batch-is-as-few-requests-as-the-service-takes", |c| {
        Box::pin(delete(c))
    }),
];

fn counted(mut c: Context) -> (Context, CallCounts) {
    let counts = CallCounts::new();
    c.store = c.store.layer(&counts);
    (c, counts)
}

/// Exactly these calls were made.
#[track_caller]
fn calls(what: &str, counts: &CallCounts, expected: &str) -> Result<(), Failure> {
    let made = counts.journal().to_string();
    counts.journal().clear();
    same(format_args!("requests of {what}"), made, expected)
}

async fn read(c: Context) -> Result<(), Failure> {
    c.put("a", pattern(1, 1000)).await?;
    let (c, counts) = counted(c);
    c.get("a").await?;
    calls("a read", &counts, "1 Read")?;
    let key = Key::new("a")?;
    c.store.read(&key, ReadOptions::new().range(10..20)).await?;
    calls("a ranged read", &counts, "1 Read")?;
    let none = c.store.read(&Key::new("none")?, ReadOptions::new()).await;
    same("a missing object", none.is_err(), true)?;
    calls("a read of nothing", &counts, "1 Read")?;
    c.stat("a").await?;
    calls("a stat", &counts, "1 Stat")
}

async fn empty_range(c: Context) -> Result<(), Failure> {
    c.put("a", "content").await?;
    let (c, counts) = counted(c);
    c.store.read(&Key::new("a")?, ReadOptions::new().range(3..3)).await?;
    same("reads of an empty range", counts.journal().count(Call::Read), 0)?;
    counts.journal().clear();
    c.store.read_ranges(&Key::new("a")?, &[], ReadOptions::new()).await?;
    calls("a vectored read of nothing", &counts, "no call")
}

async fn ranges(c: Context) -> Result<(), Failure> {
    c.put("a", pattern(1, 10_000)).await?;
    let (c, counts) = counted(c);
    c.store.read_ranges(&Key::new("a")?, &[0..10, 5000..5010, 7..20], ReadOptions::new()).await?;
    calls("a vectored read", &counts, "1 Read")
}

async fn write(c: Context) -> Result<(), Failure> {
    let (c, counts) = counted(c);
    c.put("a", "content").await?;
    calls("a write", &counts, "1 Write")?;
    let mut writer = c.store.writer(&Key::new("b")?, WriteOptions::new()).await?;
    writer.write("con").await?;
    writer.write("tent").await?;
    writer.finish().await?;
    calls("a short writer", &counts, "1 Write")
}

async fn create(c: Context) -> Result<(), Failure> {
    let (c, counts) = counted(c);
    c.store.write(&Key::new("a")?, "content", WriteOptions::new().if_absent()).await?;
    calls("a conditional write", &counts, "1 Write")
}

async fn list(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "b", "c"]).await?;
    let (c, counts) = counted(c);
    c.names("", ListOptions::new()).await?;
    let (pages, total) = (counts.journal().count(Call::Page), counts.journal().total());
    same("requests of a listing beside its pages", total - pages, 0)
}

async fn delete(c: Context) -> Result<(), Failure> {
    let names = ["a", "b", "c", "d", "e"];
    c.fill(&names).await?;
    let (c, counts) = counted(c);
    let targets: Result<Vec<_>, Error> = names.iter().map(|n| Key::new(n).map(DeleteTarget::new)).collect();
    for (target, result) in c.store.delete_all(targets?).await {
        same(format_args!("deleting {}", target.key), result.is_ok(), true)?;
    }
    let requests = names.len().div_ceil(c.can.limits.delete_batch.max(1));
    calls("five deletes", &counts, &format!("{requests} Delete"))
}

//! One read is of one version, whatever happens to the object meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{Error, ErrorKind, Key, ReadOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("consistency", "READ-2", "overwritten-by-as-many-bytes", |c| Box::pin(overwritten(c, SIZE))),
    Case::new("consistency", "READ-2", "overwritten-by-fewer-bytes", |c| Box::pin(overwritten(c, SIZE / 3))),
    Case::new("consistency", "READ-2", "overwritten-by-more-bytes", |c| Box::pin(overwritten(c, SIZE * 2))),
    Case::new("consistency", "READ-2", "deleted-while-read", |c| Box::pin(deleted(c))),
    Case::new("consistency", "READ-2", "metadata-is-of-the-bytes-read", |c| Box::pin(metadata(c)))
        .needs(needs::atomic_publish)
        .threads(),
    Case::new("consistency", "READ-2", "vectored-pieces-are-of-one-version", |c| Box::pin(vectored(c)))
        .needs(needs::atomic_publish)
        .threads(),
    Case::new("consistency", "READ-2", "every-overwrite-changes-the-etag", |c| Box::pin(etags(c))),
    Case::new("consistency", "WRITE-1", "readers-see-old-or-new-whole", |c| Box::pin(whole(c)))
        .needs(needs::atomic_publish)
        .threads(),
];

const SIZE: usize = 4 << 20;
/// Overwrites of one racing case.
const ROUNDS: u64 = 40;

/// The rest of a read that was begun: the old bytes or an error that says so.
async fn overwritten(c: Context, new_size: usize) -> Result<(), Failure> {
    let old = pattern(1, SIZE);
    c.put("a", old.clone()).await?;
    let mut reader = c.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = reader.try_next().await?.map(|first| first.to_vec()).unwrap_or_default();
    c.put("a", pattern(2, new_size)).await?;
    let rest: Result<Vec<Bytes>, Error> = reader.try_collect().await;
    old_or_changed(&mut seen, rest, &old)?;
    c.contains("a", &pattern(2, new_size)).await
}

async fn deleted(c: Context) -> Result<(), Failure> {
    let old = pattern(1, SIZE);
    c.put("a", old.clone()).await?;
    let mut reader = c.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = reader.try_next().await?.map(|first| first.to_vec()).unwrap_or_default();
    c.store.delete(Key::new("a")?).await?;
    let rest: Result<Vec<Bytes>, Error> = reader.try_collect().await;
    old_or_changed(&mut seen, rest, &old)?;
    c.lacks("a").await
}

fn old_or_changed(seen: &mut Vec<u8>, rest: Result<Vec<Bytes>, Error>, old: &[u8]) -> Result<(), Failure> {
    match rest {
        Ok(chunks) => {
            chunks.iter().for_each(|chunk| seen.extend_from_slice(chunk));
            same_bytes("a read that was begun before the change", seen, old)
        }
        Err(error) => {
            fails("a read whose object changed", Err::<(), _>(error), ErrorKind::PreconditionFailed)?;
            same_bytes("what was read before the error", seen, &old[..seen.len()])
        }
    }
}

/// Overwrites `a` again and again with one of two contents of different size, until told to stop.
struct Overwriter {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<(), Failure>>,
}

fn content(seed: u64) -> Bytes {
    pattern(seed, if seed.is_multiple_of(2) { 700_000 } else { 900_000 })
}

impl Overwriter {
    async fn start(c: &Context) -> Result<Self, Failure> {
        c.put("a", content(0)).await?;
        let (stop, c) = (Arc::new(AtomicBool::new(false)), c.clone());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            for seed in (0..2).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let way = Way::BOTH[usize::from(seed == 1)];
                c.write_by(way, "a", content(seed), WriteOptions::new()).await?;
            }
            Ok(())
        });
        Ok(Self { stop, task })
    }

    async fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

fn is_one_of_both(what: &str, bytes: &[u8]) -> Result<(), Failure> {
    let whole = bytes == content(0) || bytes == content(1);
    holds(whole, format!("{what}: expected the old or the new bytes, got {} others", bytes.len()))
}

async fn whole(c: Context) -> Result<(), Failure> {
    let overwriter = Overwriter::start(&c).await?;
    for _ in 0..ROUNDS {
        match c.get("a").await {
            Ok(bytes) => is_one_of_both("a read beside a writer", &bytes)?,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
        let size = c.stat("a").await?.size;
        holds(size == 700_000 || size == 900_000, format!("expected the size of old or new, got {size}"))?;
    }
    overwriter.stop().await
}

async fn metadata(c: Context) -> Result<(), Failure> {
    let overwriter = Overwriter::start(&c).await?;
    let mut names = [None, None];
    for _ in 0..ROUNDS {
        let read = match c.store.read(&Key::new("a")?, ReadOptions::new().range(0..600_000)).await {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => continue,
            Err(error) => return Err(error.into()),
        };
        let seed = u64::from(read.metadata.size == 900_000);
        same_bytes("bytes for the size told", &read.bytes, &content(seed)[..600_000])?;
        let Some(etag) = read.metadata.etag else { continue };
        let other = &names[1 - seed as usize];
        holds(other.as_ref() != Some(&etag), format!("expected two contents to have two ETags, got {etag}"))?;
        names[seed as usize] = Some(etag);
    }
    overwriter.stop().await
}

/// Pieces far enough apart to travel in requests of their own.
async fn vectored(c: Context) -> Result<(), Failure> {
    if c.put("a", "").await?.etag.is_none() {
        return Err(Failure::ignored("the store names no version that several requests could share"));
    }
    let overwriter = Overwriter::start(&c).await?;
    let ranges = [0..1000, 300_000..301_000, 600_000..601_000];
    for _ in 0..ROUNDS {
        match c.store.read_ranges(&Key::new("a")?, &ranges, ReadOptions::new()).await {
            Ok(pieces) => {
                let of = |seed: u64| {
                    let whole = content(seed);
                    ranges.iter().zip(&pieces).all(|(r, p)| whole[r.start as usize..r.end as usize] == **p)
                };
                holds(of(0) || of(1), "expected pieces of one version, got pieces of two")?;
            }
            Err(error) => drop(fails(
                "pieces of a changing object",
                Err::<(), _>(error),
                ErrorKind::PreconditionFailed,
            )?),
        }
    }
    overwriter.stop().await
}

/// The same size within one tick of a clock is where size and time are no proof.
async fn etags(c: Context) -> Result<(), Failure> {
    let mut seen = Vec::new();
    for round in 0..30u8 {
        let Some(etag) = c.put("a", vec![round; 16]).await?.etag else {
            return Err(Failure::ignored("the store names no ETags"));
        };
        same("ETag of a stat", c.stat("a").await?.etag.as_ref(), Some(&etag))?;
        holds(!seen.contains(&etag), format!("expected a new ETag for new content, got {etag} again"))?;
        seen.push(etag);
    }
    Ok(())
}

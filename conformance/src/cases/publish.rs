//! A write publishes all of it or nothing.

use storage_core::{Error, ErrorKind, Key, ListOptions, Prefix, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way, polled};
use crate::expect::{fails, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("write", "WRITE-1", "nothing-shows-before-finish", |c| Box::pin(invisible(c))),
    Case::new("write", "WRITE-1", "the-old-stands-until-finish", |c| Box::pin(old_until_finish(c))),
    Case::new("write", "WRITE-2", "abort-leaves-old", |c| Box::pin(abort(c))),
    Case::new("write", "WRITE-2", "drop-leaves-old", |c| Box::pin(dropped(c))),
    Case::new("write", "WRITE-2", "a-producer-that-panics-leaves-old", |c| Box::pin(panicked(c))),
    Case::new("write", "WRITE-2", "a-cancelled-chunk-is-never-published", |c| Box::pin(cancelled_chunk(c))),
    Case::new("write", "WRITE-2", "an-abort-shows-no-trace", |c| Box::pin(no_trace(c))),
    Case::new("write", "WRITE-2", "cleanup-spares-a-write-in-progress", |c| Box::pin(cleanup_in_use(c)))
        .needs(needs::cleanup),
    Case::new("write", "WRITE-2", "cleanup-spares-objects", |c| Box::pin(cleanup_objects(c)))
        .needs(needs::cleanup),
];

async fn invisible(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        let content = c.body(way, 1);
        let mut writer = c.begin("a", WriteOptions::new()).await?;
        c.feed(&mut writer, content.clone()).await?;
        c.lacks("a").await?;
        same("listing", c.names("", ListOptions::new().directories(true)).await?, [""; 0])?;
        same("level", c.names("", ListOptions::new().delimiter('/')).await?, [""; 0])?;
        writer.finish().await?;
        c.contains("a", &content).await?;
        c.store.delete(Key::new("a")?).await?;
    }
    Ok(())
}

async fn old_until_finish(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        let before = c.get("a").await?;
        let content = c.body(way, 2);
        let mut writer = c.begin("a", WriteOptions::new()).await?;
        c.feed(&mut writer, content.clone()).await?;
        c.contains("a", &before).await?;
        same("size", c.stat("a").await?.size, before.len() as u64)?;
        writer.finish().await?;
        c.contains("a", &content).await?;
    }
    Ok(())
}

async fn abort(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        let mut writer = c.begin("a", WriteOptions::new()).await?;
        c.feed(&mut writer, c.body(way, 1)).await?;
        writer.abort().await?;
        c.is_alone("a", b"old").await?;
    }
    c.begin("a", WriteOptions::new()).await?.abort().await?;
    c.is_alone("a", b"old").await
}

async fn dropped(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        let mut writer = c.begin("a", WriteOptions::new()).await?;
        c.feed(&mut writer, c.body(way, 1)).await?;
        drop(writer);
        c.is_alone("a", b"old").await?;
    }
    Ok(())
}

async fn panicked(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        let producer = c.clone();
        let task = tokio::spawn(async move {
            let mut writer = producer.begin("a", WriteOptions::new()).await?;
            producer.feed(&mut writer, producer.body(way, 1)).await?;
            // Not `panic!`: the message of the default hook would look like a failure of the suite.
            std::panic::resume_unwind(Box::new("the producer gave up"));
            #[allow(unreachable_code)]
            Ok::<(), Error>(())
        });
        same("whether the producer panicked", task.await.is_err_and(|e| e.is_panic()), true)?;
        c.is_alone("a", b"old").await?;
    }
    Ok(())
}

/// Nobody knows how much of a cancelled chunk was taken, so the writer must not publish.
async fn cancelled_chunk(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    let mut cancelled = false;
    for polls in 0..4 {
        let mut writer = c.begin("a", WriteOptions::new().concurrency(1)).await?;
        let pending = polled(writer.write(c.body(Way::Parts, 1)), polls).await.is_none();
        if pending && polls > 0 {
            cancelled = true;
            let finish = writer.finish().await;
            fails("finish after a cancelled write", finish, ErrorKind::Cancelled)?;
        } else {
            writer.abort().await?;
        }
        c.is_alone("a", b"old").await?;
    }
    same("whether a write of several parts ever had to wait", cancelled, true)
}

/// A key that never was: not as an object, not as a version, not as a directory full of parts.
async fn no_trace(c: Context) -> Result<(), Failure> {
    for (name, finish) in [("a", false), ("a", true)] {
        let mut writer = c.begin(name, WriteOptions::new().size(1)).await?;
        let fed = c.feed(&mut writer, c.body(Way::Parts, 1)).await;
        fails("more than promised", fed, ErrorKind::InvalidData)?;
        if finish {
            fails("finish after an error", writer.finish().await, ErrorKind::Cancelled)?;
        } else {
            writer.abort().await?;
        }
        c.nothing_left_over().await?;
        c.lacks(name).await?;
        same("listing", c.names("", ListOptions::new().directories(true)).await?, [""; 0])?;
        if c.can.versions {
            same("versions", c.names("", ListOptions::new().versions(true)).await?, [""; 0])?;
        }
    }
    Ok(())
}

async fn cleanup_in_use(c: Context) -> Result<(), Failure> {
    let content = c.body(Way::Parts, 1);
    let mut writer = c.begin("a", WriteOptions::new()).await?;
    let mut rest = content.clone();
    c.feed(&mut writer, rest.split_to(content.len() * 2 / 3)).await?;
    c.store.cleanup(&Prefix::root()).await?;
    c.feed(&mut writer, rest).await?;
    c.store.cleanup(&Prefix::root()).await?;
    writer.finish().await?;
    c.contains("a", &content).await
}

async fn cleanup_objects(c: Context) -> Result<(), Failure> {
    let names =
        ["a", "a.tmp", "a.partial", ".haul-0123456789abcdef.tmp", ".tmp", ".uploads/x", "tmp/x", "empty"];
    let taken = c.fill_possible(&names).await?;
    c.store.cleanup(&Prefix::root()).await?;
    for name in taken {
        c.contains(name, name.as_bytes()).await?;
    }
    Ok(())
}

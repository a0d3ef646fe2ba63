//! Connections that end under a client are replaced. These cases run on any wire.

use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::join;
use storage_core::{ErrorKind, Key, ListOptions, ReadOptions, WriteOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;
use crate::proxy::{ConnectionFault, Plan};

pub(crate) const CASES: &[Case] = &[
    Case::new("connection", "ERR-3", "idle-connections-that-were-reset", |c| Box::pin(idle(c))),
    Case::new("connection", "ERR-3", "refused-connections", |c| Box::pin(refused(c))),
    Case::new("connection", "READ-1", "reset-while-reading", |c| Box::pin(reading(c))),
    Case::new("connection", "WRITE-2", "reset-while-writing", |c| Box::pin(writing(c))),
];

async fn idle(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c);
    rig.faulty.put("a", "old").await?;
    rig.proxy.cut_all();
    same_bytes("content", &rig.faulty.get("a").await?, b"old")?;
    rig.proxy.cut_all();
    rig.faulty.put("a", "new").await?;
    rig.proxy.cut_all();
    rig.faulty.stat("a").await?;
    same_bytes("content", &rig.calm.get("a").await?, b"new")
}

async fn refused(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c);
    rig.faulty.put("a", "content").await?;
    rig.proxy.set(Plan::new().connection(0..2, ConnectionFault::Refuse));
    rig.proxy.cut_all();
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    rig.all_met()
}

async fn reading(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c);
    // More than what sockets and buffers take on the way.
    let content = pattern(1, 20 << 20);
    let stored = rig.calm.write_by(Way::Parts, "a", content.clone(), WriteOptions::new()).await?;
    let mut reader = rig.faulty.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
    let mut seen = reader.try_next().await?.unwrap_or_default().to_vec();
    rig.proxy.cut_all();
    let rest = reader.collect().await;
    if !names_version(&stored) {
        return fails("a broken read without a version to continue", rest, ErrorKind::Unsupported).map(drop);
    }
    seen.extend_from_slice(&rest?);
    same_bytes("content", &seen, &content)
}

/// Wherever the cuts fall: after a success the object is the new one, after an error it is the old one, or the new one
/// if the error leaves that open.
async fn writing(c: Context) -> Result<(), Failure> {
    let rig = Rig::new(c).attempts(20);
    rig.calm.put("a", "old").await?;
    // Long enough to be under way when the cuts come.
    let content = pattern(1, rig.parts_content(1).len().max(1 << 20));
    let cuts = async {
        for wait in [1, 2, 4, 8, 16] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            rig.proxy.cut_all();
        }
    };
    let (written, ()) = join(rig.put_parts("a", &content, WriteOptions::new()), cuts).await;
    let found = rig.calm.get("a").await?;
    match written {
        Err(error) if found != content || !error.may_have_been_applied() => {
            same_bytes("content after a failed write", &found, b"old")?;
        }
        _ => same_bytes("content", &found, &content)?,
    }
    same("what is listed", rig.calm.names("", ListOptions::new()).await?, ["a"])
}

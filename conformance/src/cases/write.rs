//! What a finished write left, part by part and byte by byte.

use bytes::Bytes;
use storage_core::{Algorithm, ErrorKind, Key, ListOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way, pattern};
use crate::expect::{fails, same, same_bytes};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("write", "WRITE-3", "the-answer-equals-a-stat", |c| Box::pin(answer(c))),
    Case::new("write", "WRITE-5", "parts-take-their-place", |c| Box::pin(parts(c))).threads(),
    Case::new("write", "WRITE-5", "bodies-around-the-part-size", |c| Box::pin(part_edges(c))),
    Case::new("write", "WRITE-5", "two-writers-of-one-key-do-not-mix", |c| Box::pin(two_writers(c)))
        .threads(),
    Case::new("write", "WRITE-6", "no-bytes-make-an-empty-object", |c| Box::pin(empty(c))),
    Case::new("write", "WRITE-6", "a-shorter-object-leaves-no-tail", |c| Box::pin(no_tail(c))),
    Case::new("write", "WRITE-8", "a-wrong-checksum-leaves-old", |c| Box::pin(wrong_checksum(c))),
    Case::new("write", "WRITE-8", "a-right-checksum-publishes", |c| Box::pin(right_checksum(c))),
    Case::new("write", "WRITE-8", "a-wrong-size-leaves-old", |c| Box::pin(wrong_size(c))),
];

async fn answer(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        for content in [c.body(way, 1), c.body(way, 2), Bytes::new()] {
            let told = c.write_by(way, "a", content.clone(), WriteOptions::new()).await?;
            let found = c.stat("a").await?;
            same(format!("size, by {way:?}"), told.size, content.len() as u64)?;
            same(format!("size of a stat, by {way:?}"), found.size, told.size)?;
            same(format!("ETag of a stat, by {way:?}"), &found.etag, &told.etag)?;
            same(format!("version of a stat, by {way:?}"), &found.version, &told.version)?;
            same(format!("kind of a stat, by {way:?}"), found.kind, told.kind)?;
            if told.modified.is_some() {
                same(format!("modification time of a stat, by {way:?}"), found.modified, told.modified)?;
            }
        }
    }
    Ok(())
}

async fn parts(c: Context) -> Result<(), Failure> {
    let size = c.part_size();
    let count = if size > 1 << 20 { 4 } else { 23 };
    let content = pattern(1, size * count + size / 2);
    for concurrency in [1, 2, 16] {
        let options = WriteOptions::new().part_size(size as u64).concurrency(concurrency);
        let mut writer = c.store.writer(&Key::new("a")?, options.checksum(Algorithm::Blake3)).await?;
        c.feed(&mut writer, content.clone()).await?;
        let told = writer.finish().await?;
        same("size", told.size, content.len() as u64)?;
        let sum = Algorithm::Blake3.digest(&content);
        same("checksum", told.checksums.get(Algorithm::Blake3), Some(sum))?;
        c.contains("a", &content).await?;
    }
    Ok(())
}

async fn part_edges(c: Context) -> Result<(), Failure> {
    let size = c.part_size();
    for length in [size - 1, size, size + 1, 2 * size - 1, 2 * size, 2 * size + 1] {
        for chunk in [length, size, size / 2 + 1] {
            let content = pattern(length as u64, length);
            let mut writer = c.begin("a", WriteOptions::new()).await?;
            let mut rest = content.clone();
            while !rest.is_empty() {
                writer.write(rest.split_to(chunk.min(rest.len()))).await?;
                writer.write(Bytes::new()).await?;
            }
            writer.finish().await?;
            let what = format!("{length} bytes in chunks of {chunk} and parts of {size}");
            same_bytes(what, &c.get("a").await?, &content)?;
        }
    }
    Ok(())
}

async fn two_writers(c: Context) -> Result<(), Failure> {
    let (one, two) = (c.body(Way::Parts, 1), c.body(Way::Parts, 2));
    let mut first = c.begin("a", WriteOptions::new()).await?;
    let mut second = c.begin("a", WriteOptions::new()).await?;
    let (mut rest_one, mut rest_two) = (one.clone(), two.clone());
    let half = one.len() / 2;
    c.feed(&mut first, rest_one.split_to(half)).await?;
    c.feed(&mut second, rest_two.split_to(half)).await?;
    c.feed(&mut second, rest_two).await?;
    c.feed(&mut first, rest_one).await?;
    second.finish().await?;
    c.contains("a", &two).await?;
    first.finish().await?;
    c.contains("a", &one).await?;
    c.nothing_left_over().await
}

async fn empty(c: Context) -> Result<(), Failure> {
    c.put("one-shot", "").await?;
    c.begin("no-write", WriteOptions::new()).await?.finish().await?;
    let mut writer = c.begin("empty-writes", WriteOptions::new()).await?;
    for _ in 0..3 {
        writer.write(Bytes::new()).await?;
    }
    same("size", writer.finish().await?.size, 0)?;
    for name in ["one-shot", "no-write", "empty-writes"] {
        c.contains(name, b"").await?;
        same(format!("size of `{name}`"), c.stat(name).await?.size, 0)?;
    }
    let mut listed = c.names("", ListOptions::new()).await?;
    listed.sort();
    same("listing", listed, ["empty-writes", "no-write", "one-shot"])?;
    c.put("one-shot", "no longer empty").await?;
    c.begin("one-shot", WriteOptions::new()).await?.finish().await?;
    c.contains("one-shot", b"").await
}

async fn no_tail(c: Context) -> Result<(), Failure> {
    for (longer, shorter) in
        [(Way::OneShot, Way::OneShot), (Way::Parts, Way::OneShot), (Way::Parts, Way::Parts)]
    {
        let long = c.body(longer, 1);
        c.write_by(longer, "a", long.clone(), WriteOptions::new()).await?;
        let short = pattern(2, long.len() - 1);
        c.write_by(shorter, "a", short.clone(), WriteOptions::new()).await?;
        c.contains("a", &short).await?;
        c.write_by(shorter, "a", Bytes::from_static(b"x"), WriteOptions::new()).await?;
        c.contains("a", b"x").await?;
        same("size", c.stat("a").await?.size, 1)?;
    }
    Ok(())
}

async fn wrong_checksum(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        for algorithm in Algorithm::ALL {
            let content = c.body(way, 1);
            let wrong = algorithm.digest(&content[1..]);
            for name in ["a", "new"] {
                let options = WriteOptions::new().expect_checksum(wrong);
                let result = c.write_by(way, name, content.clone(), options).await;
                fails(format!("a wrong {algorithm}, by {way:?}"), result, ErrorKind::InvalidData)?;
            }
        }
        c.is_alone("a", b"old").await?;
    }
    Ok(())
}

async fn right_checksum(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        let content = c.body(way, 1);
        let mut options = WriteOptions::new();
        for algorithm in Algorithm::ALL {
            options = options.expect_checksum(algorithm.digest(&content));
        }
        let told = c.write_by(way, "a", content.clone(), options).await?;
        for algorithm in Algorithm::ALL {
            let sum = algorithm.digest(&content);
            same(format!("{algorithm} told"), told.checksums.get(algorithm), Some(sum))?;
        }
        c.contains("a", &content).await?;
    }
    Ok(())
}

async fn wrong_size(c: Context) -> Result<(), Failure> {
    c.put("a", "old").await?;
    for way in Way::BOTH {
        let content = c.body(way, 1);
        for promised in [0, content.len() as u64 - 1, content.len() as u64 + 1, 1 << 40] {
            let result = c.write_by(way, "a", content.clone(), WriteOptions::new().size(promised)).await;
            fails(format!("{promised} bytes promised, by {way:?}"), result, ErrorKind::InvalidData)?;
        }
        c.is_alone("a", b"old").await?;
        let right = WriteOptions::new().size(content.len() as u64);
        c.write_by(way, "b", content.clone(), right).await?;
        c.contains("b", &content).await?;
        c.store.delete(Key::new("b")?).await?;
    }
    Ok(())
}

//! Exactly the asked bytes of exactly one version.

use std::io::{Cursor, Seek, SeekFrom};

use futures_util::TryStreamExt;
use storage_core::{
    Algorithm, ByteRange, Error, ErrorKind, Key, ReadOptions, SeekReader, StatOptions, WriteOptions,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("read", "READ-1", "every-size-comes-back", |c| Box::pin(sizes(c))),
    Case::new("read", "READ-1", "every-range-is-exact", |c| Box::pin(ranges(c))),
    Case::new("read", "READ-1", "vectored-ranges-come-in-order", |c| Box::pin(vectored(c))),
    Case::new("read", "READ-1", "parallel-reads-do-not-mix", |c| Box::pin(parallel(c))).threads(),
    Case::new("read", "READ-3", "an-end-past-the-object-is-clipped", |c| Box::pin(clipped(c))),
    Case::new("read", "READ-3", "a-start-past-the-object-is-refused", |c| Box::pin(past(c))),
    Case::new("read", "READ-3", "an-empty-object-has-offset-zero-only", |c| Box::pin(empty_object(c))),
    Case::new("read", "READ-3", "a-long-suffix-is-the-object", |c| Box::pin(suffixes(c))),
    Case::new("read", "READ-3", "an-empty-range-is-empty", |c| Box::pin(empty_range(c))),
    Case::new("read", "READ-3", "a-reversed-range-is-refused", |c| Box::pin(reversed(c))),
    Case::new("read", "READ-3", "vectored-ranges-are-clipped-or-refused", |c| Box::pin(vectored_bounds(c))),
    Case::new("read", "READ-6", "a-missing-object-is-not-found", |c| Box::pin(missing(c))),
    Case::new("read", "READ-6", "a-directory-is-no-object", |c| Box::pin(directory(c))),
    Case::new("read", "READ-7", "a-seeking-reader-reads-as-a-file-does", |c| Box::pin(walk(c))),
    Case::new("read", "READ-7", "a-seeking-reader-takes-no-range", |c| Box::pin(seek_range(c))),
    Case::new("read", "READ-2", "a-seeking-reader-stays-on-its-version", |c| Box::pin(seek_version(c))),
    Case::new("read", "SUM-1", "checksums-are-of-the-content", |c| Box::pin(checksums(c))),
];

/// Around the sizes of buffers, chunks and pages.
async fn sizes(c: Context) -> Result<(), Failure> {
    const KIB: usize = 1 << 10;
    let sizes = [0, 1, 2, 4095, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1024 * KIB, 5 * 1024 * KIB + 1];
    for size in sizes {
        let content = pattern(size as u64, size);
        c.put("a", content.clone()).await?;
        let mut reader = c.store.reader(&Key::new("a")?, ReadOptions::new()).await?;
        same("size", reader.metadata().size, size as u64)?;
        same("range", reader.range(), 0..size as u64)?;
        let mut streamed = Vec::new();
        while let Some(chunk) = reader.try_next().await? {
            holds(!chunk.is_empty(), format!("expected no empty chunk in a body of {size} bytes"))?;
            streamed.extend_from_slice(&chunk);
        }
        same_bytes(format!("stream of {size} bytes"), &streamed, &content)?;
        same_bytes(format!("read of {size} bytes"), &c.get("a").await?, &content)?;
        same("size of a stat", c.stat("a").await?.size, size as u64)?;
    }
    Ok(())
}

async fn ranges(c: Context) -> Result<(), Failure> {
    const SIZE: u64 = 200_003;
    let content = pattern(1, SIZE as usize);
    c.put("a", content.clone()).await?;
    let edges = [0, 1, 2, 65_535, 65_536, 65_537, 131_072, SIZE - 2, SIZE - 1, SIZE];
    let mut wanted: Vec<ByteRange> = Vec::new();
    for (at, &start) in edges.iter().enumerate() {
        wanted.extend(edges[at + 1..].iter().map(|&end| ByteRange::Bounded { start, end }));
        wanted.push(ByteRange::Suffix(start));
        if start < SIZE {
            wanted.push(ByteRange::From(start));
        }
    }
    for range in wanted {
        let read = c.store.read(&Key::new("a")?, ReadOptions::new().range(range)).await?;
        let expected = range.resolve(SIZE)?;
        same(format!("the range told for {range:?}"), read.range.clone(), expected.clone())?;
        same(format!("the object's size told for {range:?}"), read.metadata.size, SIZE)?;
        let slice = &content[expected.start as usize..expected.end as usize];
        same_bytes(format!("bytes of {range:?}"), &read.bytes, slice)?;
    }
    Ok(())
}

#[allow(clippy::single_range_in_vec_init)] // lists of ranges
async fn vectored(c: Context) -> Result<(), Failure> {
    let content = pattern(1, 3 << 20);
    let size = content.len() as u64;
    c.put("a", content.clone()).await?;
    let lists: [&[std::ops::Range<u64>]; 8] = [
        &[],
        &[0..size],
        &[10..20, 0..5],
        &[0..10, 10..20, 20..21],
        &[5..9, 5..9, 0..100, 7..8],
        &[size - 1..size, 0..1, size / 2..size / 2 + 1],
        &[0..0, 2_000_000..2_000_010, 5..5, 1_000_000..1_000_010, 0..3],
        &[0..1_500_000, 1_000_000..size, 2_999_999..3_000_000, 3..4],
    ];
    for list in lists {
        let pieces = c.store.read_ranges(&Key::new("a")?, list, ReadOptions::new()).await?;
        same(format!("number of pieces of {list:?}"), pieces.len(), list.len())?;
        for (range, piece) in list.iter().zip(pieces) {
            let slice = &content[range.start as usize..range.end as usize];
            same_bytes(format!("piece {range:?} of {list:?}"), &piece, slice)?;
        }
    }
    Ok(())
}

async fn parallel(c: Context) -> Result<(), Failure> {
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..4u64 {
        c.put(&format!("object-{seed}"), pattern(seed, 300_000)).await?;
    }
    for task in 0..16u64 {
        let c = c.clone();
        tasks.spawn(async move {
            let (name, expected) = (format!("object-{}", task % 4), pattern(task % 4, 300_000));
            c.contains(&name, &expected).await?;
            let (start, end) = (task * 1000, 100_000 + task * 7000);
            let part = c.store.read(&Key::new(&name)?, ReadOptions::new().range(start..end)).await?;
            same_bytes(
                format!("{start}..{end} of {name}"),
                &part.bytes,
                &expected[start as usize..end as usize],
            )
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn clipped(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "0123456789").await?;
    for end in [10, 11, 1 << 40, u64::MAX - 1, u64::MAX] {
        for start in [0, 4, 9] {
            let read = c.store.read(&key, ReadOptions::new().range(start..end)).await?;
            same_bytes(format!("{start}..{end}"), &read.bytes, &b"0123456789"[start as usize..])?;
            same("the real range", read.range, start..10)?;
            same("the full size", read.metadata.size, 10)?;
        }
    }
    let all = c.store.read(&key, ReadOptions::new().range(0..=u64::MAX)).await?;
    same("0..=u64::MAX", &all.bytes[..], b"0123456789".as_slice())
}

async fn past(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "0123456789").await?;
    let refused = ErrorKind::RangeNotSatisfiable;
    for start in [10, 11, 1 << 40, u64::MAX - 1] {
        let read = c.store.read(&key, ReadOptions::new().range(start..)).await;
        fails(format!("{start}.."), read, refused)?;
        let read = c.store.read(&key, ReadOptions::new().range(start..u64::MAX)).await;
        fails(format!("{start}..u64::MAX"), read, refused)?;
    }
    let last = c.store.read(&key, ReadOptions::new().range(u64::MAX..)).await;
    fails("u64::MAX..", last, refused).map(drop)
}

async fn empty_object(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "").await?;
    for range in [ByteRange::Full, ByteRange::From(0), ByteRange::new(0..10), ByteRange::Suffix(5)] {
        let read = c.store.read(&key, ReadOptions::new().range(range)).await?;
        same(format!("{range:?} of an empty object"), (read.bytes.len(), read.range), (0, 0..0))?;
    }
    for range in [ByteRange::From(1), ByteRange::new(1..2)] {
        let read = c.store.read(&key, ReadOptions::new().range(range)).await;
        fails(format!("{range:?} of an empty object"), read, ErrorKind::RangeNotSatisfiable)?;
    }
    Ok(())
}

async fn suffixes(c: Context) -> Result<(), Failure> {
    c.put("a", "0123456789").await?;
    for length in [1, 9, 10, 11, 1 << 40, u64::MAX] {
        let options = ReadOptions::new().range(ByteRange::Suffix(length));
        let read = c.store.read(&Key::new("a")?, options).await?;
        let start = 10 - length.min(10);
        same(format!("the range of the last {length}"), read.range, start..10)?;
        same_bytes(format!("the last {length}"), &read.bytes, &b"0123456789"[start as usize..])?;
    }
    Ok(())
}

async fn empty_range(c: Context) -> Result<(), Failure> {
    c.put("a", "0123456789").await?;
    for at in [0, 5, 10, 11, u64::MAX] {
        let read = c.store.read(&Key::new("a")?, ReadOptions::new().range(at..at)).await?;
        same(format!("bytes of {at}..{at}"), read.bytes.len(), 0)?;
        same(format!("size told for {at}..{at}"), read.metadata.size, 10)?;
    }
    let none = ReadOptions::new().range(ByteRange::Suffix(0));
    same("the last 0", c.store.read(&Key::new("a")?, none).await?.bytes.len(), 0)?;
    let missing = c.store.read(&Key::new("b")?, ReadOptions::new().range(0..0)).await;
    fails("0..0 of a missing object", missing, ErrorKind::NotFound).map(drop)
}

#[allow(clippy::reversed_empty_ranges, clippy::single_range_in_vec_init)] // what is tested, and lists of ranges
async fn reversed(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "0123456789").await?;
    let read = c.store.read(&key, ReadOptions::new().range(7..3)).await;
    fails("7..3", read, ErrorKind::InvalidInput)?;
    for list in [vec![7..3], vec![0..1, 7..3]] {
        let read = c.store.read_ranges(&key, &list, ReadOptions::new()).await;
        fails(format!("vectored {list:?}"), read, ErrorKind::InvalidInput)?;
    }
    Ok(())
}

#[allow(clippy::single_range_in_vec_init)] // lists of ranges
async fn vectored_bounds(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    c.put("a", "0123456789").await?;
    let pieces = c.store.read_ranges(&key, &[8..u64::MAX, 0..2, 4..11], ReadOptions::new()).await?;
    same("clipped pieces", pieces, [&b"89"[..], b"01", b"456789"])?;
    for list in [vec![0..2, 10..11], vec![u64::MAX - 1..u64::MAX]] {
        let read = c.store.read_ranges(&key, &list, ReadOptions::new()).await;
        fails(format!("vectored {list:?}"), read, ErrorKind::RangeNotSatisfiable)?;
    }
    let with_range = c.store.read_ranges(&key, &[0..2, 4..5], ReadOptions::new().range(1..2)).await;
    fails("a list beside a range", with_range, ErrorKind::InvalidInput)?;
    let missing = c.store.read_ranges(&Key::new("b")?, &[0..2, 4..5], ReadOptions::new()).await;
    fails("ranges of a missing object", missing, ErrorKind::NotFound).map(drop)
}

async fn missing(c: Context) -> Result<(), Failure> {
    c.fill(&["b", "ab"]).await?;
    absent(&c, "a").await?;
    absent(&c, "no/such/a").await?;
    c.put("a", "short-lived").await?;
    c.store.delete(Key::new("a")?).await?;
    absent(&c, "a").await
}

async fn directory(c: Context) -> Result<(), Failure> {
    c.fill(&["d/e/x"]).await?;
    absent(&c, "d").await?;
    absent(&c, "d/e").await
}

async fn absent(c: &Context, name: &str) -> Result<(), Failure> {
    let (key, not_found) = (Key::new(name)?, ErrorKind::NotFound);
    c.lacks(name).await?;
    fails(format!("read of `{name}`"), c.get(name).await, not_found)?;
    let ranged = c.store.read(&key, ReadOptions::new().range(5..9)).await;
    fails(format!("5..9 of `{name}`"), ranged, not_found)?;
    let suffix = c.store.read(&key, ReadOptions::new().range(ByteRange::Suffix(5))).await;
    fails(format!("suffix of `{name}`"), suffix, not_found)?;
    let sum = c.store.checksum(&key, &[Algorithm::Sha256], ReadOptions::new()).await;
    fails(format!("checksum of `{name}`"), sum, not_found)?;
    same(format!("whether `{name}` exists"), c.store.exists(&key).await?, false)
}

async fn checksums(c: Context) -> Result<(), Failure> {
    let key = Key::new("a")?;
    for size in [0, 1, 64 << 10, 300_001] {
        let content = pattern(7, size);
        c.put("a", content.clone()).await?;
        let sums = c.store.checksum(&key, &Algorithm::ALL, ReadOptions::new()).await?;
        let told = c.store.stat(&key, StatOptions::new()).await?.checksums;
        for algorithm in Algorithm::ALL {
            let expected = algorithm.digest(&content);
            same(format!("{algorithm} of {size} bytes"), sums.get(algorithm), Some(expected))?;
            if let Some(told) = told.get(algorithm) {
                same(format!("{algorithm} that the service tells"), told, expected)?;
            }
        }
    }
    let part = c.store.checksum(&key, &[Algorithm::Crc32c], ReadOptions::new().range(100..200)).await?;
    let expected = Algorithm::Crc32c.digest(&pattern(7, 300_001)[100..200]);
    same("checksum of a range", part.get(Algorithm::Crc32c), Some(expected))
}

/// A walk by seeks of every kind, beside a cursor that takes the same one.
async fn walk(c: Context) -> Result<(), Failure> {
    for (size, steps) in [(0, 20), (1, 30), (70_000, 30), (2 * (1 << 20) + 17, 40)] {
        let content = pattern(size as u64, size);
        let is_named = c.put("a", content.clone()).await?.etag.is_some();
        let opened = c.store.seek_reader(&Key::new("a")?, ReadOptions::new()).await;
        if !is_named && size > 64 << 10 {
            fails("a reader of what takes several requests", opened, ErrorKind::Unsupported)?;
            continue;
        }
        let mut reader = opened?;
        same("size", reader.metadata().size, size as u64)?;
        let mut file = Cursor::new(&content[..]);
        let mut random = fastrand::Rng::with_seed(size as u64);
        read_beside(&mut reader, &mut file, size.min(1000)).await?;
        for _ in 0..steps {
            let to = seek(&mut random, size as u64);
            seek_beside(&mut reader, &mut file, to).await?;
            let len = [1, 10, 4_097, 70_001][random.usize(..4)];
            read_beside(&mut reader, &mut file, random.usize(0..=len)).await?;
        }
        seek_beside(&mut reader, &mut file, SeekFrom::Start(0)).await?;
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).await.map_err(store_error)?;
        same_bytes(format!("all of {size} bytes"), &whole, &content)?;
        same("bytes behind the end", reader.read(&mut [0; 10]).await.map_err(store_error)?, 0)?;
    }
    let missing = c.store.seek_reader(&Key::new("b")?, ReadOptions::new()).await;
    fails("a reader of a missing object", missing, ErrorKind::NotFound).map(drop)
}

/// Anywhere in the object, near to where it was, far behind the end, or before the beginning.
fn seek(random: &mut fastrand::Rng, size: u64) -> SeekFrom {
    let size = size as i64;
    match random.u8(..16) {
        0 => SeekFrom::Start(u64::MAX - random.u64(..2)),
        1 => SeekFrom::End(random.i64(..)),
        2 => SeekFrom::Current(random.i64(..)),
        3 => SeekFrom::End(random.i64(-2..=2)),
        4..8 => SeekFrom::Current(random.i64(-2_000_000..=400_000)),
        8..10 => SeekFrom::End(-random.i64(0..=size)),
        _ => SeekFrom::Start(random.i64(0..=size + 1) as u64),
    }
}

async fn seek_beside(reader: &mut SeekReader, file: &mut Cursor<&[u8]>, to: SeekFrom) -> Result<(), Failure> {
    let (came, expected) = (reader.seek(to).await, Seek::seek(file, to));
    let (came, expected) = (came.map_err(|e| e.kind()), expected.map_err(|e| e.kind()));
    same(format!("where a seek to {to:?} led"), came, expected)?;
    same("the reader's own word of it", reader.position(), file.position())
}

async fn read_beside(reader: &mut SeekReader, file: &mut Cursor<&[u8]>, len: usize) -> Result<(), Failure> {
    let at = file.position();
    let rest = file.get_ref().get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
    let expected = &rest[..len.min(rest.len())];
    let mut came = Vec::new();
    (&mut *reader).take(len as u64).read_to_end(&mut came).await.map_err(store_error)?;
    same_bytes(format!("{len} bytes from {at} on"), &came, expected)?;
    file.set_position(at + expected.len() as u64);
    same("where the reader stands", reader.position(), file.position())
}

/// The store's own error, out of that of a reader.
fn store_error(error: std::io::Error) -> Error {
    match error.downcast() {
        Ok(error) => error,
        Err(error) => Error::new(ErrorKind::Other, "an error that is not the store's").with_source(error),
    }
}

async fn seek_range(c: Context) -> Result<(), Failure> {
    c.put("a", "0123456789").await?;
    for range in [ByteRange::new(2..5), ByteRange::From(0), ByteRange::Suffix(3)] {
        let reader = c.store.seek_reader(&Key::new("a")?, ReadOptions::new().range(range)).await;
        fails(format!("a reader that seeks in {range:?}"), reader, ErrorKind::InvalidInput)?;
    }
    Ok(())
}

/// The old bytes, or an error that says so, and never the new ones.
async fn seek_version(c: Context) -> Result<(), Failure> {
    const SIZE: usize = 3 << 20;
    if c.put("a", "").await?.etag.is_none() {
        return Err(Failure::ignored("the store names no version that several requests could share"));
    }
    let (key, old) = (Key::new("a")?, pattern(1, SIZE));
    for new in [None, Some(SIZE / 3), Some(SIZE), Some(SIZE * 2)] {
        c.put("a", old.clone()).await?;
        let mut reader = c.store.seek_reader(&key, ReadOptions::new()).await?;
        let mut seen = [0; 1000];
        reader.read_exact(&mut seen).await.map_err(store_error)?;
        same_bytes("what was read before the change", &seen, &old[..1000])?;
        match new {
            None => c.store.delete(key.clone()).await?,
            Some(size) => {
                c.store.write(&key, pattern(2, size), WriteOptions::new()).await?;
            }
        }
        for at in [1000, SIZE / 2, SIZE - 1000, 0, SIZE / 3 - 500, 100_000] {
            reader.seek(SeekFrom::Start(at as u64)).await.map_err(store_error)?;
            match reader.read_exact(&mut seen).await {
                Ok(_) => same_bytes(format!("what stood at {at}"), &seen, &old[at..at + 1000])?,
                Err(error) => {
                    let changed = Err::<(), _>(store_error(error));
                    let what = format!("a read from {at} on, of an object that changed");
                    fails(what, changed, ErrorKind::PreconditionFailed)?;
                }
            }
        }
    }
    Ok(())
}

//! Runs operations on the store and on the model, and compares.

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_core::{
    Condition, CopyOptions, DeleteTarget, Entry, Error, ErrorKind, Key, ListOptions, Metadata, Prefix,
    ReadOptions, RenameOptions, StatOptions, Store, WriteOptions,
};

use super::model::{Listed, Model, Refusals};
use super::operation::{Demand, KEYS, Operation, PREFIXES, STARTS};
use super::range::Asked;
use crate::context::pattern;
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;

/// Runs a sequence on an empty store, and holds everything against the model at the end.
pub(super) async fn sequence(store: &Store, operations: &[Operation]) -> Result<(), Failure> {
    let mut driver = Driver { store, model: Model::new(store.capabilities()) };
    for (at, operation) in operations.iter().enumerate() {
        let done = driver.step(operation).await;
        done.map_err(|failure| failure.within(format_args!("operation {at}, {operation:?}")))?;
    }
    driver.list("", false, None).await?;
    driver.list("", true, None).await?;
    for key in KEYS {
        driver.read(key, Asked::Full).await?;
    }
    Ok(())
}

struct Driver<'a> {
    store: &'a Store,
    model: Model,
}

impl Driver<'_> {
    async fn step(&mut self, operation: &Operation) -> Result<(), Failure> {
        match operation {
            Operation::Write { key, length, seed, demand } => {
                self.write(KEYS[*key], pattern(*seed, *length), *demand).await
            }
            Operation::Parts { key, thousandths, piece, concurrency, seed, demand } => {
                let content = pattern(*seed, self.parts_length(*thousandths));
                self.parts(KEYS[*key], content, *piece, *concurrency, *demand).await
            }
            Operation::GivenUp { key, thousandths, seed, drop } => {
                let content = pattern(*seed, self.parts_length(*thousandths));
                self.give_up(KEYS[*key], content, *drop).await
            }
            Operation::Delete { key, demand } => self.delete(KEYS[*key], *demand).await,
            Operation::DeleteAll { keys } => self.delete_all(keys).await,
            Operation::Copy { from, to, absent } => self.copy(KEYS[*from], KEYS[*to], *absent).await,
            Operation::Rename { from, to, absent } => self.rename(KEYS[*from], KEYS[*to], *absent).await,
            Operation::List { prefix, delimiter, start } => {
                self.list(PREFIXES[*prefix], *delimiter, start.map(|at| STARTS[at])).await
            }
            Operation::Stat { key } => self.stat(KEYS[*key]).await,
            Operation::Read { key, asked } => self.read(KEYS[*key], *asked).await,
            Operation::ReadRanges { key, ranges } => self.read_ranges(KEYS[*key], ranges).await,
        }
    }

    fn part_size(&self) -> u64 {
        self.model.can.limits.part_min.max(64)
    }

    /// Where parts are large by force, contents stay small and go out in one request.
    fn parts_length(&self, thousandths: u64) -> usize {
        let part = if self.part_size() > 1 << 20 { 100 } else { self.part_size() };
        usize::try_from(3 * part * thousandths / 1000).unwrap_or(0)
    }

    async fn write(&mut self, key: &str, content: Bytes, demand: Demand) -> Result<(), Failure> {
        let Some((condition, refusals)) = self.model.condition(key, demand) else { return Ok(()) };
        let options = WriteOptions::new().condition(condition);
        let written = self.store.write(&Key::new(key)?, content.clone(), options).await;
        self.written(key, content, written, &refusals)
    }

    async fn parts(
        &mut self,
        key: &str,
        content: Bytes,
        piece: usize,
        concurrency: usize,
        demand: Demand,
    ) -> Result<(), Failure> {
        let Some((condition, refusals)) = self.model.condition(key, demand) else { return Ok(()) };
        let options =
            WriteOptions::new().condition(condition).part_size(self.part_size()).concurrency(concurrency);
        let write = async {
            let mut writer = self.store.writer(&Key::new(key)?, options).await?;
            for at in (0..content.len()).step_by(piece) {
                writer.write(content.slice(at..content.len().min(at + piece))).await?;
            }
            writer.finish().await
        };
        let written = write.await;
        self.written(key, content, written, &refusals)
    }

    fn written(
        &mut self,
        key: &str,
        content: Bytes,
        written: Result<Metadata, Error>,
        refusals: &Refusals,
    ) -> Result<(), Failure> {
        let Some(metadata) = expect(written, refusals)? else { return Ok(()) };
        same("size", metadata.size, content.len() as u64)?;
        self.model.put(key, content, metadata.etag);
        Ok(())
    }

    async fn give_up(&mut self, key: &str, content: Bytes, drop_it: bool) -> Result<(), Failure> {
        let options = WriteOptions::new().part_size(self.part_size());
        let mut writer = self.store.writer(&Key::new(key)?, options).await?;
        writer.write(content).await?;
        if drop_it {
            drop(writer);
        } else {
            writer.abort().await?;
        }
        self.read(key, Asked::Full).await
    }

    async fn delete(&mut self, key: &str, demand: Demand) -> Result<(), Failure> {
        let mut target = DeleteTarget::new(Key::new(key)?);
        let mut refusals = Vec::new();
        if let Some((Condition::IfMatch(etag), _)) = self.model.condition(key, demand) {
            let fits = self.model.objects.get(key).is_some_and(|held| held.etag.as_ref() == Some(&etag));
            if !self.model.can.delete_if_match.is_supported() {
                refusals.push(ErrorKind::Unsupported);
            } else if !self.model.objects.contains_key(key) {
                // A missing object may be found missing, or found not to match.
                return missing(self.store.delete(target.if_match(etag)).await);
            } else if !fits {
                refusals.push(ErrorKind::PreconditionFailed);
            }
            target = target.if_match(etag);
        }
        if expect(self.store.delete(target).await, &refusals)?.is_some() {
            self.model.objects.remove(key);
        }
        Ok(())
    }

    async fn delete_all(&mut self, keys: &[usize]) -> Result<(), Failure> {
        let targets: Result<Vec<DeleteTarget>, Error> =
            keys.iter().map(|at| Key::new(KEYS[*at]).map(DeleteTarget::new)).collect();
        let done = self.store.delete_all(targets?).await;
        same("results", done.len(), keys.len())?;
        for ((target, result), at) in done.into_iter().zip(keys) {
            same("key of a result", target.key.as_str(), KEYS[*at])?;
            expect(result, &Vec::new())?;
            self.model.objects.remove(KEYS[*at]);
        }
        Ok(())
    }

    async fn copy(&mut self, from: &str, to: &str, absent: bool) -> Result<(), Failure> {
        let refusals = self.model.transfer(from, to, absent);
        let options = if absent { CopyOptions::new().if_absent() } else { CopyOptions::new() };
        let copied = self.store.copy(&Key::new(from)?, &Key::new(to)?, options).await;
        let Some(metadata) = expect(copied, &refusals)? else { return Ok(()) };
        let content = self.model.objects[from].content.clone();
        same("size of the copy", metadata.size, content.len() as u64)?;
        self.model.put(to, content, metadata.etag);
        Ok(())
    }

    async fn rename(&mut self, from: &str, to: &str, absent: bool) -> Result<(), Failure> {
        let refusals = self.model.transfer(from, to, absent);
        let options = if absent { RenameOptions::new().if_absent() } else { RenameOptions::new() };
        let renamed = self.store.rename(&Key::new(from)?, &Key::new(to)?, options).await;
        if expect(renamed, &refusals)?.is_none() || from == to {
            return Ok(());
        }
        let moved = self.model.objects.remove(from).map(|held| held.content).unwrap_or_default();
        let found = self.store.stat(&Key::new(to)?, StatOptions::new()).await?;
        self.model.put(to, moved, found.etag);
        Ok(())
    }

    async fn list(&self, prefix: &str, delimiter: bool, start: Option<&str>) -> Result<(), Failure> {
        let mut options = ListOptions::new();
        if delimiter {
            options = options.delimiter('/');
        }
        if let Some(start) = start {
            options = options.start_after(start);
        }
        let entries: Vec<Entry> = self.store.list(&Prefix::new(prefix)?, options).try_collect().await?;
        for entry in &entries {
            self.agrees(entry)?;
        }
        let expected = self.model.list(prefix, delimiter, start);
        let mut listed: Vec<Listed> = entries.iter().map(listed).collect();
        if self.model.can.list_sorted {
            holds(
                listed.is_sorted_by(|a, b| a.name < b.name),
                format_args!("expected ascending names, got {:?}", names(&listed)),
            )?;
        } else {
            listed.sort_by(|a, b| a.name.cmp(&b.name));
        }
        listed.retain(|one| expected.contains(one) || !self.model.may_linger(one));
        same(format_args!("listing of `{prefix}`"), listed, expected)
    }

    /// The entry tells of its object what a stat would.
    fn agrees(&self, entry: &Entry) -> Result<(), Failure> {
        let Entry::Object(object) = entry else { return Ok(()) };
        let known = self.model.objects.get(object.key.as_str()).and_then(|held| held.etag.as_ref());
        match (&object.metadata.etag, known) {
            (Some(listed), Some(known)) => same(format_args!("ETag of `{}`", object.key), listed, known),
            _ => Ok(()),
        }
    }

    async fn stat(&self, key: &str) -> Result<(), Failure> {
        let found = self.store.stat(&Key::new(key)?, StatOptions::new()).await;
        let Some(held) = self.model.objects.get(key) else { return missing_is_an_error(found) };
        let found = found?;
        same("size", found.size, held.content.len() as u64)?;
        same("ETag", &found.etag, &held.etag)
    }

    async fn read(&self, key: &str, asked: Asked) -> Result<(), Failure> {
        let read = self.store.read(&Key::new(key)?, ReadOptions::new().range(asked.range())).await;
        let Some(held) = self.model.objects.get(key) else {
            let also = asked.expect(0).err().filter(|kind| *kind == ErrorKind::InvalidInput);
            return expect(read, &std::iter::once(ErrorKind::NotFound).chain(also).collect()).map(drop);
        };
        match asked.expect(held.content.len() as u64) {
            Err(kind) => expect(read, &vec![kind]).map(drop),
            Ok((start, end)) => {
                let read = read?;
                let wanted = if start < end { &held.content[start as usize..end as usize] } else { &[] };
                same(format_args!("range of `{key}`"), (read.range.start, read.range.end), (start, end))?;
                same("size", read.metadata.size, held.content.len() as u64)?;
                same_bytes(format_args!("content of `{key}`"), &read.bytes, wanted)
            }
        }
    }

    async fn read_ranges(&self, key: &str, ranges: &[(u64, u64)]) -> Result<(), Failure> {
        let ranges: Vec<_> = ranges.iter().map(|(start, length)| *start..start + length).collect();
        let read = self.store.read_ranges(&Key::new(key)?, &ranges, ReadOptions::new()).await;
        let wanted: Vec<Asked> = ranges
            .iter()
            .map(|range| Asked::Bounded(range.start, range.end))
            .filter(|a| !a.is_empty())
            .collect();
        let Some(held) = self.model.objects.get(key) else {
            let refusals = if wanted.is_empty() { vec![] } else { vec![ErrorKind::NotFound] };
            return expect(read, &refusals).map(drop);
        };
        let size = held.content.len() as u64;
        let refusals: Refusals = wanted.iter().filter_map(|asked| asked.expect(size).err()).collect();
        let Some(pieces) = expect(read, &refusals)? else { return Ok(()) };
        same("pieces", pieces.len(), ranges.len())?;
        for (range, piece) in ranges.iter().zip(pieces) {
            let end = range.end.min(size).max(range.start);
            let wanted =
                if range.start < end { &held.content[range.start as usize..end as usize] } else { &[] };
            same_bytes(format_args!("range {range:?} of `{key}`"), &piece, wanted)?;
        }
        Ok(())
    }
}

/// Success where nothing stands in the way, else one of the refusals; gives what a success brought.
fn expect<T>(result: Result<T, Error>, refusals: &Refusals) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) if refusals.is_empty() => Ok(Some(value)),
        Ok(_) => Err(Failure::new(format_args!("expected one of {refusals:?}, it succeeded"))),
        Err(error) if refusals.contains(&error.kind()) => Ok(None),
        Err(error) if refusals.is_empty() => {
            Err(Failure::new(format_args!("expected success, got {:?}: {error}", error.kind())))
        }
        Err(error) => {
            Err(Failure::new(format_args!("expected one of {refusals:?}, got {:?}: {error}", error.kind())))
        }
    }
}

fn missing_is_an_error<T>(result: Result<T, Error>) -> Result<(), Failure> {
    expect(result, &vec![ErrorKind::NotFound]).map(drop)
}

/// A conditional delete of what is not there: nothing to do, or nothing that matches.
fn missing(result: Result<(), Error>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(error) => {
            expect::<()>(Err(error), &vec![ErrorKind::PreconditionFailed, ErrorKind::NotFound]).map(drop)
        }
    }
}

fn listed(entry: &Entry) -> Listed {
    let size = match entry {
        Entry::Object(object) => Some(object.metadata.size),
        _ => None,
    };
    Listed { name: entry.name().to_owned(), size }
}

fn names(listed: &[Listed]) -> Vec<&str> {
    listed.iter().map(|one| one.name.as_str()).collect()
}

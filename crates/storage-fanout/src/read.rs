//! Reading from whichever store can, and mending those that cannot.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::try_unfold;
use storage_core::{
    Algorithm, ByteStream, Error, ErrorKind, Key, Metadata, ReadOptions, Reader, Result, StatOptions, Store,
    TransferOptions,
};

use crate::outcome::{Lacking, Repaired};
use crate::stamp::Stamp;
use crate::{Fanout, Mode, Replica};

/// What the stores say of an object.
struct Found {
    /// Those that hold one, the newest first, and in the order of the stores where they are the same.
    held: Vec<(Replica, Metadata, Stamp)>,
    missing: Vec<Replica>,
    failed: Vec<(String, Error)>,
}

impl Fanout {
    /// Tells of the newest object that the stores hold.
    ///
    /// # Errors
    /// `NotFound` if no store has one. With [`Lacking`] as its source if so few stores answered that a newer one may be in the
    /// others: of a [quorum](Mode::Quorum) less than half and one, else none.
    pub async fn stat(&self, key: &Key) -> Result<Metadata> {
        let mut found = self.find(key).await?;
        Ok(found.held.swap_remove(0).1)
    }

    /// Reads the newest object that the stores hold, from the first of them that can; if that fails half-way, another one that holds a copy of
    /// the same write goes on from there.
    ///
    /// # Errors
    /// As [`stat`](Self::stat). The stream's: the error of the last store that was left.
    pub async fn read(&self, key: &Key) -> Result<(Metadata, ByteStream)> {
        let found = self.find(key).await?;
        let (metadata, stamp) = (found.held[0].1.clone(), found.held[0].2.clone());
        let (_, rest) = found.held.split_at(1);
        let same = rest.iter().filter(|(_, _, other)| other.is_same(&stamp));
        let others = same.map(|(replica, metadata, _)| (replica.clone(), metadata.clone()));
        let mut left: Vec<_> = others.collect();
        left.insert(0, (found.held[0].0.clone(), metadata.clone()));
        left.reverse();
        let way = Way { key: key.clone(), left, reader: None, at: 0, failed: None };
        Ok((metadata, try_unfold(way, Way::next).boxed()))
    }

    /// Copies the newest object that the stores hold to those that hold an older one, or none. One that tells no stamp is compared byte by byte, and if it
    /// is another, nothing is copied over it: the result tells.
    ///
    /// Of an object that was deleted in some stores only the others bring it back.
    ///
    /// # Errors
    /// As [`stat`](Self::stat). What could not be copied is told in the result.
    pub async fn repair(&self, key: &Key) -> Result<Repaired> {
        let found = self.find(key).await?;
        let (source, metadata, stamp) = &found.held[0];
        let mut repaired =
            Repaired { held: vec![source.name.to_string()], mended: Vec::new(), failed: found.failed };
        let mut behind = found.missing;
        for (replica, other, of) in &found.held[1..] {
            let is_same = of.is_same(stamp) || is_equal(metadata, other);
            if is_same
                || (!of.is_stamped() && self.reads_the_same(key, source, metadata, replica, other).await?)
            {
                repaired.held.push(replica.name.to_string());
            } else if of.is_stamped() || !stamp.is_stamped() {
                behind.push(replica.clone());
            } else {
                // It may be the newer one: its store's clock is another, and nothing else tells.
                let message =
                    "it holds another object, which tells no stamp: which of the two is newer is not known";
                repaired
                    .failed
                    .push((replica.name.to_string(), Error::new(ErrorKind::PreconditionFailed, message)));
            }
        }
        for replica in behind {
            let options = TransferOptions::new();
            match source.store.copy_to(key, &replica.store, key, options).await {
                Ok(_) => repaired.mended.push(replica.name.to_string()),
                Err(error) => repaired.failed.push((replica.name.to_string(), error)),
            }
        }
        Ok(repaired)
    }

    /// Whether two stores hold the same bytes.
    async fn reads_the_same(
        &self,
        key: &Key,
        one: &Replica,
        one_told: &Metadata,
        other: &Replica,
        other_told: &Metadata,
    ) -> Result<bool> {
        if one_told.size != other_told.size {
            return Ok(false);
        }
        let sum = |store: &Store| {
            let store = store.clone();
            async move { store.checksum(key, &[Algorithm::Blake3], ReadOptions::new()).await }
        };
        let (one, other) = futures_util::future::join(sum(&one.store), sum(&other.store)).await;
        Ok(one?.get(Algorithm::Blake3) == other?.get(Algorithm::Blake3))
    }

    async fn find(&self, key: &Key) -> Result<Found> {
        let ask = self.replicas.iter().map(|replica| async move {
            (replica.clone(), replica.store.stat(key, StatOptions::new()).await)
        });
        let mut found = Found { held: Vec::new(), missing: Vec::new(), failed: Vec::new() };
        for (replica, told) in join_all(ask).await {
            match told {
                Ok(metadata) => {
                    let stamp = Stamp::of(&metadata);
                    found.held.push((replica, metadata, stamp));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => found.missing.push(replica),
                Err(error) => found.failed.push((replica.name.to_string(), error)),
            }
        }
        let needed = if self.mode == Mode::Quorum { self.needed() } else { 1 };
        let answered = found.held.len() + found.missing.len();
        // One that did not answer may hold what the others lack.
        let is_unknown = found.held.is_empty() && !found.failed.is_empty();
        if answered < needed || is_unknown {
            let held = found.held.iter().map(|(replica, ..)| replica.name.to_string()).collect();
            return Err(Lacking::new(held, found.failed, needed).into_error().with_name(key.as_str()));
        }
        if found.held.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "no store has it").with_name(key.as_str()));
        }
        // Stable: of the same the order of the stores stays. What has no stamp cannot be newer for certain than what has.
        found
            .held
            .sort_by(|(_, _, one), (_, _, other)| (other.is_stamped(), other).cmp(&(one.is_stamped(), one)));
        Ok(found)
    }
}

/// Whether two stores tell the same content, by a checksum that both tell.
fn is_equal(one: &Metadata, other: &Metadata) -> bool {
    let shared = one.checksums.iter().find_map(|sum| Some((sum, other.checksums.get(sum.algorithm())?)));
    one.size == other.size && shared.is_some_and(|(one, other)| one == other)
}

/// The bytes of one object, from store to store.
struct Way {
    key: Key,
    /// The stores that were not asked yet, the next one last.
    left: Vec<(Replica, Metadata)>,
    reader: Option<Reader>,
    at: u64,
    failed: Option<Error>,
}

impl Way {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some(reader) = &mut self.reader {
                match reader.next().await {
                    Some(Ok(chunk)) => {
                        self.at += chunk.len() as u64;
                        return Ok(Some((chunk, self)));
                    }
                    None => return Ok(None),
                    // What came before is not what was written.
                    Some(Err(error)) if error.kind() == ErrorKind::InvalidData => return Err(error),
                    Some(Err(error)) => {
                        self.failed = Some(error);
                        self.reader = None;
                    }
                }
                continue;
            }
            let Some((replica, metadata)) = self.left.pop() else {
                let none = || Error::new(ErrorKind::Other, "no store is left").with_name(self.key.as_str());
                return Err(self.failed.take().unwrap_or_else(none));
            };
            let mut options = ReadOptions::new();
            if self.at > 0 {
                options = options.range(self.at..);
            }
            // The version that was looked at, where it has a name.
            options = match (&metadata.version, &metadata.etag) {
                (Some(version), _) => options.version(version.clone()),
                (None, Some(etag)) => options.if_match(etag.clone()),
                (None, None) => options,
            };
            match replica.store.reader(&self.key, options).await {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => self.failed = Some(error),
            }
        }
    }
}

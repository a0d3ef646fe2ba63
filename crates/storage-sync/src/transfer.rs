//! Copying one object between two stores, verified.

use futures_util::TryStreamExt;
use storage_core::{
    Algorithm, Checksum, Error, ErrorKind, Key, Metadata, ReadOptions, Result, Store, WriteOptions,
};

use crate::options::{SyncOptions, Verify};

/// Verification hashes with BLAKE3: strong, and faster than the disks it guards.
const VERIFY: Algorithm = Algorithm::Blake3;

/// The way between two stores.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Store,
    pub(crate) destination: Store,
    pub(crate) verify: Verify,
    pub(crate) owner: bool,
}

/// What a copy gave.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes copied.
    pub size: u64,
    /// Whether the destination was held against the hash of what was read.
    pub verified: bool,
}

/// Copies one object from a store to a key of the same or another store, with its times, permissions and attributes as far
/// as the destination keeps them, and verifies it.
///
/// # Errors
/// Those of reading and writing, after which the destination stands as it was; `InvalidData` if the published copy reads
/// back different.
pub async fn copy_object(
    source: &Store,
    from: &Key,
    destination: &Store,
    to: &Key,
    options: &SyncOptions,
) -> Result<Copied> {
    Transfer::new(source, destination, options).copy(from, to).await
}

impl Transfer {
    pub(crate) fn new(source: &Store, destination: &Store, options: &SyncOptions) -> Self {
        Self {
            source: source.clone(),
            destination: destination.clone(),
            verify: options.verify,
            owner: options.owner,
        }
    }

    /// Copies the object at `from`. The destination changes only once all bytes are there.
    pub(crate) async fn copy(&self, from: &Key, to: &Key) -> Result<Copied> {
        let mut reader = self.source.reader(from, ReadOptions::new()).await?;
        let source = reader.metadata().clone();
        let mut writer = self.destination.writer(to, self.write_options(&source)).await?;
        while let Some(chunk) = reader.try_next().await? {
            writer.write(chunk).await?;
        }
        let written = writer.finish().await?;
        let verified = self.verified(to, &source, &written).await?;
        Ok(Copied { size: written.size, verified })
    }

    /// What the destination can keep of the source.
    fn write_options(&self, source: &Metadata) -> WriteOptions {
        let can = self.destination.capabilities();
        // A destination without symlinks refuses one; its target must not pass for a file's content.
        let mut options = WriteOptions::new().size(source.size).kind(source.kind);
        if self.verify == Verify::Content {
            options = options.checksum(VERIFY);
        }
        if let (Some(time), true) = (source.modified, can.set_modified) {
            options = options.modified(time);
        }
        if let (Some(unix), true) = (source.unix, can.unix_attributes) {
            options = options.unix(unix, self.owner);
        }
        let mut attributes = source.attributes.clone();
        if !can.user_metadata {
            attributes.user.clear();
        }
        if !can.content_headers {
            let user = std::mem::take(&mut attributes.user);
            attributes = storage_core::Attributes::new();
            attributes.user = user;
        }
        options.attributes(attributes)
    }

    /// Holds the destination against the hash of what was read from the source.
    async fn verified(&self, key: &Key, source: &Metadata, written: &Metadata) -> Result<bool> {
        if written.size != source.size {
            let message = format!("{} bytes were read and {} written", source.size, written.size);
            return Err(Error::new(ErrorKind::InvalidData, message).with_key(key));
        }
        let Some(expected) = written.checksums.get(VERIFY).filter(|_| self.verify == Verify::Content) else {
            return Ok(false);
        };
        // `Store` has already compared what the service reports of its own with what was sent.
        let mut read = ReadOptions::new();
        if let Some(etag) = &written.etag {
            read = read.if_match(etag.clone());
        }
        let found = self.destination.checksum(key, &[VERIFY], read).await?.get(VERIFY);
        match found {
            Some(found) if found == expected => Ok(true),
            found => Err(mismatch(key, expected, found)),
        }
    }
}

fn mismatch(key: &Key, expected: Checksum, found: Option<Checksum>) -> Error {
    let found = found.map_or_else(|| "nothing".to_owned(), |f| f.to_string());
    let message = format!("{expected} was sent and {found} reads back; the copy is damaged");
    Error::new(ErrorKind::InvalidData, message).with_key(key)
}

/// Whether two objects hold the same bytes. A checksum that both stores report saves reading.
pub(crate) async fn same_content(
    source: &Store,
    destination: &Store,
    key: &Key,
    (left, right): (&Metadata, &Metadata),
) -> Result<bool> {
    if left.kind != right.kind || left.size != right.size {
        return Ok(false);
    }
    if let Some(agree) = left.checksums.agree(&right.checksums) {
        return Ok(agree);
    }
    let algorithms = [VERIFY];
    let (left, right) = futures_util::future::try_join(
        source.checksum(key, &algorithms, ReadOptions::new()),
        destination.checksum(key, &algorithms, ReadOptions::new()),
    )
    .await?;
    Ok(left.get(VERIFY) == right.get(VERIFY))
}

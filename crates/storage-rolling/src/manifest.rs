//! The set that was published: an object that names its parts.

use futures_util::stream::try_unfold;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use storage_core::pipeline::{Pipeline, Records, tee};
use storage_core::{Algorithm, Checksum, Error, ErrorKind, Key, ReadOptions, Result, Store};

/// What a manifest says of itself.
const VERSION: u32 = 1;

/// The parts of a set, in the order of their records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    version: u32,
    /// The parts.
    pub parts: Vec<Part>,
}

/// An object of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// Its key.
    pub key: String,
    /// How many records it holds.
    pub records: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The BLAKE3 of its bytes, such as `blake3:…`.
    pub checksum: String,
}

impl Manifest {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self { version: VERSION, parts }
    }

    /// How many records the set holds.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| part.records).sum()
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Other, "the manifest cannot be written").with_source(error)
        })
    }

    /// The manifest at `key`.
    ///
    /// # Errors
    /// `NotFound` if no set was published there; `InvalidData` for what is no manifest, or one of a later version.
    pub async fn read(store: &Store, key: &Key) -> Result<Self> {
        let read = store.read(key, ReadOptions::new()).await?;
        let wrong = |message: String| Error::new(ErrorKind::InvalidData, message).with_name(key.as_str());
        let manifest: Self = serde_json::from_slice(&read.bytes)
            .map_err(|error| wrong(format!("this is no manifest: {error}")))?;
        if manifest.version != VERSION {
            let message = format!("a manifest of version {}; this reads version {VERSION}", manifest.version);
            return Err(wrong(message));
        }
        Ok(manifest)
    }

    /// The records of all parts, one after another. Each part is held against what the manifest says of it: its records come as they
    /// are read, and an error at its end tells that they were others.
    ///
    /// # Errors
    /// The stream's: those of [`Pipeline::read`], and `InvalidData` for a part that is not the one that was published.
    pub fn read_records(&self, pipeline: &Pipeline, store: &Store) -> Records {
        let (pipeline, store) = (pipeline.clone(), store.clone());
        let parts = stream::iter(self.parts.clone());
        let opened = parts.map(move |part| open(pipeline.clone(), store.clone(), part)).buffered(2).boxed();
        let state = (opened, stream::empty().boxed());
        try_unfold(state, |(mut opened, mut records): (_, Records)| async move {
            loop {
                if let Some(record) = records.next().await.transpose()? {
                    return Ok(Some((record, (opened, records))));
                }
                match StreamExt::next(&mut opened).await {
                    Some(next) => records = next?,
                    None => return Ok(None),
                }
            }
        })
        .boxed()
    }
}

/// The records of a part, and at their end an error if they are not those that were published.
async fn open(pipeline: Pipeline, store: Store, part: Part) -> Result<Records> {
    let wrong = {
        let name = part.key.clone();
        move |message: &'static str| Error::new(ErrorKind::InvalidData, message).with_name(&name)
    };
    let expected: Checksum =
        part.checksum.parse().map_err(|_| wrong("the manifest tells no checksum of it"))?;
    let reader = store.reader(&Key::new(&part.key)?, ReadOptions::new()).await?;
    if reader.metadata().size != part.size {
        return Err(wrong("the object has another size than the manifest says"));
    }
    let (bytes, tee) = tee(reader.boxed(), [Algorithm::Blake3]);
    let records = pipeline.records(bytes, &part.key)?;
    let state = (records, 0u64);
    Ok(try_unfold(state, move |(mut records, count)| {
        let (tee, expected, wrong) = (tee.clone(), expected, wrong.clone());
        async move {
            if let Some(record) = records.next().await.transpose()? {
                return Ok(Some((record, (records, count + 1))));
            }
            let told = tee.told().and_then(|(_, checksums)| checksums.get(Algorithm::Blake3));
            if told != Some(expected) || count != part.records {
                return Err(wrong("the object holds other records than were published"));
            }
            Ok(None)
        }
    })
    .boxed())
}

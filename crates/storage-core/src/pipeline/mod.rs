//! Records in stores: a store, perhaps a codec, a format and your type, in one line and in both directions.
//!
//! ```
//! use futures_util::TryStreamExt;
//! use storage_core::{Key, ReadOptions, Store, WriteOptions};
//! use storage_core::pipeline::Pipeline;
//! # use storage_core::format::{About, Framing, Look, Resync};
//! # #[derive(Clone, Debug)]
//! # struct Lines;
//! # impl Framing for Lines {
//! #     fn about(&self) -> &'static About {
//! #         static ABOUT: About = About { name: "lines", extensions: &[], has_checksum: false, tells_length: false, recovers: true, shares: None };
//! #         &ABOUT
//! #     }
//! #     fn look(&self, data: &[u8], _: usize, _: bool) -> Result<Look, storage_core::Flaw> {
//! #         let end = data.iter().position(|byte| *byte == b'\n');
//! #         Ok(end.map_or(Look::More(data.len() + 1), |end| Look::Record { start: 0, end: end as u64, next: end as u64 + 1 }))
//! #     }
//! #     fn resync(&self, data: &[u8], _: bool) -> Resync { Resync::Beyond(data.len()) }
//! #     fn write(&self, record: &[u8], output: &mut bytes::BytesMut) -> Result<(), storage_core::Flaw> {
//! #         output.extend_from_slice(record);
//! #         output.extend_from_slice(b"\n");
//! #         Ok(())
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> storage_core::Result<()> {
//! # let store = Store::new(storage_memory::Memory::new());
//! let (pipeline, key) = (Pipeline::new(Lines), Key::new("numbers")?);
//! let mut sink = pipeline.write(&store, &key, WriteOptions::new()).await?;
//! for number in ["1", "2", "3"] {
//!     sink.write(number.as_bytes()).await?;
//! }
//! sink.finish().await?;
//!
//! let records = pipeline.read(&store, &key, ReadOptions::new()).await?;
//! let numbers: Vec<u32> = storage_core::pipeline::map(records, 2, |record| {
//!     Ok(String::from_utf8_lossy(&record.content).parse().unwrap_or(0))
//! })
//! .try_collect()
//! .await?;
//! assert_eq!(numbers, [1, 2, 3]);
//! # Ok(()) }
//! ```

mod map;
mod merge;
mod sink;
mod tee;

use std::fmt;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{FutureExt, StreamExt, stream};

use crate::backend::ByteStream;
use crate::codec::{self, Codec, DecodeOptions, EncodeOptions};
use crate::error::{Error, Result};
use crate::format::{self, Format, Record, Skipped, SplitOptions};
use crate::key::Key;
use crate::options::{ReadOptions, WriteOptions};
use crate::store::Store;

pub use map::map;
pub use merge::merge_by_key;
pub use sink::RecordSink;
pub use tee::{Tee, tee};

/// Records as they come, up to the first error.
pub type Records = BoxStream<'static, Result<Record>>;

/// How records are stored: a format, and perhaps a codec around it.
#[derive(Clone, Debug)]
pub struct Pipeline {
    format: Arc<dyn Format>,
    codec: Option<Arc<dyn Codec>>,
    split: SplitOptions,
    decode: DecodeOptions,
    encode: EncodeOptions,
    lost: Option<Lost>,
}

/// Who is told what is left out.
#[derive(Clone)]
struct Lost(Arc<dyn Fn(Skipped) + Send + Sync>);

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lost")
    }
}

impl Pipeline {
    /// Records in this format.
    pub fn new(format: impl Format) -> Self {
        Self::of(Arc::new(format), None)
    }

    /// Records in a format and a codec that are known at run time only.
    pub fn of(format: Arc<dyn Format>, codec: Option<Arc<dyn Codec>>) -> Self {
        Self {
            format,
            codec,
            split: SplitOptions::new(),
            decode: DecodeOptions::new(),
            encode: EncodeOptions::new(),
            lost: None,
        }
    }

    /// Compressed by this codec.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// Sets how records are read.
    pub fn split_options(mut self, options: SplitOptions) -> Self {
        self.split = options;
        self
    }

    /// Tells of what the options leave out, as it is passed over.
    pub fn on_lost(mut self, tell: impl Fn(Skipped) + Send + Sync + 'static) -> Self {
        self.lost = Some(Lost(Arc::new(tell)));
        self
    }

    /// Sets how data is decompressed, and by how many threads.
    pub fn decode_options(mut self, options: DecodeOptions) -> Self {
        self.decode = options;
        self
    }

    /// Sets how data is compressed, and by how many threads.
    pub fn encode_options(mut self, options: EncodeOptions) -> Self {
        self.encode = options;
        self
    }

    /// The records of an object, each as soon as it is there. The end of the stream says that everything was whole,
    /// but for what the options leave out, which [`on_lost`](Self::on_lost) is told.
    ///
    /// # Errors
    /// Those of [`Store::reader`], and `InvalidInput` for options that cannot be. The stream's are named by the object; of data that is
    /// wrong a [`Flaw`](crate::Flaw) tells byte and record. The byte is one of what was decompressed, or of the object where that is
    /// what was wrong.
    pub async fn read(&self, store: &Store, key: &Key, options: ReadOptions) -> Result<Records> {
        if let (None, Some(format)) = (&self.codec, self.format.by_ranges()) {
            let split = self.split.clone();
            let records = format::read_by_ranges((store, key), format, split, options, self.tell()).await?;
            return Ok(named(records, key.as_str()));
        }
        let data = store.reader(key, options).await?.boxed();
        self.records(data, key.as_str())
    }

    /// The records of several objects, one object after another; the next one is opened while one is read.
    ///
    /// # Errors
    /// The stream's: those of [`read`](Self::read) and of its streams.
    pub fn read_all(
        &self,
        store: &Store,
        keys: impl IntoIterator<Item = Key, IntoIter: Send + 'static>,
    ) -> Records {
        let (pipeline, store) = (self.clone(), store.clone());
        let open = move |key: Key| {
            let (pipeline, store) = (pipeline.clone(), store.clone());
            async move { pipeline.read(&store, &key, ReadOptions::new()).await }
        };
        let opened = stream::iter(keys).map(open).buffered(2);
        let all = All { opened: opened.boxed(), records: stream::empty().boxed() };
        try_unfold(all, All::next).boxed()
    }

    /// The records of bytes from anywhere, which errors call `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn records(&self, data: ByteStream, name: &str) -> Result<Records> {
        let data = match &self.codec {
            Some(codec) => codec::decode(data, codec.clone(), self.decode.clone())?,
            None => data,
        };
        let reader = self.format.reader(self.split.clone())?;
        Ok(named(format::read(data, reader, self.tell()), name))
    }

    /// Tells whoever wants to know of what is left out.
    fn tell(&self) -> impl Fn(Skipped) + Send + use<> {
        let lost = self.lost.clone();
        move |skipped| {
            if let Some(Lost(tell)) = &lost {
                tell(skipped);
            }
        }
    }

    /// A new object, into which records go one by one.
    ///
    /// # Errors
    /// Those of [`Store::writer`], and `InvalidInput` for options that cannot be.
    pub async fn write(&self, store: &Store, key: &Key, options: WriteOptions) -> Result<RecordSink> {
        let writer = store.writer(key, options).await?;
        RecordSink::new(writer, self.format.writer()?, self.codec.as_ref(), &self.encode)
    }
}

/// Records whose errors tell where they are from.
fn named(records: impl Stream<Item = Result<Record>> + Send + 'static, name: &str) -> Records {
    let name = name.to_owned();
    records.map(move |record| record.map_err(|error| error.renamed(&name))).boxed()
}

struct All {
    opened: BoxStream<'static, Result<Records>>,
    records: Records,
}

impl All {
    async fn next(mut self) -> Result<Option<(Record, Self)>> {
        loop {
            if let Some(record) = self.records.next().await.transpose()? {
                return Ok(Some((record, self)));
            }
            match self.opened.next().await.transpose()? {
                Some(records) => self.records = records,
                None => return Ok(None),
            }
        }
    }
}

/// What goes wrong in a task of its own.
fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(crate::error::ErrorKind::Other, "a task of a pipeline ended early").with_source(error)
}

/// The next item if it is there already.
fn ready<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<Option<T>> {
    stream.next().now_or_never()
}

//! The two ends of a stream: where bytes come from, and where they go.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryStreamExt};
use storage_core::{ByteStream, Error, ErrorKind, Key, Operation, ReadOptions, Store, WriteOptions, Writer};

use super::cat::open;
use super::copy::is_same;
use crate::exit::Failure;
use crate::output::Output;
use crate::pipe;
use crate::place::{How, Place};
use crate::progress::Meter;

/// Where bytes come from, or go to.
pub(crate) enum End {
    /// Standard input or output.
    Standard,
    /// A place, and how it was written.
    Place(Place, OsString),
}

/// What bytes come out of.
pub(crate) enum Opened {
    /// They come once, from the first to the last.
    Stream(ByteStream),
    /// They are stored, and any of them can be had.
    Object(Store, Key),
}

impl Opened {
    /// All of them. Errors call it `name`.
    pub(crate) async fn stream(self, name: &str) -> Result<ByteStream, Failure> {
        match self {
            Self::Stream(stream) => Ok(stream),
            Self::Object(store, key) => {
                let reader = store.reader(&key, ReadOptions::new()).await;
                Ok(reader.map_err(|error| error.renamed(name))?.boxed())
            }
        }
    }
}

/// Whose fault it was.
pub(crate) enum Broken {
    /// Of what was read, or of its content.
    Source(Error),
    Destination(Error),
    Output(Failure),
}

impl Broken {
    /// What a user is told, who knows the source by this name.
    pub(crate) fn of(self, source: &str) -> Failure {
        match self {
            Self::Source(error) => error.renamed(source).into(),
            Self::Destination(error) => error.into(),
            Self::Output(failure) => failure,
        }
    }
}

impl End {
    pub(crate) fn parse(text: &OsString) -> Result<Self, Failure> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        Ok(Self::Place(Place::parse(text)?, text.clone()))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Standard => "-".into(),
            Self::Place(place, _) => place.shown(),
        }
    }

    pub(crate) fn is_standard(&self) -> bool {
        matches!(self, Self::Standard)
    }

    pub(crate) fn base_name(&self) -> storage_core::Result<String> {
        match self {
            Self::Standard => {
                let message = "what comes from stdin has no name; say what it is to be called";
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
            Self::Place(place, _) => place.base_name(),
        }
    }

    /// A place in the directory, if this is one, by the name that is given.
    pub(crate) fn below(self, name: impl FnOnce() -> storage_core::Result<String>) -> Result<Self, Failure> {
        let Self::Place(place, text) = &self else { return Ok(self) };
        let is_directory =
            text.as_bytes().ends_with(b"/") || matches!(place, Place::Path(path) if path.is_dir());
        if !is_directory {
            return Ok(self);
        }
        let place = place.join(&name()?);
        Ok(Self::Place(place, text.clone()))
    }

    /// A place beside it, if it has a name.
    pub(crate) fn beside(&self, extension: &str) -> Option<Self> {
        match self {
            Self::Standard => None,
            Self::Place(place, text) => Some(Self::Place(place.beside(extension), text.clone())),
        }
    }

    /// Nothing but a file, whose name cannot be guessed.
    pub(crate) fn file(self) -> Result<Self, Failure> {
        let name = self.name();
        self.below(|| {
            let message = "this is a directory; say what the file in it is to be called";
            Err(Error::new(ErrorKind::InvalidInput, message).with_name(name))
        })
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Place(one, _), Self::Place(other, _)) if is_same(one, other))
    }

    pub(crate) async fn open(&self, meter: Option<&Meter>) -> Result<Opened, Failure> {
        let place = match self {
            Self::Standard => {
                let stream = pipe::stream(Path::new("-")).expect("because stdin is one");
                return Ok(Opened::Stream(stream));
            }
            Self::Place(place, _) => place,
        };
        if let Place::Path(path) = place
            && let Some(piped) = pipe::stream(path)
        {
            return Ok(Opened::Stream(piped));
        }
        let (store, key) = open(place).await.map_err(|error| error.renamed(place.shown()))?;
        let store = meter.map_or_else(|| store.clone(), |meter| meter.watch(&store, Operation::Read));
        Ok(Opened::Object(store, key))
    }

    pub(crate) async fn read(&self, meter: Option<&Meter>) -> Result<ByteStream, Failure> {
        self.open(meter).await?.stream(&self.name()).await
    }

    /// Writes everything, and publishes it only after its end was proved. Gives its size.
    pub(crate) async fn write(
        &self,
        bytes: ByteStream,
        if_absent: bool,
        output: &mut Output,
    ) -> Result<u64, Broken> {
        let place = match self {
            Self::Standard => return print(bytes, output).await,
            Self::Place(place, _) => place,
        };
        let named = |error: Error| Broken::Destination(error.renamed(place.shown()));
        let how = How { create: true, ..How::default() };
        let (store, key) = place.open_object(how).await.map_err(named)?;
        let options = if if_absent { WriteOptions::new().if_absent() } else { WriteOptions::new() };
        let mut writer = store.writer(&key, options).await.map_err(named)?;
        match pour(bytes, &mut writer).await {
            Ok(()) => Ok(writer.finish().await.map_err(named)?.size),
            Err(broken) => {
                // The first error is the one to tell.
                let _ = writer.abort().await;
                Err(match broken {
                    Broken::Destination(error) => named(error),
                    other => other,
                })
            }
        }
    }
}

/// What is wrong with the source is no fault of the destination.
async fn pour(mut bytes: ByteStream, writer: &mut Writer) -> Result<(), Broken> {
    while let Some(chunk) = bytes.try_next().await.map_err(Broken::Source)? {
        writer.write(chunk).await.map_err(Broken::Destination)?;
    }
    Ok(())
}

async fn print(mut bytes: ByteStream, output: &mut Output) -> Result<u64, Broken> {
    let mut size = 0;
    loop {
        match bytes.try_next().await {
            Ok(Some(chunk)) => {
                size += chunk.len() as u64;
                output.bytes(&chunk).map_err(|error| Broken::Output(error.into()))?;
            }
            Ok(None) => return Ok(size),
            Err(error) => {
                // What came before is out already; the reader of a pipe must not take it for everything.
                let _ = output.flush();
                return Err(Broken::Source(error));
            }
        }
    }
}

/// Counts the bytes that pass.
pub(crate) struct Counted {
    pub(crate) stream: ByteStream,
    count: Arc<AtomicU64>,
}

impl Counted {
    pub(crate) fn new(stream: ByteStream) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counting = count.clone();
        let stream = stream.inspect_ok(move |chunk| {
            counting.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        });
        Self { stream: stream.boxed(), count }
    }

    /// Tells how many there were so far.
    pub(crate) fn count(&self) -> impl Fn() -> u64 + use<> {
        let count = self.count.clone();
        move || count.load(Ordering::Relaxed)
    }
}

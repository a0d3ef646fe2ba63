//! Records into an object.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::lost;
use crate::backend::ByteStream;
use crate::codec::{self, Codec, EncodeOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::format::RecordWriter;
use crate::meta::Metadata;
use crate::store::Writer;

/// How many bytes of records go on at a time.
const CHUNK: usize = 128 << 10;
/// How many of those may wait.
const WAITING: usize = 4;

/// An object of records being written. What is compressed and sent is so beside whoever makes the records, who waits when that is
/// slower.
///
/// Nothing is visible before [`finish`](Self::finish) returns. Dropped without it, the object stays as it was.
#[derive(Debug)]
pub struct RecordSink {
    format: Box<dyn RecordWriter>,
    chunk: BytesMut,
    chunks: Option<mpsc::Sender<Message>>,
    task: Option<JoinHandle<Result<Metadata>>>,
    records: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Message {
    Chunk(Bytes),
    /// Nothing more comes, and all of it is to be published.
    End,
}

impl RecordSink {
    pub(super) fn new(
        writer: Writer,
        format: Box<dyn RecordWriter>,
        codec: Option<&Arc<dyn Codec>>,
        options: &EncodeOptions,
    ) -> Result<Self> {
        let (chunks, taken) = mpsc::channel(WAITING);
        let plain: ByteStream = unfold(Some(taken), next).boxed();
        let bytes = match codec {
            Some(codec) => codec::encode(plain, codec.clone(), options)?,
            None => plain,
        };
        let task = Some(tokio::spawn(pour(bytes, writer)));
        Ok(Self { format, chunk: BytesMut::new(), chunks: Some(chunks), task, records: 0, bytes: 0 })
    }

    /// Takes a record. Dropped half-way, it was not taken.
    ///
    /// # Errors
    /// One that tells a [`Flaw`](crate::Flaw), of a record that the format cannot hold: it was not taken, and others may follow. Whatever kept earlier ones from being written:
    /// nothing will be published then, and every call that follows fails.
    pub async fn write(&mut self, record: &[u8]) -> Result<()> {
        if self.chunks.is_none() {
            return Err(Error::new(ErrorKind::InvalidInput, "the records were given up before"));
        }
        if self.chunk.len() >= CHUNK {
            self.send().await?;
        }
        self.format.write(record, &mut self.chunk)?;
        self.records += 1;
        Ok(())
    }

    /// How many records were taken.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many bytes they are so far in the format, before they are compressed, without those that it still holds back.
    pub fn bytes(&self) -> u64 {
        self.bytes + self.chunk.len() as u64
    }

    /// Writes what is left, and publishes. Dropped half-way it is unknown whether it was published.
    ///
    /// # Errors
    /// Those of [`Writer::finish`] and of what came before; nothing is published then.
    pub async fn finish(mut self) -> Result<Metadata> {
        if self.chunks.is_none() {
            return Err(Error::new(ErrorKind::InvalidInput, "the records were given up before"));
        }
        if let Err(error) = self.format.finish(&mut self.chunk) {
            self.abort().await;
            return Err(error);
        }
        self.send().await?;
        if let Some(chunks) = self.chunks.take() {
            // If nobody takes it, the task tells why.
            let _ = chunks.send(Message::End).await;
        }
        self.outcome().await
    }

    /// Gives up; the object stays as it was.
    pub async fn abort(mut self) {
        self.chunks = None;
        // It ends with the error that nothing more comes.
        let _ = self.outcome().await;
    }

    async fn send(&mut self) -> Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let Some(chunks) = &self.chunks else { return Ok(()) };
        // Nothing is given away before there is room for it: who waits may be dropped.
        if let Ok(room) = chunks.reserve().await {
            let chunk = self.chunk.split().freeze();
            self.bytes += chunk.len() as u64;
            room.send(Message::Chunk(chunk));
            return Ok(());
        }
        self.chunks = None;
        let early = || Error::new(ErrorKind::Other, "writing ended early");
        Err(self.outcome().await.err().unwrap_or_else(early))
    }

    /// What came of the task, once.
    async fn outcome(&mut self) -> Result<Metadata> {
        match &mut self.task {
            Some(task) => {
                let outcome = task.await;
                self.task = None;
                outcome.map_err(lost)?
            }
            None => Err(Error::new(ErrorKind::InvalidInput, "the records were given up before")),
        }
    }
}

/// The chunks up to the end. Without an end they are not all, and that is an error.
async fn next(
    taken: Option<mpsc::Receiver<Message>>,
) -> Option<(Result<Bytes>, Option<mpsc::Receiver<Message>>)> {
    let mut taken = taken?;
    match taken.recv().await {
        Some(Message::Chunk(chunk)) => Some((Ok(chunk), Some(taken))),
        Some(Message::End) => None,
        None => Some((Err(Error::new(ErrorKind::Other, "the records were given up")), None)),
    }
}

async fn pour(mut bytes: ByteStream, mut writer: Writer) -> Result<Metadata> {
    let poured = loop {
        match bytes.next().await {
            Some(Ok(chunk)) => match writer.write(chunk).await {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    match poured {
        Ok(()) => writer.finish().await,
        Err(error) => {
            // The first error is the one to tell.
            let _ = writer.abort().await;
            Err(error)
        }
    }
}

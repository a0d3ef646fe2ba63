//! Writing to all stores at once.

use bytes::Bytes;
use futures_util::future::join_all;
use storage_core::{Error, ErrorKind, Key, Metadata, Result, WriteOptions, Writer};

use crate::outcome::{Lacking, Outcome};
use crate::stamp::{fresh, stamped};
use crate::{Fanout, Replica};

impl Fanout {
    /// Writes an object to every store.
    ///
    /// # Errors
    /// As [`FanoutWriter::finish`].
    pub async fn write(&self, key: &Key, body: impl Into<Bytes>, options: WriteOptions) -> Result<Outcome> {
        let mut writer = self.writer(key, options).await?;
        writer.write(body).await?;
        writer.finish().await
    }

    /// Starts writing an object of unknown length to every store.
    ///
    /// # Errors
    /// With [`Lacking`] as its source if too few stores can be written to. `Unsupported` for a write under a condition: several stores share no
    /// moment at which it would hold.
    pub async fn writer(&self, key: &Key, options: WriteOptions) -> Result<FanoutWriter> {
        if options.is_conditional() {
            let message = "a write to several stores cannot depend on what stands there";
            return Err(Error::unsupported(message).with_name(key.as_str()));
        }
        let stamp = fresh();
        let open = self.replicas.iter().map(|replica| {
            let options = stamped(&options, &replica.store, &stamp);
            async move { (replica.clone(), replica.store.writer(key, options).await) }
        });
        let mut writer = FanoutWriter {
            live: Vec::new(),
            failed: Vec::new(),
            needed: self.needed(),
            key: key.clone(),
            broken: false,
        };
        for (replica, opened) in join_all(open).await {
            match opened {
                Ok(opened) => writer.live.push((replica, opened)),
                Err(error) => writer.failed.push((replica.name.to_string(), error)),
            }
        }
        writer.admit().await?;
        Ok(writer)
    }
}

/// An object on its way to several stores. Each piece goes to all of them before the next one is taken; a store that fails is given up at
/// once, and the others go on as long as they are enough.
///
/// Nothing is visible anywhere before [`finish`](Self::finish). Dropped without it, every upload is aborted in the background.
#[derive(Debug)]
pub struct FanoutWriter {
    live: Vec<(Replica, Writer)>,
    failed: Vec<(String, Error)>,
    needed: usize,
    key: Key,
    /// Set while a call runs; stays set if its future was dropped.
    broken: bool,
}

impl FanoutWriter {
    /// Takes the next bytes. Dropped half-way it is unknown who took them: everything but [`abort`](Self::abort) is refused then.
    ///
    /// # Errors
    /// With [`Lacking`] as its source once too few stores are left: the uploads to the others are aborted, and nothing is published
    /// anywhere.
    pub async fn write(&mut self, data: impl Into<Bytes>) -> Result<()> {
        let data: Bytes = data.into();
        self.admit().await?;
        self.broken = true;
        let wrote = join_all(self.live.iter_mut().map(|(_, writer)| writer.write(data.clone()))).await;
        self.broken = false;
        let live = std::mem::take(&mut self.live);
        for ((replica, writer), wrote) in live.into_iter().zip(wrote) {
            match wrote {
                Ok(()) => self.live.push((replica, writer)),
                Err(error) => {
                    self.failed.push((replica.name.to_string(), error));
                    // It may have to wait for parts on their way, which the others need not.
                    tokio::spawn(writer.abort());
                }
            }
        }
        self.admit().await
    }

    /// Publishes everywhere, and decides: `Ok` if enough stores hold the object.
    ///
    /// # Errors
    /// With [`Lacking`] as its source, which tells the stores that hold the new object all the same: in them it was published when others
    /// failed, and what was there before is gone.
    pub async fn finish(mut self) -> Result<Outcome> {
        self.admit().await?;
        let live = std::mem::take(&mut self.live);
        let finished =
            live.into_iter().map(|(replica, writer)| async move { (replica, writer.finish().await) });
        let mut held: Vec<(String, Metadata)> = Vec::new();
        for (replica, finished) in join_all(finished).await {
            match finished {
                Ok(metadata) => held.push((replica.name.to_string(), metadata)),
                Err(error) => self.failed.push((replica.name.to_string(), error)),
            }
        }
        let failed = std::mem::take(&mut self.failed);
        if held.len() >= self.needed {
            return Ok(Outcome { held, failed });
        }
        let held = held.into_iter().map(|(name, _)| name).collect();
        Err(Lacking::new(held, failed, self.needed).into_error().with_name(self.key.as_str()))
    }

    /// Gives up everywhere; all stores stay as they were.
    ///
    /// # Errors
    /// The first one of a store that could not remove what was begun there.
    pub async fn abort(mut self) -> Result<()> {
        self.give_up().await.map_err(|error| error.renamed(self.key.as_str()))
    }

    /// The stores that failed so far, and why. What ended everything is told by its error.
    pub fn failed(&self) -> &[(String, Error)] {
        &self.failed
    }

    /// Gives up once too few are left.
    async fn admit(&mut self) -> Result<()> {
        if self.broken {
            let message = "a write was given up half-way, and who took it is unknown";
            return Err(Error::new(ErrorKind::InvalidInput, message).with_name(self.key.as_str()));
        }
        if self.live.len() >= self.needed {
            return Ok(());
        }
        // The errors that led here are the ones to tell.
        let _ = self.give_up().await;
        if self.failed.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the object was given up before"));
        }
        let failed = std::mem::take(&mut self.failed);
        Err(Lacking::new(Vec::new(), failed, self.needed).into_error().with_name(self.key.as_str()))
    }

    async fn give_up(&mut self) -> Result<()> {
        let live = std::mem::take(&mut self.live);
        let aborted = join_all(live.into_iter().map(|(_, writer)| writer.abort())).await;
        aborted.into_iter().collect()
    }
}

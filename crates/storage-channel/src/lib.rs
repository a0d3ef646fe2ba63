#![doc = include_str!("../README.md")]

mod receiver;
mod sender;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use storage_core::{Backend, Result, Store, Timeouts};

pub use receiver::{Delivery, Receiver};
pub use sender::Channel;

/// Nobody waits as long.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How much may wait. One object always may, however large.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many objects.
    pub objects: usize,
    /// How many bytes they may have together.
    pub bytes: u64,
}

impl Capacity {
    /// Any number of objects of any size.
    pub fn unbounded() -> Self {
        Self { objects: usize::MAX, bytes: u64::MAX }
    }

    /// Sets how many objects may wait; at least one.
    pub fn objects(mut self, objects: usize) -> Self {
        self.objects = objects.max(1);
        self
    }

    /// Sets how many bytes the objects that wait may have together.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
}

/// A store whose objects wait for the receiver. They are held in `backend`; those that stand there already wait first, in
/// the order of the listing.
///
/// A write waits for room for as long as it takes; with [`Store::with_timeouts`] it ends with `TimedOut` instead. What the backend itself
/// takes for a write is bounded all the same; reads and listings of the sending store are not.
///
/// # Errors
/// Those of listing what is there already.
pub async fn channel(backend: impl Backend, capacity: Capacity) -> Result<(Store, Receiver)> {
    let (channel, receiver) = Channel::open(Arc::new(backend), capacity).await?;
    let patient = Timeouts::default().silence(FOREVER).work(FOREVER);
    Ok((Store::new(channel).with_timeouts(patient), receiver))
}

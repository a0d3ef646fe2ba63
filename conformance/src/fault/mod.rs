//! Faults on purpose: a layer that does to any backend what networks and services do to it, by script.
//!
//! A [`Plan`] says which call meets which [`Fault`]; a [`FaultLayer`] carries it out and keeps a [`Journal`] of every
//! call. Nothing is left to chance, so a failure is the same on every run. Authors of other layers and of engines
//! above [`Store`](storage_core::Store) use it in their own tests:
//!
//! ```
//! use storage_conformance::fault::{Call, Fault, FaultLayer, Plan, Refusal};
//! use storage_core::{Key, ReadOptions, Store, WriteOptions};
//! use storage_memory::Memory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> storage_core::Result<()> {
//! let faults = FaultLayer::new(Plan::new().at(Call::Read, 0, Fault::Cut { after: 3, with: Refusal::unavailable() }));
//! let store = Store::new(Memory::new()).layer(&faults);
//! let key = Key::new("a")?;
//! store.write(&key, "some bytes", WriteOptions::new()).await?;
//!
//! // The body breaks off after three bytes; the rest comes by a second request.
//! assert_eq!(&store.read(&key, ReadOptions::new()).await?.bytes[..], b"some bytes");
//! assert_eq!(faults.journal().count(Call::Read), 2);
//! assert!(faults.unmet().is_empty());
//! # Ok(()) }
//! ```

mod backend;
mod body;
mod call;
mod journal;
mod kind;
mod layer;
mod list;
mod plan;
mod upload;

pub use call::{Call, Seen};
pub use journal::{CallCounts, Journal};
pub use kind::{Fault, Refusal};
pub use layer::FaultLayer;
pub use plan::{Plan, Rule};

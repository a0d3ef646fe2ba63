#![doc = include_str!("../README.md")]

mod check;
mod engine;
mod merge;
mod options;
mod plan;
mod report;
mod transfer;

pub use check::check;
pub use engine::sync;
pub use options::{Compare, SyncOptions, Verify};
pub use plan::{Equality, Pair, Planner, Rules, Step};
pub use report::{Comparison, Difference, SyncEvent, SyncSummary};
pub use transfer::{Copied, copy_object};

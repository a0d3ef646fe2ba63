#![doc = include_str!("../README.md")]

mod fixed;
mod tfrecord;
mod varint;

pub use fixed::{LengthPrefix, Width};
pub use tfrecord::TfRecord;
pub use varint::Varint;

#![doc = include_str!("../README.md")]

mod file;
mod fixed;
mod tfrecord;
mod varint;

pub use file::RecordFile;
pub use fixed::{LengthPrefix, Width};
pub use tfrecord::TfRecord;
pub use varint::Varint;

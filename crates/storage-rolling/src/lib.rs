#![doc = include_str!("../README.md")]

mod manifest;
mod writer;

pub use manifest::{Manifest, Part};
pub use writer::{Limits, Rolling};

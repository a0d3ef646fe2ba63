#![doc = include_str!("../README.md")]

mod backend;
mod list;
mod state;
mod upload;

use std::sync::Arc;

use storage_core::{Location, Opened, Options, Prefix, Provider};

pub use backend::Memory;

/// Opens `memory:///path`.
pub const PROVIDER: Provider = Provider {
    name: "memory",
    description: "objects in this process's memory",
    schemes: &["memory"],
    options: &[],
    open: |location: Location, _: Options| {
        Box::pin(async move {
            Ok(Opened { backend: Arc::new(Memory::new()), prefix: Prefix::directory(location.path())? })
        })
    },
};

#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

mod attributes;
mod backend;
mod blocking;
mod buffer;
mod change;
mod cleanup;
mod config;
mod copy;
mod direct;
mod entry;
mod error;
mod link;
mod list;
mod lock;
mod publish;
mod read;
mod root;
mod stage;
mod stat;
mod upload;

use std::sync::Arc;

use storage_core::{Location, Opened, OptionSpec, Options, Prefix, Provider};

pub use backend::Fs;
pub use config::{Config, Symlinks};

/// Opens `file:///path`.
pub const PROVIDER: Provider = Provider {
    name: "fs",
    description: "a directory on a local or mounted volume",
    schemes: &["file"],
    options: &[
        OptionSpec {
            name: "symlinks",
            help: "what a symbolic link is: `follow` (default), `preserve` or `skip`",
            secret: false,
        },
        OptionSpec {
            name: "fsync",
            help: "whether a write is on stable storage before it is acknowledged: `true` (default) or `false`",
            secret: false,
        },
        OptionSpec {
            name: "create",
            help: "whether a missing root directory is made: `true` or `false` (default)",
            secret: false,
        },
        OptionSpec {
            name: "sparse",
            help: "whether long runs of zeros become holes: `true` or `false` (default)",
            secret: false,
        },
        OptionSpec {
            name: "direct",
            help: "whether large files pass by the page cache: `true` or `false` (default)",
            secret: false,
        },
    ],
    open: |location: Location, options: Options| {
        Box::pin(async move {
            let config = Config::from_location(&location, &options)?;
            let backend = blocking::run(move |_| Fs::open(config)).await?;
            Ok(Opened { backend: Arc::new(backend), prefix: Prefix::root() })
        })
    },
};

#![doc = include_str!("../README.md")]

mod backend;
mod list;
mod upload;

use std::sync::Arc;

use storage_core::{Location, Opened, Options, Prefix, Provider};

pub use backend::Template;

/// Opens `template:///path`.
pub const PROVIDER: Provider = Provider {
    name: "template",
    description: "say what it reaches in a few words",
    schemes: &["template"],
    options: &[],
    open: |location: Location, _: Options| {
        Box::pin(async move {
            Ok(Opened { backend: Arc::new(Template::new()), prefix: Prefix::directory(location.path())? })
        })
    },
};

#![doc = include_str!("../README.md")]

mod auth;
mod backend;
mod body;
mod checksum;
mod cleanup;
mod client;
mod compose;
mod config;
mod copy;
mod delete;
mod error;
mod list;
mod name;
mod part;
mod read;
mod resource;
mod resumable;
mod sign;
mod write;

use std::sync::Arc;

use storage_core::{BoxFuture, Location, Opened, OptionSpec, Options, Prefix, Provider, Result};

pub use backend::Gcs;
pub use config::{Config, Credentials, Uploads};

/// Opens `gs://bucket/prefix`.
pub const PROVIDER: Provider = Provider {
    name: "gcs",
    description: "Google Cloud Storage: gs://bucket/key",
    schemes: &["gs", "gcs"],
    options: &[
        option(
            "endpoint",
            "URL of the service; default: STORAGE_EMULATOR_HOST, else https://storage.googleapis.com",
        ),
        option("credentials_file", "JSON file of a service account, of external accounts, or of a user"),
        secret("credentials", "the content of such a file, in place of it"),
        secret("token", "an access token, in place of credentials; it is not renewed"),
        option("anonymous", "true: no credentials at all, for public buckets; default false"),
        option("user_project", "project that pays for requests and their quota"),
        option("ca_file", "PEM file with certificate authorities to trust besides the system's"),
        option("connect_timeout", "how long a connection may take to stand; default 5s"),
        option("versions", "true: the bucket keeps old generations, use them; default false"),
        option("part_size", "size at which parts of an upload travel, a multiple of 256K; default 8M"),
        option(
            "uploads",
            "of large objects: `resumable`, one part after another, or `compose`, parts side by side as objects of \
             their own, put together at the end; default resumable",
        ),
        option("storage_class", "class of new objects, such as NEARLINE"),
        option(
            "predefined_acl",
            "access list of new objects, such as `publicRead`, in buckets that have such lists",
        ),
        option("kms_key", "key of the key service for new objects; default: the bucket's own"),
        secret("customer_key", "base64 of the 32 bytes of a customer's own key, needed again for every read"),
        option("cleanup_age", "parts of others' uploads count as left behind after this long; default 24h"),
    ],
    open,
};

const fn option(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, help, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, help, secret: true }
}

fn open(location: Location, options: Options) -> BoxFuture<'static, Result<Opened>> {
    Box::pin(async move {
        let config = Config::from_options(location.authority(), &options)?;
        let backend = Arc::new(Gcs::open(config).await?);
        Ok(Opened { backend, prefix: Prefix::directory(location.path())? })
    })
}

#![doc = include_str!("../README.md")]

mod backend;
mod body;
mod checksum;
mod cleanup;
mod client;
mod config;
mod copy;
mod delete;
mod error;
mod headers;
mod list;
mod metadata;
mod name;
mod read;
mod sign;
mod upload;
mod wire;
mod write;

use std::sync::Arc;

use storage_core::{BoxFuture, Location, Opened, OptionSpec, Options, Prefix, Provider, Result};

pub use backend::S3;
pub use config::{ChecksumMode, Conditions, Config, Credentials, Encryption};

/// Opens `s3://bucket/prefix`.
pub const PROVIDER: Provider = Provider {
    name: "s3",
    description: "Amazon S3 and services that speak its protocol: s3://bucket/key",
    schemes: &["s3"],
    options: &[
        option("endpoint", "URL of a service other than AWS, such as `https://s3.example.org`"),
        option("region", "region; by default that of the environment or profile, else us-east-1"),
        option(
            "path_style",
            "true: the bucket stands in the path; default: true with an endpoint of its own",
        ),
        option("profile", "profile of the AWS configuration files to use"),
        option("access_key_id", "access key, in place of the credentials found on this machine"),
        secret("secret_access_key", "the secret of `access_key_id`"),
        secret("session_token", "the session token that goes with temporary keys"),
        option("anonymous", "true: no credentials at all, for public buckets; default false"),
        option("ca_file", "PEM file with certificate authorities to trust besides the system's"),
        option("connect_timeout", "how long a connection may take to stand; default 5s"),
        option("versions", "true: the bucket keeps versions, use them; default false"),
        option(
            "conditions",
            "conditions that the service keeps: all, none, or a list of create, replace, delete; default: all on \
             AWS, none elsewhere, see `haul doctor`",
        ),
        option(
            "sign_bodies",
            "whether signatures cover bodies, true or false; by default over http, not over https",
        ),
        option("checksums", "auto (crc64nvme where the service knows it), crc64nvme, or off; default auto"),
        option("sorted", "false: the service lists in an order of its own; default true"),
        option("part_size", "size at which parts of an upload travel; default 8M"),
        option("storage_class", "class of new objects, such as STANDARD_IA"),
        option("tags", "tags of new objects, as `name=value&name=value`"),
        option("encryption", "of new objects: none, AES256, aws:kms, or customer; default: the bucket's own"),
        option("kms_key_id", "key for aws:kms; default: the account's"),
        secret("customer_key", "base64 of the 32 bytes of a customer's own key, for encryption=customer"),
        option(
            "cleanup_age",
            "unfinished uploads of others count as left behind after this long; default 24h",
        ),
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
        let backend = Arc::new(S3::open(config).await?);
        Ok(Opened { backend, prefix: Prefix::directory(location.path())? })
    })
}

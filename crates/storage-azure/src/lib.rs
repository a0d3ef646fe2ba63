#![doc = include_str!("../README.md")]

mod append;
mod auth;
mod backend;
mod checksum;
mod client;
mod config;
mod connection_string;
mod copy;
mod delete;
mod error;
mod list;
mod metadata;
mod name;
mod read;
mod sas;
mod shared_key;
mod sign;
mod upload;
mod write;
mod xml;

use std::sync::Arc;

use storage_core::{
    BoxFuture, Error, ErrorKind, Location, Opened, OptionSpec, Options, Prefix, Provider, Result,
};

pub use backend::Azure;
pub use config::{Config, Credentials};

/// Opens `az://container/prefix`, and `abfss://container@account.dfs.core.windows.net/prefix`.
pub const PROVIDER: Provider = Provider {
    name: "azure",
    description: "Azure Blob Storage: az://container/key, abfss://container@account.dfs.core.windows.net/key",
    schemes: &["az", "azure", "abfs", "abfss"],
    options: &[
        option("account", "the storage account; default: that of the URL, or AZURE_STORAGE_ACCOUNT"),
        option("endpoint", "URL of the blob service; default: https://ACCOUNT.blob.core.windows.net"),
        secret("connection_string", "account, endpoint and credentials in one, as the portal shows it"),
        secret("account_key", "key of the account, in place of the credentials found on this machine"),
        secret("sas_token", "shared access signature, `sv=…&sig=…`"),
        secret("token", "access token for https://storage.azure.com, which is not renewed"),
        option("tenant_id", "tenant of `client_id`, with `client_secret`"),
        option("client_id", "application that logs in, or the identity to use of several managed ones"),
        secret("client_secret", "secret of the application `client_id`"),
        option(
            "identity",
            "who logs in: `workload`, `managed`, `cli`, or `auto`, the first that works; default auto",
        ),
        option("anonymous", "true: no credentials at all, for public containers; default false"),
        option("ca_file", "PEM file with certificate authorities to trust besides the system's"),
        option("connect_timeout", "how long a connection may take to stand; default 5s"),
        option("versions", "true: the account keeps versions, use them; default false"),
        option("sorted", "false: the service lists in an order of its own; default true"),
        option("part_size", "size at which blocks of an upload travel; default 8M"),
        option("access_tier", "tier of new blobs, such as Cool"),
        option("tags", "tags of new blobs, as `name=value&name=value`"),
        option("encryption_scope", "encryption scope of new blobs; default: the container's own"),
        option(
            "delete_snapshots",
            "true: a blob is deleted with its snapshots, else it is kept; default false",
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
        let mut options = options;
        let container = match location.scheme() {
            "abfs" | "abfss" => {
                let (container, host) = location.authority().split_once('@').ok_or_else(|| {
                    let message = "such a URL is `abfss://container@account.dfs.core.windows.net/key`";
                    Error::new(ErrorKind::InvalidConfig, message)
                })?;
                // The same blobs behind the service's other door.
                let (account, rest) = host.split_once('.').unwrap_or((host, "dfs.core.windows.net"));
                let rest =
                    rest.strip_prefix("dfs.").map_or_else(|| rest.to_owned(), |rest| format!("blob.{rest}"));
                options = given(options, "account", account.to_owned());
                options = given(options, "endpoint", format!("https://{account}.{rest}"));
                container
            }
            _ => location.authority(),
        };
        let config = Config::from_options(container, &options)?;
        let backend = Arc::new(Azure::open(config).await?);
        Ok(Opened { backend, prefix: Prefix::directory(location.path())? })
    })
}

fn given(options: Options, name: &str, value: String) -> Options {
    if options.get(name).is_some() { options } else { options.set(name, value) }
}

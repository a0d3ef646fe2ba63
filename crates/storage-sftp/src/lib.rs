#![doc = include_str!("../README.md")]

mod attributes;
mod backend;
mod change;
mod cleanup;
mod config;
mod copy;
mod error;
mod list;
mod names;
mod pool;
mod read;
mod root;
mod session;
mod stage;
mod upload;

use std::sync::Arc;

use storage_core::{BoxFuture, Location, Opened, OptionSpec, Options, Prefix, Provider, Result};

pub use backend::Sftp;
pub use config::{Config, HostKeys, Symlinks};

/// Opens `sftp://user@host:port/path`, and `sftp://host/~/path` below the home directory.
pub const PROVIDER: Provider = Provider {
    name: "sftp",
    description: "a directory on another machine, by ssh: sftp://user@host:port/path, sftp://host/~/path at home",
    schemes: &["sftp", "ssh"],
    options: &[
        option("ssh_config", "configuration file of ssh; default: ssh's own"),
        option("identity_file", "private key; default: ssh's own choice, and the agent's"),
        option(
            "host_keys",
            "known (default): refuse hosts that ssh does not know; accept-new: learn new ones",
        ),
        option("connect_timeout", "how long a connection may take to stand; default 10s"),
        option("sessions", "the most connections side by side; default 4"),
        option("fsync", "false: acknowledge writes before the server has synced them; default true"),
        option("symlinks", "follow (default): what a link inside the directory leads to; skip: nothing"),
        option(
            "cleanup_age",
            "unfinished writes of others count as left behind after this long; default 24h",
        ),
    ],
    open,
};

const fn option(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, help, secret: false }
}

fn open(location: Location, options: Options) -> BoxFuture<'static, Result<Opened>> {
    Box::pin(async move {
        let config = Config::from_location(&location, &options)?;
        let backend = Arc::new(Sftp::open(config).await?);
        Ok(Opened { backend, prefix: Prefix::root() })
    })
}

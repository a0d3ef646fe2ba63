//! The whole suite on OpenSSH's server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use storage_conformance::{Fixture, Subject, Wire};
use storage_core::Result;
use storage_sftp::{Config, Sftp};

fn main() -> ExitCode {
    let variables = ["HAUL_TEST_SFTP_CONFIG", "HAUL_TEST_SFTP_ROOT"].map(std::env::var);
    let [Ok(config), Ok(root)] = variables else {
        let reason = "no server: `HAUL_TEST_SFTP_CONFIG` is not set, see `cargo xtask serve`";
        return storage_conformance::run(Subject::missing("sftp on OpenSSH", reason));
    };
    let config = PathBuf::from(config);
    let upstream = address(&config);
    let (through, roots) = (config.clone(), root.clone());
    let subject = Subject::new("sftp on OpenSSH", move || {
        fresh(config.clone(), format!("{root}/{:016x}", fastrand::u64(..)), None)
    });
    storage_conformance::run(subject.wire(Wire::tcp(upstream, move |place| {
        fresh(through.clone(), format!("{roots}/{}", place.name), Some(place.address))
    })))
}

async fn fresh(ssh_config: PathBuf, root: String, through: Option<SocketAddr>) -> Result<Fixture> {
    let mut config =
        Config::new("haul-test", root).ssh_config(ssh_config).cleanup_age(Duration::ZERO).fsync(false);
    if let Some(address) = through {
        config = config.port(address.port());
    }
    Ok(Fixture::new(Sftp::open(config).await?))
}

/// Where the server listens, by the configuration of its client.
fn address(config: &Path) -> SocketAddr {
    let text = std::fs::read_to_string(config).expect("the configuration of ssh");
    let port = text.lines().find_map(|line| line.trim().strip_prefix("Port ")).expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port.trim().parse().expect("a number")))
}

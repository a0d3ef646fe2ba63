//! Tests that are ignored, and never passed, where their server is not there.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_conformance::proxy::Proxy;
use storage_core::{Key, Prefix, Store};
use storage_s3::{Config, S3};

use crate::support::{config, make_bucket};

/// Expectations panic, and what should have succeeded is an error.
pub(crate) type Outcome = Result<(), Failed>;

/// Nobody listens there.
pub(crate) const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

pub(crate) fn all(tests: impl Iterator<Item = Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), tests.collect()).exit_code()
}

/// A test that needs no server.
pub(crate) fn test<F>(name: &str, body: fn() -> F) -> Trial
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Trial::test(name, move || runtime().block_on(body()))
}

/// A test on the server that the variable names.
pub(crate) fn on<F>(variable: &'static str, name: &str, body: fn(String) -> F) -> Trial
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let endpoint = std::env::var(variable).ok();
    let missing = endpoint.is_none();
    let perform = move || match endpoint {
        Some(endpoint) => runtime().block_on(body(endpoint)).map(|()| Completion::Completed),
        None => Ok(Completion::ignored_with(format!(
            "no server: `{variable}` is not set, see `cargo xtask serve`"
        ))),
    };
    Trial::ignorable_test(name, perform).with_ignored_flag(missing)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

pub(crate) fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 251 + at * 7) as u8).collect()
}

/// Runs the test again in a process of its own, since environment and home are the whole process's. What it wrote, or
/// nothing if this is that process.
pub(crate) fn alone(
    test: &str,
    home: &Path,
    environment: &[(&str, String)],
) -> Result<Option<String>, Failed> {
    const INSIDE: &str = "HAUL_TEST_ALONE";
    if std::env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.env_clear().env("HOME", home).env(INSIDE, "1").args(["--exact", test]);
    let output = command.envs(environment.iter().cloned()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(Some(said)) } else { Err(said.into()) }
}

/// A place of its own in a bucket that all tests share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) bucket: &'static str,
    pub(crate) name: String,
}

impl Place {
    pub(crate) async fn new(endpoint: &str) -> Self {
        Self::in_bucket(endpoint, "haul", false).await
    }

    pub(crate) async fn in_bucket(endpoint: &str, bucket: &'static str, versions: bool) -> Self {
        make_bucket(endpoint, bucket, versions).await;
        Self { endpoint: endpoint.to_owned(), bucket, name: format!("service-{:016x}", fastrand::u64(..)) }
    }

    /// A store there.
    pub(crate) async fn store(&self, settings: impl FnOnce(Config) -> Config) -> storage_core::Result<Store> {
        self.at(&self.endpoint, settings).await
    }

    /// A store there, through a proxy.
    pub(crate) async fn through(
        &self,
        proxy: &Proxy,
        settings: impl FnOnce(Config) -> Config,
    ) -> storage_core::Result<Store> {
        self.at(&format!("http://{}", proxy.address()), settings).await
    }

    /// A store there, at another address.
    pub(crate) async fn at(
        &self,
        endpoint: &str,
        settings: impl FnOnce(Config) -> Config,
    ) -> storage_core::Result<Store> {
        let backend = S3::open(settings(config(self.bucket, endpoint).sorted(false))).await?;
        Store::from_arc(Arc::new(backend)).scoped(&Prefix::directory(&self.name)?)
    }

    /// The name of a key as the service has it.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A proxy in front of the server.
    pub(crate) fn proxy(&self) -> Proxy {
        let server = self.endpoint.strip_prefix("http://").and_then(|address| address.parse().ok());
        Proxy::http(server.expect("an address")).expect("a port")
    }
}

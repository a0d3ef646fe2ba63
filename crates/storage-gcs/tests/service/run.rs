//! Tests that are ignored, and never passed, where their server is not there.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;
use storage_conformance::proxy::Proxy;
use storage_core::{Key, Prefix, Store};
use storage_gcs::{Config, Gcs};

use crate::support::{KEY, OPEN, STRICT, config, make_bucket};

/// Expectations panic, and what should have succeeded is an error.
pub(crate) type Outcome = Result<(), Failed>;

/// Nobody listens there.
pub(crate) const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
/// Tells a test that it runs in a process of its own.
const INSIDE: &str = "HAUL_TEST_ALONE";

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

/// A test on the emulator, at the address that asks for tokens.
pub(crate) fn on<F>(name: &str, body: fn(String) -> F) -> Trial
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let endpoint = std::env::var(STRICT).ok();
    let missing = endpoint.is_none();
    let perform = move || match endpoint {
        Some(endpoint) => runtime().block_on(body(endpoint)).map(|()| Completion::Completed),
        None => {
            Ok(Completion::ignored_with(format!("no server: `{STRICT}` is not set, see `cargo xtask serve`")))
        }
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

/// Runs the test again in a process of its own, since environment and home are the whole process's. Whether this is the
/// one that started it.
pub(crate) fn alone(test: &str, home: &Path, environment: &[(&str, String)]) -> Result<bool, Failed> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(false);
    }
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.env_clear().env("HOME", home).env(INSIDE, "1").args(["--exact", test]);
    for variable in [STRICT, OPEN, KEY] {
        command.envs(std::env::var_os(variable).map(|value| (variable, value)));
    }
    let output = command.envs(environment.iter().cloned()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(true) } else { Err(said.into()) }
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
        make_bucket(bucket, versions).await;
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
        let backend = Gcs::open(settings(config(self.bucket, endpoint))).await?;
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

    /// The service's own description of an object.
    pub(crate) async fn resource(&self, name: &str) -> Result<Value, Failed> {
        let url = format!("{}/o/{}", self.bucket_url(), encode(&self.full(name)));
        let told = reqwest::get(url).await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&told)?)
    }

    /// Puts an object there as others do, of these properties.
    pub(crate) async fn insert(&self, name: &str, properties: Value, content: &[u8]) -> Outcome {
        let mut body = format!(
            "--line\r\ncontent-type: application/json\r\n\r\n{properties}\r\n--line\r\ncontent-type: text/plain\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--line--\r\n");
        let url = self.bucket_url().replace("/storage/v1", "/upload/storage/v1");
        let post = reqwest::Client::new()
            .post(format!("{url}/o?uploadType=multipart&name={}", encode(&self.full(name))))
            .header("content-type", "multipart/related; boundary=line")
            .body(body);
        post.send().await?.error_for_status()?;
        Ok(())
    }

    /// Every name in the bucket that begins like this, of old generations as well.
    pub(crate) async fn names(&self, prefix: &str) -> Result<Vec<String>, Failed> {
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let url = format!("{}/o?versions=true&prefix={}{token}", self.bucket_url(), encode(prefix));
            let page: Value = serde_json::from_slice(&reqwest::get(url).await?.bytes().await?)?;
            let items = page["items"].as_array().into_iter().flatten();
            names.extend(items.filter_map(|item| item["name"].as_str().map(str::to_owned)));
            match page["nextPageToken"].as_str() {
                Some(next) => token = format!("&pageToken={next}"),
                None => return Ok(names),
            }
        }
    }

    /// The bucket at the address that takes everybody.
    pub(crate) fn bucket_url(&self) -> String {
        format!("{}/storage/v1/b/{}", open_endpoint(), self.bucket)
    }
}

/// The address that takes everybody.
pub(crate) fn open_endpoint() -> String {
    std::env::var(OPEN).expect("the server's variables come together")
}

pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

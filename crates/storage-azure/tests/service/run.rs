//! Tests that are ignored, and never passed, where their server is not there.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_azure::{Azure, Config};
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{Attributes, Key, Prefix, SignRequest, SignedMethod, Store};

use crate::support::{ACCOUNT, CONTAINER, config};

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

pub(crate) fn attributes(set: impl FnOnce(&mut Attributes)) -> Attributes {
    let mut attributes = Attributes::default();
    set(&mut attributes);
    attributes
}

/// Everything is answered like this.
pub(crate) fn answers(answer: Answer) -> Proxy {
    let proxy = Proxy::http(NOWHERE).expect("a port");
    proxy.set(Plan::new().rule(Rule::new(Fault::Answer(answer))));
    proxy
}

/// Where the account is behind a proxy.
pub(crate) fn behind(proxy: &Proxy) -> String {
    format!("http://{}/{ACCOUNT}", proxy.address())
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

/// A place of its own in a container that all tests share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), name: format!("service-{:016x}", fastrand::u64(..)) }
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
        self.at(&behind(proxy), settings).await
    }

    /// A store there, at another address.
    pub(crate) async fn at(
        &self,
        endpoint: &str,
        settings: impl FnOnce(Config) -> Config,
    ) -> storage_core::Result<Store> {
        let backend = self.backend(endpoint, settings).await?;
        Store::from_arc(Arc::new(backend)).scoped(&Prefix::directory(&self.name)?)
    }

    /// The backend alone, which knows no place.
    pub(crate) async fn backend(
        &self,
        endpoint: &str,
        settings: impl FnOnce(Config) -> Config,
    ) -> storage_core::Result<Azure> {
        Azure::open(settings(config(CONTAINER, endpoint))).await
    }

    /// The name of a key as the service has it.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A proxy in front of the server.
    pub(crate) fn proxy(&self) -> Proxy {
        let address = self.endpoint.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let server = address.and_then(|address| address.parse().ok());
        Proxy::http(server.expect("an address")).expect("a port")
    }

    /// The query that permits this to the blob of this name.
    pub(crate) async fn permit(&self, method: SignedMethod, name: &str) -> storage_core::Result<String> {
        let signed = SignRequest::new(method, Duration::from_secs(3600));
        let signed = self.store(|c| c).await?.presign(&key(name), signed).await?;
        Ok(signed.url.reveal().split_once('?').expect("a signature").1.to_owned())
    }

    /// A request as others may send it.
    pub(crate) async fn raw(
        &self,
        method: SignedMethod,
        name: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<reqwest::Response, Failed> {
        let signed = SignRequest::new(method, Duration::from_secs(60));
        let signed = self.store(|c| c).await?.presign(&key(name), signed).await?;
        let verb = match method {
            SignedMethod::Put => reqwest::Method::PUT,
            SignedMethod::Head => reqwest::Method::HEAD,
            SignedMethod::Delete => reqwest::Method::DELETE,
            _ => reqwest::Method::GET,
        };
        let url = [signed.url.reveal(), query].join(if query.is_empty() { "" } else { "&" });
        let mut request = reqwest::Client::new().request(verb, url).header("x-ms-version", "2023-11-03");
        if query.is_empty() && method == SignedMethod::Put {
            request = request.header("x-ms-blob-type", "BlockBlob");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == SignedMethod::Put {
            request = request.header("content-length", body.len()).body(body);
        }
        Ok(request.send().await?)
    }
}

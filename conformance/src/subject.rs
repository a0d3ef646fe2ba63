//! What is tested.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use storage_core::{Backend, BoxFuture, Error, Opened, Pattern, Prefix, Result, Store};

use crate::case::{Case, LEVEL};
use crate::wire::Wire;

type Opener = Arc<dyn Fn() -> BoxFuture<'static, Result<Fixture>> + Send + Sync>;

/// Where fresh backends come from.
#[derive(Clone)]
enum Source {
    Opener(Opener),
    /// Nowhere, for this reason.
    Missing(String),
}

/// A backend to test: its name, how a fresh one is opened, and which cases it is known to fail.
#[derive(Clone)]
pub struct Subject {
    pub(crate) name: String,
    source: Source,
    ignored: Vec<(String, String)>,
    level: u32,
    modes: Option<Vec<String>>,
    pub(crate) wire: Option<Wire>,
}

impl Subject {
    /// A subject whose `opener` gives a fresh, empty backend at every call. It is called once to learn the
    /// capabilities and once for every case, each time on the runtime that the backend is then used on.
    ///
    /// ```
    /// use storage_conformance::{Fixture, Subject};
    /// use storage_memory::Memory;
    ///
    /// let subject = Subject::new("memory", || async { Ok(Fixture::new(Memory::new())) });
    /// ```
    pub fn new<F, O, T>(name: impl Into<String>, opener: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<T>> + Send + 'static,
        T: Into<Fixture>,
    {
        let opener = move || -> BoxFuture<'static, Result<Fixture>> {
            let opening = opener();
            Box::pin(async move { opening.await.map(Into::into) })
        };
        Self::from_source(name.into(), Source::Opener(Arc::new(opener)))
    }

    /// A subject that is not there, such as one whose server was not started. Every case is listed, and ignored for
    /// `reason`: none passes.
    ///
    /// ```
    /// use storage_conformance::{Fixture, Subject};
    /// use storage_memory::Memory;
    ///
    /// let subject = match std::env::var("HAUL_TEST_SERVER") {
    ///     Ok(_url) => Subject::new("server", || async { Ok(Fixture::new(Memory::new())) }),
    ///     Err(_) => Subject::missing("server", "HAUL_TEST_SERVER names no server"),
    /// };
    /// ```
    pub fn missing(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::from_source(name.into(), Source::Missing(reason.into()))
    }

    fn from_source(name: String, source: Source) -> Self {
        Self { name, source, ignored: Vec::new(), level: LEVEL, modes: None, wire: None }
    }

    /// Ignores the cases whose name matches a glob, with or without the mode: `read/READ-4-*`, `prefixed/**`. For
    /// weaknesses of a server that its backend cannot mend; `reason` names them.
    pub fn ignore(mut self, pattern: impl Into<String>, reason: impl Into<String>) -> Self {
        self.ignored.push((pattern.into(), reason.into()));
        self
    }

    /// Runs only cases up to this suite level. By default all, [`LEVEL`]; pin the level that the backend passes and an
    /// update of this crate brings no new failures.
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    /// Runs these modes alone: for a second server or setting of a backend that runs them all elsewhere.
    pub fn modes(mut self, modes: &[&str]) -> Self {
        self.modes = Some(modes.iter().map(|&mode| mode.to_owned()).collect());
        self
    }

    /// Runs mode `wire` too: `wire` says where the server is and how a backend is opened through a proxy in front of it.
    ///
    /// ```no_run
    /// # async fn open(_: std::net::SocketAddr, _: &str) -> storage_core::Result<Fixture> { Ok(Fixture::new(storage_memory::Memory::new())) }
    /// use storage_conformance::fault::Call;
    /// use storage_conformance::{Dialect, Fixture, Subject, Wire};
    ///
    /// # let upstream = ([127, 0, 0, 1], 9000).into();
    /// # let subject = Subject::new("x", || async { Ok(Fixture::new(storage_memory::Memory::new())) });
    /// let dialect = Dialect::new(|request| match request.method.as_str() {
    ///     "GET" => Some(Call::Read),
    ///     "PUT" => Some(Call::Write),
    ///     _ => None,
    /// });
    /// let wire = Wire::http(upstream, dialect, |place| async move { open(place.address, &place.name).await });
    /// storage_conformance::run(subject.wire(wire));
    /// ```
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = Some(wire);
        self
    }

    /// A fresh, empty backend.
    pub(crate) async fn open(&self) -> Result<Fixture> {
        match &self.source {
            Source::Opener(open) => open().await,
            Source::Missing(reason) => Err(Error::unsupported(reason.clone())),
        }
    }

    /// Why there is no backend.
    pub(crate) fn why_missing(&self) -> Option<&str> {
        match &self.source {
            Source::Opener(_) => None,
            Source::Missing(reason) => Some(reason),
        }
    }

    pub(crate) fn enters(&self, mode: &str) -> bool {
        self.modes.as_ref().is_none_or(|modes| modes.iter().any(|wanted| wanted == mode))
    }

    pub(crate) fn runs(&self, case: &Case) -> bool {
        case.since <= self.level
    }

    /// The author's reason to ignore a case.
    pub(crate) fn ignores(&self, mode: &str, case: &Case) -> Option<&str> {
        let path = case.path();
        let full = format!("{mode}/{path}");
        let matches = |pattern: &str| match Pattern::new(pattern) {
            Ok(pattern) => pattern.matches(&path) || pattern.matches(&full),
            Err(_) => pattern == path || pattern == full,
        };
        self.ignored.iter().find(|(pattern, _)| matches(pattern)).map(|(_, reason)| reason.as_str())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("missing", &self.why_missing())
            .field("ignored", &self.ignored)
            .field("level", &self.level)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

/// A fresh, empty backend for one case, and what has to live as long, such as a temporary directory.
#[derive(Debug)]
pub struct Fixture {
    backend: Arc<dyn Backend>,
    prefix: Prefix,
    guards: Vec<Box<dyn Any + Send>>,
}

impl Fixture {
    /// A fixture of this backend alone.
    pub fn new(backend: impl Backend) -> Self {
        Self::from(Arc::new(backend) as Arc<dyn Backend>)
    }

    /// Keeps `guard` until the case is over and its runtime has stopped.
    pub fn guard(mut self, guard: impl Any + Send) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// Everything happens below `prefix`, where nothing may be yet: one bucket can serve many cases.
    pub fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    pub(crate) fn store(&self) -> Result<Store> {
        Store::from_arc(self.backend.clone()).scoped(&self.prefix)
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl From<Arc<dyn Backend>> for Fixture {
    fn from(backend: Arc<dyn Backend>) -> Self {
        Self { backend, prefix: Prefix::root(), guards: Vec::new() }
    }
}

impl From<Opened> for Fixture {
    fn from(opened: Opened) -> Self {
        Self { backend: opened.backend, prefix: opened.prefix, guards: Vec::new() }
    }
}

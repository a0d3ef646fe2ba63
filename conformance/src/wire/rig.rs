//! The store under test twice: through the proxy, and past it.

use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage_core::{Error, Key, Metadata, RetryPolicy, Timeouts, WriteOptions};

use super::dialect::Dialect;
use crate::context::{Context, pattern};
use crate::expect::holds;
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Fault, Plan, Proxy, Request, Rule};

/// Tries in a row in every case that does not set another number.
pub(super) const ATTEMPTS: u32 = 4;
/// Long enough for any answer that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// The store under test through the proxy and past it.
#[derive(Debug)]
pub(super) struct Rig {
    /// Through the proxy, with a fast retry policy.
    pub(super) faulty: Context,
    /// Past it: to prepare, and to see what really is there.
    pub(super) calm: Context,
    pub(super) proxy: Arc<Proxy>,
    dialect: Option<Dialect>,
}

impl Rig {
    /// A rig whose wire is whatever it is.
    pub(super) fn new(mut calm: Context) -> Self {
        let line = calm.line.take().expect("because cases of this mode run with a line");
        let store = line.store.with_retry(policy()).with_timeouts(silence(PATIENCE));
        let faulty = Context::new(calm.opened.clone(), store);
        Self { faulty, calm, proxy: line.proxy, dialect: line.dialect }
    }

    /// A rig whose wire is HTTP.
    pub(super) fn http(calm: Context) -> Result<Self, Failure> {
        let rig = Self::new(calm);
        match rig.dialect {
            Some(_) => Ok(rig),
            None => Err(Failure::ignored("the proxy sees no requests on its wire")),
        }
    }

    /// A rig of HTTP whose requests for `call` of these numbers meet `fault`.
    pub(super) fn with(
        calm: Context,
        call: Call,
        nth: impl RangeBounds<u64>,
        fault: Fault,
    ) -> Result<Self, Failure> {
        let rig = Self::http(calm)?;
        rig.set([rig.rule(call, nth, fault)]);
        Ok(rig)
    }

    /// Replaces the plan.
    pub(super) fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        self.proxy.set(rules.into_iter().fold(Plan::new(), Plan::rule));
    }

    /// The requests for `call` of these numbers meet `fault`.
    pub(super) fn rule(&self, call: Call, nth: impl RangeBounds<u64>, fault: Fault) -> Rule {
        let dialect = self.dialect().clone();
        Rule::new(fault).only(move |request| dialect.call(request) == Some(call)).nth(nth)
    }

    pub(super) fn dialect(&self) -> &Dialect {
        self.dialect.as_ref().expect("because rigs of HTTP have one")
    }

    /// Takes silence no longer than this.
    pub(super) fn silence(mut self, limit: Duration) -> Self {
        self.faulty.store = self.faulty.store.with_timeouts(silence(limit));
        self
    }

    /// Makes no more tries than this in a row.
    pub(super) fn attempts(mut self, attempts: u32) -> Self {
        self.faulty.store = self.faulty.store.with_retry(policy().attempts(attempts));
        self
    }

    /// Every fault of the plan was met; else the case proves nothing.
    #[track_caller]
    pub(super) fn all_met(&self) -> Result<(), Failure> {
        let unmet = self.proxy.unmet();
        holds(
            unmet.is_empty(),
            format_args!(
                "expected every fault to be met, these were not: {unmet:?}; the requests were {:?}",
                self.lines()
            ),
        )
    }

    /// The requests for `call` so far.
    pub(super) fn requests(&self, call: Call) -> Vec<Request> {
        let mut requests = self.proxy.requests();
        requests.retain(|request| self.dialect().call(request) == Some(call));
        requests
    }

    /// The requests so far in short, for messages.
    fn lines(&self) -> Vec<String> {
        let line = |r: &Request| format!("{} {} {}", r.method, r.target, r.status.unwrap_or_default());
        self.proxy.requests().iter().map(line).collect()
    }

    /// The length of a part that this backend takes and that a test can afford.
    pub(super) fn part(&self) -> u64 {
        self.calm.can.limits.part_min.max(4096)
    }

    /// Content of three parts and a bit.
    pub(super) fn parts_content(&self, seed: u64) -> Bytes {
        pattern(seed, usize::try_from(3 * self.part() + 77).expect("because parts fit into memory"))
    }

    /// Writes in parts, through the proxy.
    pub(super) async fn put_parts(
        &self,
        name: &str,
        body: &Bytes,
        options: WriteOptions,
    ) -> Result<Metadata, Error> {
        let options = options.part_size(self.part());
        let mut writer = self.faulty.store.writer(&Key::new(name)?, options).await?;
        writer.write(body.clone()).await?;
        writer.finish().await
    }
}

fn policy() -> RetryPolicy {
    RetryPolicy::default()
        .attempts(ATTEMPTS)
        .waits(Duration::from_millis(1), Duration::from_millis(2))
        .budget(Duration::from_secs(60))
}

fn silence(limit: Duration) -> Timeouts {
    Timeouts::default().silence(limit).work(limit)
}

/// Whether answers name a version, by which a broken read can be continued.
pub(super) fn names_version(metadata: &Metadata) -> bool {
    metadata.etag.is_some() || metadata.version.is_some()
}

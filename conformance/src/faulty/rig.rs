//! The store under test twice: through faults, and past them.

use std::time::Duration;

use bytes::Bytes;
use storage_core::{Error, Key, Metadata, RetryPolicy, Timeouts, WriteOptions};

use crate::context::{Context, pattern};
use crate::expect::holds;
use crate::failure::Failure;
use crate::fault::{Call, FaultLayer, Plan};

/// Tries in a row in every case that does not set another number.
pub(super) const ATTEMPTS: u32 = 4;
/// Long enough for any answer that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// The store under test with faults, and without.
#[derive(Debug)]
pub(super) struct Rig {
    /// Through the faults, with a fast retry policy.
    pub(super) faulty: Context,
    /// Past the faults and the journal: to prepare, and to see what really is there.
    pub(super) calm: Context,
    pub(super) faults: FaultLayer,
}

impl Rig {
    pub(super) fn new(calm: Context, plan: Plan) -> Self {
        Self::with(calm, FaultLayer::new(plan))
    }

    pub(super) fn with(calm: Context, faults: FaultLayer) -> Self {
        let store = calm.store.layer(&faults).with_retry(policy()).with_timeouts(silence(PATIENCE));
        let faulty = Context::new(calm.opened.clone(), store);
        Self { faulty, calm, faults }
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
        let unmet = self.faults.unmet();
        holds(unmet.is_empty(), format_args!("expected every fault to be met, these were not: {unmet:?}"))
    }

    /// Waits until `call` came back from the backend `times` times.
    pub(super) async fn ended(&self, call: Call, times: usize) -> Result<(), Failure> {
        let ended = tokio::time::timeout(PATIENCE, self.faults.journal().ended(call, times)).await;
        let made = self.faults.journal();
        ended.map_err(|_| Failure::new(format_args!("expected {times} {call}, there were {made}")))
    }

    /// The length of a part that this backend takes and that a test can afford.
    pub(super) fn part(&self) -> u64 {
        self.calm.can.limits.part_min.max(4096)
    }

    /// Content of three parts and a bit.
    pub(super) fn parts_content(&self, seed: u64) -> Bytes {
        pattern(seed, usize::try_from(3 * self.part() + 77).expect("because parts fit into memory"))
    }

    /// Writes in parts, through the faults.
    pub(super) async fn put_parts(
        &self,
        name: &str,
        body: &Bytes,
        options: WriteOptions,
    ) -> Result<Metadata, Error> {
        let options = options.part_size(self.part());
        let mut writer = self.faulty.store.writer(&Key::new(name)?, options).await?;
        for at in (0..body.len()).step_by(3000) {
            writer.write(body.slice(at..body.len().min(at + 3000))).await?;
        }
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
    Timeouts::default().silence(limit)
}

/// Whether answers name a version, by which a broken read can be continued.
pub(super) fn names_version(metadata: &Metadata) -> bool {
    metadata.etag.is_some() || metadata.version.is_some()
}

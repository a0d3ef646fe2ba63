//! The cases, and how many sequences each of them tries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use storage_core::{Capabilities, Level, Prefix, RetryPolicy, Store};
use tokio::runtime::Handle;

use super::drive::sequence;
use super::operation::sequences;
use crate::case::Case;
use crate::context::Context;
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal, Rule};

const CASES: &[Case] = &[
    Case::new("model", "READ-1", "random-operations", |c| Box::pin(plain(c))),
    Case::new("model", "COPY-1", "random-operations-emulated", |c| Box::pin(emulated(c))),
    Case::new("model", "ERR-3", "random-operations-under-faults", |c| Box::pin(faulty(c))),
];

/// Every case of random operations.
pub(crate) fn all() -> Vec<&'static Case> {
    CASES.iter().collect()
}

/// Sequences per case, unless the environment says otherwise.
const RUNS: u32 = 64;

async fn plain(c: Context) -> Result<(), Failure> {
    check(c.store).await
}

/// As little of the backend as possible, as much of `Store` as possible.
async fn emulated(c: Context) -> Result<(), Failure> {
    let less = |can: &mut Capabilities| {
        (can.copy, can.rename) = (Level::None, Level::None);
        (can.list_delimiter, can.list_start_after) = (false, false);
        can.limits.delete_batch = 1;
    };
    check(c.store.layer(&FaultLayer::new(Plan::new()).page_size(2).declare(less))).await
}

/// Every third call is refused or, where that is harmless, loses its answer; the user sees nothing of it.
async fn faulty(c: Context) -> Result<(), Failure> {
    let plan = Call::ALL.iter().fold(Plan::new(), |plan, call| {
        let fault = match call {
            Call::Read => Fault::Cut { after: 20, with: Refusal::unavailable() },
            Call::Part | Call::Upload | Call::Page => Fault::After(Refusal::unavailable()),
            _ => Fault::Before(Refusal::unavailable()),
        };
        let calls = AtomicU64::new(0);
        let third = move |_: &_| calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        // An abort is tried once: a failed one is a leak to be cleaned up, not an error to be hidden.
        if *call == Call::Abort { plan } else { plan.rule(Rule::new(*call, fault).only(third)) }
    });
    let retry = RetryPolicy::default().waits(Duration::ZERO, Duration::ZERO);
    check(c.store.layer(&FaultLayer::new(plan).page_size(2)).with_retry(retry)).await
}

/// Tries random sequences, each on a prefix of its own; a failure is shrunk and told.
async fn check(store: Store) -> Result<(), Failure> {
    let runtime = Handle::current();
    // The runner is not async: it runs beside the runtime and waits for each sequence.
    let tried = tokio::task::spawn_blocking(move || try_sequences(&runtime, &store)).await;
    match tried {
        Ok(result) => result.map_err(Failure::new),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(ended) => Err(ended.into()),
        },
    }
}

fn try_sequences(runtime: &Handle, store: &Store) -> Result<(), String> {
    let seed = number("HAUL_CONFORMANCE_PROPERTY_SEED")?.unwrap_or_else(random);
    let runs = number("HAUL_CONFORMANCE_PROPERTY_RUNS")?.unwrap_or_else(|| RUNS.into());
    let config = Config {
        cases: u32::try_from(runs).unwrap_or(u32::MAX),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 1000,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let run = AtomicU64::new(0);
    let tried = TestRunner::new(config).run(&sequences(), |operations| {
        let prefix = Prefix::directory(format!("run-{}", run.fetch_add(1, Ordering::Relaxed)))
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        let scoped = store.scoped(&prefix).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let done = runtime.block_on(sequence(&scoped, &operations));
        done.map_err(|failure| TestCaseError::fail(failure.to_string()))
    });
    tried.map_err(|error| match error {
        TestError::Fail(reason, operations) => {
            let steps: Vec<String> =
                operations.iter().enumerate().map(|(at, o)| format!("  {at}: {o:?}")).collect();
            format!(
                "{reason}\nthe shortest sequence that fails so:\n{}\nHAUL_CONFORMANCE_PROPERTY_SEED={seed} \
                 brings it back",
                steps.join("\n")
            )
        }
        TestError::Abort(reason) => format!("no sequence could be made: {reason}"),
    })
}

fn number(name: &str) -> Result<Option<u64>, String> {
    match std::env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|_| format!("expected a number in {name}, got `{text}`")),
        Err(_) => Ok(None),
    }
}

/// A number that nobody knows before: the hasher of the standard library starts from one.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

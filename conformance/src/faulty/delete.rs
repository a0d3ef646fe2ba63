//! Deletes under faults: per key, and again only what failed.

use std::time::Duration;

use storage_core::{Capabilities, DeleteTarget, Error, ErrorKind, Key, ListOptions};

use super::rig::{ATTEMPTS, Rig};
use crate::case::Case;
use crate::context::Context;
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("delete", "DEL-1", "only-failed-targets-are-repeated", |c| Box::pin(some(c))).needs(batches),
    Case::new("delete", "DEL-1", "one-denied-target-is-one-error", |c| Box::pin(denied(c))).needs(batches),
    Case::new("delete", "DEL-1", "one-hopeless-target-gives-up-alone", |c| Box::pin(hopeless(c)))
        .needs(batches),
    Case::new("delete", "DEL-1", "refused-batch-is-repeated", |c| Box::pin(refused(c))),
    Case::new("delete", "DEL-1", "lost-answer-is-repeated", |c| Box::pin(lost(c))),
    Case::new("delete", "DEL-1", "failed-batch-is-an-error-for-every-key", |c| Box::pin(all_fail(c))),
    Case::new("delete", "ERR-3", "longest-retry-after-of-a-batch-holds", |c| Box::pin(longest_wait(c)))
        .needs(batches),
    Case::new("delete", "ERR-1", "each-target-keeps-its-own-error", |c| Box::pin(own_errors(c)))
        .needs(batches),
    Case::new("delete", "ERR-3", "lost-answer-stays-in-doubt", |c| Box::pin(doubt(c))),
];

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn batches(can: &Capabilities) -> Option<String> {
    let batch = can.limits.delete_batch;
    (batch < NAMES.len()).then(|| format!("it deletes {batch} in one request"))
}

fn some_refused(places: &[usize], with: Refusal) -> Fault {
    Fault::Targets(places.iter().map(|at| (*at, with.clone())).collect())
}

/// Deletes six objects through `plan`: the rig and the result of each.
async fn delete(c: Context, plan: Plan) -> Result<(Rig, Vec<Result<(), Error>>), Failure> {
    let rig = Rig::new(c, plan);
    rig.calm.fill(&NAMES).await?;
    let targets: Result<Vec<_>, Error> = NAMES.iter().map(|n| Key::new(n).map(DeleteTarget::new)).collect();
    let done = rig.faulty.store.delete_all(targets?).await;
    rig.all_met()?;
    let order: Vec<&str> = done.iter().map(|(target, _)| target.key.as_str()).collect();
    same("order of the results", order, NAMES)?;
    let results = done.into_iter().map(|(_, result)| result).collect();
    Ok((rig, results))
}

/// These targets failed with `kind` and their objects stand; all others are gone.
async fn only(
    rig: &Rig,
    results: &[Result<(), Error>],
    failed: &[&str],
    kind: ErrorKind,
) -> Result<(), Failure> {
    for (name, result) in NAMES.iter().zip(results) {
        let expected = failed.contains(name).then_some(kind);
        same(format_args!("deleting {name}"), result.as_ref().err().map(Error::kind), expected)?;
        if let Err(error) = result {
            holds(
                error.key() == Some(name),
                format_args!("expected an error that names {name}, got: {error}"),
            )?;
        }
    }
    let mut left = rig.calm.names("", ListOptions::new()).await?;
    left.sort();
    same("what is left", left, failed)
}

async fn some(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Delete, 0, some_refused(&[1, 3], Refusal::unavailable()));
    let (rig, results) = delete(c, plan).await?;
    only(&rig, &results, &[], ErrorKind::Other).await?;
    let requests = rig.faults.journal().of(Call::Delete);
    same("requests", requests.len(), 2)?;
    let ends = |keys: &[String], names: &[&str]| {
        keys.len() == names.len() && keys.iter().zip(names).all(|(key, name)| key.ends_with(name))
    };
    holds(
        ends(&requests[1].targets, &["b", "d"]),
        format_args!("expected the second request to name b and d, it named {:?}", requests[1].targets),
    )
}

async fn denied(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Delete, 0, some_refused(&[2], Refusal::denied()));
    let (rig, results) = delete(c, plan).await?;
    only(&rig, &results, &["c"], ErrorKind::PermissionDenied).await?;
    same("requests", rig.faults.journal().count(Call::Delete), 1)
}

async fn hopeless(c: Context) -> Result<(), Failure> {
    let always = some_refused(&[0], Refusal::unavailable());
    let (rig, results) = delete(c, Plan::new().each(Call::Delete, .., always)).await?;
    only(&rig, &results, &["a"], ErrorKind::Unavailable).await?;
    same("requests", rig.faults.journal().count(Call::Delete), u64::from(ATTEMPTS))?;
    let attempts = results[0].as_ref().err().map(Error::attempts);
    same("attempts of the error", attempts, Some(ATTEMPTS))
}

async fn refused(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Delete, 0, Fault::Before(Refusal::unavailable()));
    let (rig, results) = delete(c, plan).await?;
    only(&rig, &results, &[], ErrorKind::Other).await
}

/// The objects are gone by the second try, and a missing object is no error.
async fn lost(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Delete, 0, Fault::After(Refusal::unavailable()));
    let (rig, results) = delete(c, plan).await?;
    only(&rig, &results, &[], ErrorKind::Other).await
}

async fn all_fail(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().each(Call::Delete, .., Fault::Before(Refusal::unavailable()));
    let (rig, results) = delete(c, plan).await?;
    only(&rig, &results, &NAMES, ErrorKind::Unavailable).await
}

/// One target is throttled, a later one merely failed: the wait that was asked for holds for both.
async fn longest_wait(c: Context) -> Result<(), Failure> {
    let wait = Duration::from_millis(60);
    let refused = vec![(1, Refusal::throttled(wait)), (3, Refusal::unavailable())];
    let (rig, results) = delete(c, Plan::new().at(Call::Delete, 0, Fault::Targets(refused))).await?;
    only(&rig, &results, &[], ErrorKind::Other).await?;
    let seen = rig.faults.journal().of(Call::Delete);
    let waited = seen[1].at - seen[0].at;
    holds(waited >= wait, format_args!("expected a wait of at least {wait:?}, it was {waited:?}"))
}

async fn own_errors(c: Context) -> Result<(), Failure> {
    let mixed = vec![(0, Refusal::throttled(Duration::ZERO)), (1, Refusal::unavailable())];
    let (_, results) = delete(c, Plan::new().each(Call::Delete, .., Fault::Targets(mixed))).await?;
    let kinds: Vec<_> = results.iter().map(|r| r.as_ref().err().map(Error::kind)).collect();
    same("errors", &kinds[..3], [Some(ErrorKind::Throttled), Some(ErrorKind::Unavailable), None])
}

/// The first answer is lost and the second try denied: the first may have deleted all the same.
async fn doubt(c: Context) -> Result<(), Failure> {
    let plan = Plan::new().at(Call::Delete, 0, Fault::After(Refusal::unavailable()));
    let rig = Rig::new(c, plan.at(Call::Delete, 1, Fault::Before(Refusal::denied())));
    rig.calm.put("a", "content").await?;
    let deleted = rig.faulty.store.delete(Key::new("a")?).await;
    rig.all_met()?;
    let error = fails("a delete", deleted, ErrorKind::PermissionDenied)?;
    holds(
        error.may_have_been_applied(),
        format_args!("expected the delete to be possibly applied, got: {error}"),
    )
}

//! Credentials that run out half-way are an error of that kind, at once.

use std::time::{Duration, Instant};

use storage_core::{Error, ErrorKind, ListOptions};

use super::rig::{Rig, names_version};
use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{holds, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("credentials", "ERR-1", "expired-before", |c| Box::pin(before(c))),
    Case::new("credentials", "ERR-1", "expired-while-reading", |c| Box::pin(reading(c))),
];

/// Longer than any of this takes, and far shorter than a budget of retries.
const AT_ONCE: Duration = Duration::from_secs(10);

fn expired<T>(what: &str, since: Instant, result: Result<T, Error>) -> Result<(), Failure> {
    let kind = result.map_err(|error| error.kind()).err();
    holds(
        matches!(kind, Some(ErrorKind::Unauthenticated | ErrorKind::PermissionDenied)),
        format_args!("{what}: expected Unauthenticated or PermissionDenied, got {kind:?}"),
    )?;
    holds(
        since.elapsed() < AT_ONCE,
        format_args!("{what}: expected an error at once, it took {:?}", since.elapsed()),
    )
}

async fn before(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    rig.calm.put("a", "old").await?;
    let calls = [Call::Read, Call::Write, Call::Page];
    rig.set(calls.map(|call| rig.rule(call, .., Fault::Answer(rig.dialect().expired.clone()))));
    let since = Instant::now();
    expired("a read", since, rig.faulty.get("a").await)?;
    expired("a write", since, rig.faulty.put("a", "new").await)?;
    expired("a listing", since, rig.faulty.names("", ListOptions::new()).await)?;
    rig.all_met()?;
    same_bytes("content", &rig.calm.get("a").await?, b"old")
}

async fn reading(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    let stored = rig.calm.put("a", pattern(1, 100_000)).await?;
    if !names_version(&stored) {
        return Err(Failure::ignored("it names no version, and continues no read"));
    }
    let cut = Fault::CutBody { after: 1000, close: Close::Reset };
    let expire = Fault::Answer(rig.dialect().expired.clone());
    rig.set([rig.rule(Call::Read, 0..1, cut), rig.rule(Call::Read, 1.., expire)]);
    let since = Instant::now();
    let read = rig.faulty.get("a").await;
    rig.all_met()?;
    expired("the rest of a read", since, read)
}

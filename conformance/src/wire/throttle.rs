//! A service that asks for fewer requests gets fewer, and is asked again.

use std::time::{Duration, Instant};

use storage_core::{DeleteTarget, ErrorKind, Key, ListOptions, WriteOptions};

use super::rig::{ATTEMPTS, Rig};
use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Answer, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("throttle", "ERR-3", "storm-passes", |c| Box::pin(storm(c))),
    Case::new("throttle", "ERR-3", "server-errors-pass", |c| Box::pin(server_errors(c))),
    Case::new("throttle", "ERR-3", "retry-after-is-a-lower-bound", |c| Box::pin(retry_after(c))),
    Case::new("throttle", "ERR-3", "retries-do-not-multiply", |c| Box::pin(multiply(c))),
    Case::new("throttle", "ERR-3", "a-busy-prefix", |c| Box::pin(prefix(c))),
];

const COMMON: [Call; 8] =
    [Call::Stat, Call::Read, Call::Write, Call::Upload, Call::Part, Call::Finish, Call::Page, Call::Delete];

async fn storm(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    let throttled = rig.dialect().throttled.clone();
    through(rig, throttled).await
}

async fn server_errors(c: Context) -> Result<(), Failure> {
    through(Rig::http(c)?, Answer::new(500).body("internal error")).await
}

/// One of everything, each met by `answer` twice.
async fn through(rig: Rig, answer: Answer) -> Result<(), Failure> {
    rig.set(COMMON.map(|call| rig.rule(call, 0..2, Fault::Answer(answer.clone()))));
    let (a, b) = (Key::new("a")?, Key::new("b")?);
    rig.faulty.put("a", "content").await?;
    same("size", rig.faulty.stat("a").await?.size, 7)?;
    same_bytes("content", &rig.faulty.get("a").await?, b"content")?;
    let parts = rig.parts_content(1);
    rig.put_parts("b", &parts, WriteOptions::new()).await?;
    same_bytes("content in parts", &rig.calm.get("b").await?, &parts)?;
    let mut names = rig.faulty.names("", ListOptions::new()).await?;
    names.sort();
    same("names", names, ["a", "b"])?;
    rig.faulty.store.delete(DeleteTarget::new(a)).await?;
    rig.faulty.store.delete(DeleteTarget::new(b)).await?;
    // A backend may need no request of a kind, such as one to begin an upload.
    let idle: Vec<Call> = COMMON.into_iter().filter(|call| rig.requests(*call).is_empty()).collect();
    same("faults that were not met", rig.proxy.unmet().len(), idle.len())?;
    same("what is left", rig.calm.names("", ListOptions::new()).await?.len(), 0)
}

async fn retry_after(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    let wait = Duration::from_secs(1);
    for status in [429, 503] {
        let answer = rig.dialect().throttled.clone().retry_after(wait).with_status(status);
        rig.set([rig.rule(Call::Write, 0..1, Fault::Answer(answer))]);
        let start = Instant::now();
        rig.faulty.put("a", "content").await?;
        rig.all_met()?;
        holds(
            start.elapsed() >= wait,
            format_args!("expected a wait of {wait:?} after {status}, it was {:?}", start.elapsed()),
        )?;
    }
    Ok(())
}

/// Retries below those of `Store` would be requests that its budget does not know.
async fn multiply(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?;
    let answer = rig.dialect().throttled.clone();
    rig.calm.put("a", "content").await?;
    rig.set([rig.rule(Call::Read, .., Fault::Answer(answer))]);
    let read = rig.faulty.get("a").await;
    let Err(error) = read else { return Err(Failure::new("expected an error, the read succeeded")) };
    holds(
        matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unavailable),
        format_args!("expected Throttled or Unavailable, got {error}"),
    )?;
    same("attempts", error.attempts(), ATTEMPTS)?;
    same("requests", rig.requests(Call::Read).len(), ATTEMPTS as usize)
}

async fn prefix(c: Context) -> Result<(), Failure> {
    let rig = Rig::http(c)?.attempts(1000);
    let throttle = Fault::Throttle {
        requests: 2,
        within: Duration::from_millis(200),
        answer: rig.dialect().throttled.clone(),
    };
    rig.set([rig.rule(Call::Write, .., throttle).target("busy")]);
    for at in 0..6 {
        rig.faulty.put(&format!("busy/{at}"), "content").await?;
        rig.faulty.put(&format!("calm/{at}"), "content").await?;
    }
    rig.all_met()?;
    same("objects", rig.calm.names("busy/", ListOptions::new()).await?.len(), 6)?;
    let calm = rig.requests(Call::Write).into_iter().filter(|r| r.target.contains("calm")).count();
    same("requests beside the busy prefix", calm, 6)
}

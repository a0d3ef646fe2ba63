//! `haul doctor`: what works at a place, found out by trying.

use std::fmt::Display;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use storage_core::{
    CopyOptions, DeleteTarget, ETag, Entry, ErrorKind, Key, ListOptions, Metadata, Prefix, ReadOptions,
    Result, RetryPolicy, StatOptions, Store, WriteOptions,
};

use crate::args::Doctor;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::show;
use crate::signals::Signals;

/// A clock may differ by this much: services tell seconds, and requests take time.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// What the examination writes.
const WRITTEN: [&str; 10] = [
    "probe",
    "fresh",
    "spare",
    "copy",
    "metadata",
    "parts",
    "order/ab-c/y",
    "order/ab.c",
    "order/ab/d",
    "order/ab0",
];

pub(crate) async fn doctor(
    args: Doctor,
    signals: &mut Signals,
    output: &mut Output,
) -> std::result::Result<(), Failure> {
    let place = Place::parse(&args.place)?;
    let mut report = Report { output, failed: false, advice: Vec::new(), signals: None, interrupted: None };
    let store = place.open(How::default()).await?.with_retry(RetryPolicy::none());
    report.good("opens as", store.backend_name())?;
    let reached = tokio::select! {
        reached = reach(&store, &mut report) => reached?,
        name = signals.first() => return Err(Failure::Interrupted(name)),
    };
    if reached && !args.read_only {
        // What the place is said to keep is tried, and what it is not said to keep as well.
        let daring = match &place {
            Place::Url(remote) => remote.with_if_known("conditions", "all").open().await?,
            Place::Path(_) => store.clone(),
        };
        let ward = Prefix::new(format!(".haul-doctor-{:08x}/", fastrand::u32(..)))?;
        let daring = daring.with_retry(RetryPolicy::none()).scoped(&ward)?;
        // A write that is dropped on its way may still come to be, after everything was taken away: each check ends first.
        report.signals = Some(signals);
        let examined = examine(&store, &daring, &mut report).await;
        report.signals = None;
        let interrupted = report.interrupted.map_or(Ok(()), |name| Err(Failure::Interrupted(name)));
        discharge(&store.with_retry(RetryPolicy::default()), &ward, &mut report).await?;
        interrupted.and(examined)?;
    }
    report.conclude()
}

/// Reachability and credentials, by one page of a listing.
async fn reach(store: &Store, report: &mut Report<'_>) -> std::result::Result<bool, Failure> {
    let mut times = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let first = store.list(&Prefix::root(), ListOptions::new().delimiter('/')).next().await;
        if let Some(Err(error)) = first {
            report.bad("answers a listing", &error)?;
            return Ok(false);
        }
        times.push(begun.elapsed());
    }
    let best = times.iter().min().copied().unwrap_or_default();
    report.good("answers a listing", format!("in {}", milliseconds(best)))?;
    Ok(true)
}

/// What writing tells.
async fn examine(plain: &Store, store: &Store, report: &mut Report<'_>) -> std::result::Result<(), Failure> {
    let key = Key::new("probe")?;
    let begun = Instant::now();
    let written = match store.write(&key, "one", WriteOptions::new()).await {
        Ok(written) => written,
        Err(error) => {
            report.bad("takes a write", &error)?;
            return Ok(());
        }
    };
    report.good("takes a write", format!("in {}", milliseconds(begun.elapsed())))?;
    let stat = store.stat(&key, StatOptions::new()).await?;
    clock(&stat, report)?;
    let range = store.read(&key, ReadOptions::new().range(1..3)).await;
    report.judge("reads a range", range.map(|read| &read.bytes[..] == b"ne" && read.metadata.size == 3))?;
    let listed = store.list(&Prefix::root(), ListOptions::new()).objects().try_collect::<Vec<_>>().await;
    report.judge("lists what was written", listed.map(|all| all.iter().any(|o| o.key == key)))?;
    order(store, report).await?;
    metadata(store, report).await?;
    conditions(plain, store, &key, &written, report).await?;
    parts(store, report).await?;
    // Where conditions are not kept, the probe has become a larger one.
    let size = store.stat(&key, StatOptions::new()).await?.size;
    let copied = store.copy(&key, &Key::new("copy")?, CopyOptions::new()).await;
    report.judge("copies on its side", copied.map(|copy| copy.size == size))?;
    let deleted = store.delete(key.clone()).await;
    report.judge("deletes", deleted.map(|()| true))?;
    let gone = store.exists(&key).await;
    report.judge("forgets what was deleted at once", gone.map(|there| !there))?;
    Ok(())
}

fn clock(stat: &Metadata, report: &mut Report<'_>) -> std::io::Result<()> {
    let Some(there) = stat.modified else { return report.note("tells no times", "") };
    let now = SystemTime::now();
    let skew = now.duration_since(there).or_else(|_| there.duration_since(now)).unwrap_or_default();
    if skew <= CLOCK_TOLERANCE {
        return report.good("clocks agree", format!("within {} s", skew.as_secs().max(1)));
    }
    report
        .advice
        .push("set the clock of this machine, or the service's; signatures and sync go by it".into());
    report.warn("clocks agree", format!("they differ by {} s", skew.as_secs()))
}

/// Names around the slash are what services order by paths instead of bytes.
async fn order(store: &Store, report: &mut Report<'_>) -> std::result::Result<(), Failure> {
    let place = Prefix::new("order/")?;
    let names = ["ab-c/y", "ab.c", "ab/d", "ab0"];
    for name in names {
        if store.write(&place.key(name)?, "x", WriteOptions::new()).await.is_err() {
            return Ok(report.warn("lists in byte order", "not all names of the test were taken")?);
        }
    }
    // Paths show themselves where a listing begins in the middle, too.
    let after = format!("{place}ab-c/x");
    let listed = store.list(&place, ListOptions::new()).try_collect::<Vec<Entry>>().await;
    let rest = store.list(&place, ListOptions::new().start_after(after)).try_collect::<Vec<Entry>>().await;
    match listed {
        Ok(entries) => {
            let sorted = entries.windows(2).all(|pair| pair[0].name() < pair[1].name())
                && rest.is_ok_and(|rest| rest.len() == names.len());
            match (sorted, store.capabilities().list_sorted) {
                (true, _) => report.good("lists in byte order", ""),
                (false, false) => report.note("lists in an order of its own", "as declared"),
                (false, true) => {
                    report.advice.push("set `sorted=false`".into());
                    report.warn("lists in byte order", "it does not")
                }
            }?;
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            report.advice.push("set `sorted=false`: it lists in an order of its own".into());
            report.warn("lists in byte order", "it does not")?;
        }
        Err(error) => report.bad("lists in byte order", &error)?,
    }
    Ok(())
}

async fn metadata(store: &Store, report: &mut Report<'_>) -> std::result::Result<(), Failure> {
    if !store.capabilities().user_metadata {
        return Ok(report.note("keeps no user metadata", "")?);
    }
    let key = Key::new("metadata")?;
    let options = WriteOptions::new().content_type("text/x-haul").user_metadata("a_b", "ü=1");
    let kept = async {
        store.write(&key, "", options).await?;
        let attributes = store.stat(&key, StatOptions::new()).await?.attributes;
        let user = attributes.user.get("a_b").map(String::as_str) == Some("ü=1");
        Ok(user && attributes.content_type.as_deref() == Some("text/x-haul"))
    };
    Ok(report.judge("keeps metadata as it was given", kept.await)?)
}

/// Conditions are tried for real: some services take them and do the thing all the same.
async fn conditions(
    plain: &Store,
    store: &Store,
    key: &Key,
    written: &Metadata,
    report: &mut Report<'_>,
) -> std::result::Result<(), Failure> {
    let wrong = || ETag::new("\"00000000000000000000000000000000\"");
    let options = WriteOptions::new;
    let mut kept = Vec::new();

    let create = refused(store.write(key, "two", options().if_absent()).await, ErrorKind::AlreadyExists);
    let fresh = store.write(&Key::new("fresh")?, "x", options().if_absent()).await.is_ok();
    // Some keep it for writes in one request and forget it for uploads in parts.
    let in_parts = || vec![b'x'; smallest_upload(store)];
    let parts = refused(store.write(key, in_parts(), options().if_absent()).await, ErrorKind::AlreadyExists);
    if report.capability("creates only if absent", create && fresh && parts)? {
        kept.push("create");
    }
    let found = store.stat(key, StatOptions::new()).await?;
    let replace =
        refused(store.write(key, "two", options().if_match(wrong())).await, ErrorKind::PreconditionFailed);
    let right = match found.etag.clone().or_else(|| written.etag.clone()) {
        Some(etag) => store.write(key, "one", options().if_match(etag)).await.is_ok(),
        None => false,
    };
    if report.capability("replaces only if the ETag matches", replace && right)? {
        kept.push("replace");
    }
    let spare = Key::new("spare")?;
    let spared = store.write(&spare, "x", options()).await?;
    let delete = refused(
        store.delete(DeleteTarget::new(spare.clone()).if_match(wrong())).await,
        ErrorKind::PreconditionFailed,
    );
    let right = match spared.etag {
        Some(etag) if delete => store.delete(DeleteTarget::new(spare).if_match(etag)).await.is_ok(),
        _ => false,
    };
    if report.capability("deletes only if the ETag matches", right)? {
        kept.push("delete");
    }
    let can = plain.capabilities();
    let declared = [
        ("create", can.create_if_absent.is_supported()),
        ("replace", can.replace_if_match.is_supported()),
        ("delete", can.delete_if_match.is_supported()),
    ];
    let declared: Vec<&str> = declared.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
    if let Some(lie) = declared.iter().find(|name| !kept.contains(*name)) {
        report.failed = true;
        report.advice.push(format!("do not declare `{lie}` among its `conditions`: it does not keep it"));
    } else if kept != declared {
        let all = kept.len() == 3;
        let value = if all { "all".to_owned() } else { kept.join(",") };
        report.advice.push(format!("set `conditions={value}`: it keeps them, one writer at a time at least"));
    }
    Ok(())
}

/// An upload in parts, the smallest that is one.
async fn parts(store: &Store, report: &mut Report<'_>) -> std::result::Result<(), Failure> {
    let size = smallest_upload(store);
    let body = vec![b'x'; size];
    let key = Key::new("parts")?;
    let begun = Instant::now();
    let uploaded = store.write(&key, body, WriteOptions::new()).await.map(|m| m.size == size as u64);
    let rate = size as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20);
    match uploaded {
        Ok(true) => report.good("takes an upload in parts", format!("at {rate:.0} MiB/s"))?,
        other => report.judge("takes an upload in parts", other)?,
    }
    Ok(())
}

/// More than one request takes, within what a probe may cost.
fn smallest_upload(store: &Store) -> usize {
    let limits = store.capabilities().limits;
    limits.write_max.max(limits.part_min).min(64 << 20) as usize + 1
}

/// Whether it failed as it had to.
fn refused<T>(result: Result<T>, kind: ErrorKind) -> bool {
    result.is_err_and(|e| e.kind() == kind)
}

/// Takes everything away again.
async fn discharge(
    store: &Store,
    ward: &Prefix,
    report: &mut Report<'_>,
) -> std::result::Result<(), Failure> {
    if let Err(error) = empty(store, ward).await {
        report.bad(&format!("leaves nothing behind at {ward}"), &error)?;
    }
    Ok(())
}

async fn empty(store: &Store, ward: &Prefix) -> Result<()> {
    let can = store.capabilities();
    // Known names are deleted whatever a listing says: what is examined here may be the listing.
    let mut targets: Vec<DeleteTarget> =
        WRITTEN.iter().map(|name| ward.key(name).map(DeleteTarget::new)).collect::<Result<_>>()?;
    if can.versions {
        let versions = store.list(ward, ListOptions::new().versions(true)).objects();
        for object in versions.try_collect::<Vec<_>>().await? {
            let target = DeleteTarget::new(object.key);
            targets.push(match object.metadata.version {
                Some(version) => target.version(version),
                None => target,
            });
        }
        // The names alone would only be marked as deleted, once more.
        targets.drain(..WRITTEN.len());
    }
    let gone = |result: &Result<()>| !matches!(result, Err(e) if e.kind() != ErrorKind::NotFound);
    if let Some((_, Err(error))) =
        store.delete_all(targets).await.into_iter().find(|(_, result)| !gone(result))
    {
        return Err(error);
    }
    if can.directories {
        let below = store.list(ward, ListOptions::new().directories(true));
        let entries = below.try_collect::<Vec<Entry>>().await?;
        let directories = entries.into_iter().filter_map(|entry| match entry {
            Entry::Prefix(directory) => Some(directory.prefix),
            _ => None,
        });
        // Deeper ones first.
        for directory in directories.collect::<Vec<_>>().iter().rev() {
            store.remove_dir(directory).await?;
        }
        match store.remove_dir(ward).await {
            // Nothing was written at all.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Findings as they come, and what to do about them.
struct Report<'a> {
    output: &'a mut Output,
    failed: bool,
    advice: Vec<String>,
    /// What ends the examination between two checks.
    signals: Option<&'a mut Signals>,
    interrupted: Option<&'static str>,
}

impl Report<'_> {
    fn good(&mut self, what: &str, how: impl Display) -> std::io::Result<()> {
        self.tell("ok", what, &how.to_string())
    }

    fn note(&mut self, what: &str, how: impl Display) -> std::io::Result<()> {
        self.tell("-", what, &how.to_string())
    }

    fn warn(&mut self, what: &str, how: impl Display) -> std::io::Result<()> {
        self.tell("!", what, &how.to_string())
    }

    fn bad(&mut self, what: &str, error: &storage_core::Error) -> std::io::Result<()> {
        self.failed = true;
        self.tell("FAILED", what, &error.to_string())
    }

    fn judge(&mut self, what: &str, result: Result<bool>) -> std::io::Result<()> {
        match result {
            Ok(true) => self.good(what, ""),
            Ok(false) => {
                self.failed = true;
                self.tell("FAILED", what, "it does not")
            }
            Err(error) => self.bad(what, &error),
        }
    }

    fn capability(&mut self, what: &str, has: bool) -> std::io::Result<bool> {
        if has {
            self.good(what, "")?;
        } else {
            self.note(what, "it does not")?;
        }
        Ok(has)
    }

    fn tell(&mut self, sign: &str, what: &str, how: &str) -> std::io::Result<()> {
        self.interrupted = self.signals.as_mut().and_then(|signals| signals.come());
        if self.interrupted.is_some() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        if self.output.json {
            return self.output.object(&json!({ "result": sign, "check": what, "detail": how }));
        }
        let how = if how.is_empty() { String::new() } else { format!("  {how}") };
        self.output.line(&format!("{sign:<7} {what}{}", show::escaped(&how)))
    }

    fn conclude(self) -> std::result::Result<(), Failure> {
        for advice in &self.advice {
            if self.output.json {
                self.output.object(&json!({ "result": "advice", "detail": advice }))?;
            } else {
                self.output.line(&format!("advice  {advice}"))?;
            }
        }
        if self.failed { Err(Failure::Items) } else { Ok(()) }
    }
}

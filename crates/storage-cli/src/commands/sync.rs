//! `haul sync` and `haul check`

use serde_json::json;
use storage_core::{Error, ErrorKind, Operation, Store};
use storage_sync::{Compare, Comparison, Difference, SyncEvent, SyncSummary};

use crate::args::{Check, Sync};
use crate::commands::copy::{LinksHint, keeps_owner, options, resuming, writing};
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place, holds_something};
use crate::progress::Meter;
use crate::show;

pub(crate) async fn sync(args: Sync, output: &mut Output) -> Result<(), Failure> {
    let (from, to) = (Place::parse(&args.source)?, Place::parse(&args.destination)?);
    if from.overlaps(&to) {
        let message = format!("source and destination overlap: {} and {}", from.shown(), to.shown());
        return Err(Error::new(ErrorKind::InvalidInput, message).into());
    }
    let reading = How { direct: args.writing.direct, ..How::links(args.links) };
    let source = from.open(reading).await?;
    let mut how = writing(&args.writing, args.links);
    how.create = !args.dry_run;
    refuse_nothing(&from, &source, &to).await?;
    let (destination, made) = match to.open_or_make(&from, how).await {
        Ok(opened) => opened,
        Err(e) if args.dry_run && e.kind() == ErrorKind::NotFound => (nowhere(), false),
        Err(error) => return Err(error.into()),
    };
    let meter = Meter::new(output, if args.checksum { "syncing (by content)" } else { "syncing" });
    let destination = meter.watch(&destination, Operation::Write);
    let compare = if args.checksum { Compare::Checksum } else { Compare::SizeAndTime };
    let options = resuming(options(&args.writing), &args.writing, &from, &to)
        .delete(args.delete)
        .dry_run(args.dry_run)
        .allow_empty_source(args.allow_empty_source)
        .compare(compare);
    let mut closed = None;
    let mut links = LinksHint::new(args.links, &destination);
    let summary = storage_sync::sync(&source, &destination, options, |event| {
        count(&event, &meter);
        links.see(&event);
        if closed.is_none() {
            closed = tell(&event, args.dry_run, &meter, output).err();
        }
    })
    .await;
    meter.finish();
    links.tell(output);
    let summary = summary?;
    if made {
        to.become_like(&from, keeps_owner(&args.writing))?;
    }
    // Who closed stdout has seen enough of the list; the sync was still done whole.
    if let Some(error) = closed {
        return if summary.failed > 0 { Err(Failure::Items) } else { Err(error.into()) };
    }
    summarize(&summary, &args, output)?;
    if summary.failed == 0 { Ok(()) } else { Err(Failure::Items) }
}

/// A source of which nothing is there leaves no directory behind at the destination. Where directories are but names,
/// opening does not tell.
async fn refuse_nothing(from: &Place, source: &Store, to: &Place) -> Result<(), Error> {
    let made = matches!(to, Place::Path(path) if path.symlink_metadata().is_err());
    if !made || matches!(from, Place::Path(_)) || holds_something(source).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "there is nothing at the source").with_name(from.shown()))
}

/// A destination that does not exist yet, for a dry run.
fn nowhere() -> storage_core::Store {
    storage_core::Store::new(storage_memory::Memory::unversioned())
}

fn count(event: &SyncEvent<'_>, meter: &Meter) {
    match event {
        SyncEvent::Copying { name, size, .. } => meter.planned(name, *size),
        SyncEvent::Copied { name, .. } => meter.copied(name),
        SyncEvent::Failed { name, .. } => meter.over(name),
        SyncEvent::Unchanged { .. } => meter.unchanged(),
        _ => {}
    }
}

fn tell(event: &SyncEvent<'_>, dry_run: bool, meter: &Meter, output: &mut Output) -> std::io::Result<()> {
    if let SyncEvent::Failed { name, error, .. } = event {
        meter.above(|| output.entry_failed(name, error));
    }
    if matches!(event, SyncEvent::Copying { .. }) {
        return Ok(());
    }
    if output.json {
        return meter.above(|| output.object(&event_json(event, dry_run)));
    }
    if !(dry_run || output.verbose) {
        return Ok(());
    }
    let (sign, name) = match event {
        SyncEvent::Copied { name, replaced: true, .. } => ('*', name),
        SyncEvent::Copied { name, .. } | SyncEvent::CreatedDir { name, .. } => ('+', name),
        SyncEvent::Updated { name, .. } => ('~', name),
        SyncEvent::Deleted { name, .. } => ('-', name),
        _ => return Ok(()),
    };
    meter.above(|| {
        let line = format!("{sign} {}", output.shown(name));
        output.line(&line)
    })
}

fn event_json(event: &SyncEvent<'_>, dry_run: bool) -> serde_json::Value {
    let mut value = match event {
        SyncEvent::Copied { name, size, replaced, .. } => {
            json!({ "event": "copied", "name": name, "size": size, "replaced": replaced })
        }
        SyncEvent::Updated { name, .. } => json!({ "event": "updated", "name": name }),
        SyncEvent::CreatedDir { name, .. } => json!({ "event": "created_dir", "name": name }),
        SyncEvent::Deleted { name, .. } => json!({ "event": "deleted", "name": name }),
        SyncEvent::Unchanged { name, size, .. } => {
            json!({ "event": "unchanged", "name": name, "size": size })
        }
        SyncEvent::Failed { name, error, .. } => {
            json!({ "event": "failed", "name": name, "kind": error.kind().as_str(), "error": error.to_string() })
        }
        _ => json!({ "event": "other" }),
    };
    if dry_run {
        value["dry_run"] = json!(true);
    }
    value
}

fn summarize(summary: &SyncSummary, args: &Sync, output: &mut Output) -> std::io::Result<()> {
    if output.json {
        return output.object(&json!({
            "event": "summary", "dry_run": args.dry_run,
            "copied": summary.copied, "copied_bytes": summary.copied_bytes, "verified": summary.verified,
            "unchanged": summary.unchanged, "unchanged_bytes": summary.unchanged_bytes,
            "updated": summary.updated, "created_dirs": summary.created_dirs, "deleted": summary.deleted,
            "extra": summary.extra, "failed": summary.failed,
            "deletions_skipped": summary.deletions_skipped, "cleaned": summary.cleaned,
        }));
    }
    let verb = if args.dry_run { "would copy" } else { "copied" };
    let mut parts = vec![format!(
        "{verb} {} ({}){}",
        show::count(summary.copied, "file"),
        show::size(summary.copied_bytes, false),
        if summary.copied > 0 && summary.verified == summary.copied { ", all verified" } else { "" },
    )];
    parts.push(format!("{} unchanged", summary.unchanged));
    let mut more = |number: u64, text: String| {
        if number > 0 {
            parts.push(text);
        }
    };
    let would = if args.dry_run { "would be " } else { "" };
    more(summary.created_dirs, format!("{} {would}made", show::count(summary.created_dirs, "directory")));
    more(summary.updated, format!("{} {would}updated", summary.updated));
    more(summary.deleted, format!("{} {would}deleted", summary.deleted));
    more(summary.extra, format!("{} only at the destination", summary.extra));
    more(
        summary.cleaned,
        format!("{} of an interrupted run removed", show::count(summary.cleaned, "leftover")),
    );
    more(summary.failed, format!("{} failed", summary.failed));
    more(
        summary.deletions_skipped,
        format!("{} left out because of failures", show::count(summary.deletions_skipped, "deletion")),
    );
    output.note(&parts.join(", "));
    Ok(())
}

pub(crate) async fn check(args: Check, output: &mut Output) -> Result<(), Failure> {
    let source = Place::parse(&args.source)?.open(How::links(args.links)).await?;
    let destination = Place::parse(&args.destination)?.open(How::links(args.links)).await?;
    let meter = Meter::new(output, "checking");
    let watched = meter.watch(&source, Operation::Read);
    let mut closed = None;
    let found = storage_sync::check(&watched, &destination, |difference, name, error| {
        if difference == Difference::Equal {
            meter.unchanged();
        }
        if closed.is_none() {
            closed = meter.above(|| tell_difference(difference, name, error, args.all, output)).err();
        }
    })
    .await;
    meter.finish();
    let found = found?;
    // Who closed stdout has seen enough of the list; whether the trees are equal is told all the same.
    if let Some(error) = closed {
        return if found.is_equal() { Err(error.into()) } else { Err(Failure::Items) };
    }
    conclude_check(&found, output)?;
    if found.is_equal() { Ok(()) } else { Err(Failure::Items) }
}

fn tell_difference(
    difference: Difference,
    name: &str,
    error: Option<&Error>,
    all: bool,
    output: &mut Output,
) -> std::io::Result<()> {
    if let Some(error) = error {
        output.entry_failed(name, error);
    }
    if difference == Difference::Equal && !all {
        return Ok(());
    }
    let sign = difference.sign();
    if output.json {
        return output.object(&json!({
            "event": "compared", "sign": sign.to_string(), "name": name, "error": error.map(ToString::to_string),
        }));
    }
    let line = format!("{sign} {}", output.shown(name));
    output.line(&line)
}

fn conclude_check(found: &Comparison, output: &mut Output) -> std::io::Result<()> {
    if output.json {
        return output.object(&json!({
            "event": "summary", "equal": found.equal, "only_source": found.only_source,
            "only_destination": found.only_destination, "different": found.different,
            "errors": found.errors, "bytes": found.bytes,
        }));
    }
    output.note(&format!(
        "{} equal ({}), {} only at the source, {} only at the destination, {} different, {} unreadable",
        show::count(found.equal, "file"),
        show::size(found.bytes, false),
        found.only_source,
        found.only_destination,
        found.different,
        found.errors
    ));
    Ok(())
}

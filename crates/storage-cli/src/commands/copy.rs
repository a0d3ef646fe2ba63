//! `haul cp` and `haul mv`

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use storage_core::{CopyTarget, Error, ErrorKind, Key, Operation, RenameOptions, Result, StatOptions, Store};
use storage_sync::{SyncEvent, SyncOptions, SyncSummary, copy_object};

use crate::args::{Cp, Links, Mv, Verify, Writing};
use crate::commands::remove::remove_tree;
use crate::commands::wildcard::Matches;
use crate::config::Session;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};
use crate::progress::Meter;
use crate::show;

pub(crate) async fn cp(args: Cp, output: &mut Output) -> Result<(), Failure> {
    let (sources, target) = Targets::of(&args.places).await?;
    let meter = Meter::new(output, "copying");
    let mut total = SyncSummary::default();
    let mut taken = HashSet::new();
    for (text, source) in args.places.iter().zip(&sources) {
        let copied = match Matches::of(text, How::links(args.links)).await {
            Ok(Some(matches)) => target.for_several().map(|into| (matches, into)).map_err(Some),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        };
        let copied = match copied {
            Ok((matches, into)) => matches.copy_into(into, &args, &meter, output).await,
            Err(Some(error)) => Err(error),
            Err(None) => match target.once(source, &mut taken) {
                Ok(()) => cp_one(source, &target, &args, &meter, output).await,
                Err(error) => Err(error),
            },
        };
        match copied {
            Ok(summary) => {
                total.copied += summary.copied;
                total.copied_bytes += summary.copied_bytes;
                total.verified += summary.verified;
                total.unchanged += summary.unchanged;
            }
            Err(error) => meter.above(|| output.item_failed(&error)),
        }
    }
    meter.finish();
    report(&total, "copied", output)?;
    output.conclude()
}

async fn cp_one(
    source: &Place,
    target: &Targets,
    args: &Cp,
    meter: &Meter,
    output: &mut Output,
) -> Result<SyncSummary> {
    let how = How { links: args.links, direct: args.writing.direct, ..How::default() };
    let destination = target.for_source(source)?;
    match source.find(how, Top::Follow).await? {
        Found::Object(from, key, metadata) => {
            let (to, name) = destination.open_object(writing(&args.writing, args.links)).await?;
            if is_same(source, &destination) {
                let message = "source and destination are the same object";
                return Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.shown()));
            }
            let to = meter.watch(&to, Operation::Write);
            meter.planned(name.as_str(), metadata.size);
            let options = resuming(options(&args.writing), &args.writing, source, &destination);
            let copy = CopyTarget::new(key, name.clone()).seen(&metadata);
            let copied = copy_object(&from, &to, copy, &options).await;
            meter.over(name.as_str());
            let copied = copied?;
            meter.copied(name.as_str());
            told(output, meter, "copied", &source.shown());
            let mut summary = SyncSummary::default();
            (summary.copied, summary.copied_bytes) = (1, copied.size);
            summary.verified = u64::from(copied.verified);
            Ok(summary)
        }
        Found::Directory(_) if !args.recursive => {
            let message = "this is a directory; copy it with -r";
            Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.shown()))
        }
        Found::Directory(from) => {
            if source.overlaps(&destination) {
                let message = format!("source and destination overlap: {}", destination.shown());
                return Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.shown()));
            }
            let (to, _) = destination.open_or_make(source, writing(&args.writing, args.links)).await?;
            let options = resuming(options(&args.writing), &args.writing, source, &destination);
            let summary = copy_tree(&from, &to, args.links, options, meter, output).await?;
            destination.become_like(source, keeps_owner(&args.writing))?;
            Ok(summary)
        }
    }
}

async fn copy_tree(
    from: &Store,
    to: &Store,
    links: Links,
    options: SyncOptions,
    meter: &Meter,
    output: &mut Output,
) -> Result<SyncSummary> {
    let to = meter.watch(to, Operation::Write);
    let mut links = LinksHint::new(links, &to);
    let summary = storage_sync::sync(from, &to, options, |event| {
        links.see(&event);
        match event {
            SyncEvent::Copying { name, size, .. } => meter.planned(name, size),
            SyncEvent::Copied { name, .. } => {
                meter.copied(name);
                told(output, meter, "copied", name);
            }
            SyncEvent::Unchanged { .. } => meter.unchanged(),
            SyncEvent::Failed { name, error, .. } => {
                meter.over(name);
                meter.above(|| output.entry_failed(name, error));
            }
            _ => {}
        }
    })
    .await;
    meter.above(|| links.tell(output));
    summary
}

/// What to do about links that failed because the destination holds none. The stores do not know the program's flags.
pub(crate) struct LinksHint {
    possible: bool,
    failed: bool,
}

impl LinksHint {
    pub(crate) fn new(links: Links, destination: &Store) -> Self {
        let possible = links == Links::Preserve && !destination.capabilities().symlinks;
        Self { possible, failed: false }
    }

    pub(crate) fn see(&mut self, event: &SyncEvent<'_>) {
        self.failed |=
            matches!(event, SyncEvent::Failed { error, .. } if error.kind() == ErrorKind::Unsupported);
    }

    pub(crate) fn tell(&self, output: &Output) {
        if self.possible && self.failed {
            output.note("--links skip leaves symbolic links out, --links follow copies what they lead to");
        }
    }
}

pub(crate) async fn mv(args: Mv, output: &mut Output) -> Result<(), Failure> {
    let (sources, target) = Targets::of(&args.places).await?;
    let meter = Meter::new(output, "moving");
    let mut taken = HashSet::new();
    let mut all = Vec::with_capacity(sources.len());
    for (text, source) in args.places.iter().zip(sources) {
        match Matches::of(text, How::links(Links::Preserve)).await {
            Ok(Some(matches)) => match target.for_several() {
                Ok(_) => all.extend(matches.places()),
                Err(error) => output.item_failed(&error),
            },
            Ok(None) => all.push(source),
            Err(error) => output.item_failed(&error),
        }
    }
    for source in &all {
        let moved = match target.once(source, &mut taken) {
            Ok(()) => mv_one(source, &target, &args, &meter, output).await,
            Err(error) => Err(error),
        };
        match moved {
            Ok(()) => {
                meter.copied("");
                told(output, &meter, "moved", &source.shown());
            }
            Err(error) => meter.above(|| output.item_failed(&error)),
        }
    }
    meter.finish();
    output.conclude()
}

async fn mv_one(
    source: &Place,
    target: &Targets,
    args: &Mv,
    meter: &Meter,
    output: &mut Output,
) -> Result<()> {
    let (destination, no_clobber) = (target.for_source(source)?, args.no_clobber);
    if is_same(source, &destination) {
        let message = "source and destination are the same";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.shown()));
    }
    if let (Place::Path(from), Place::Path(to)) = (source, &destination) {
        match mv_locally(from, to, no_clobber) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            result => return result,
        }
    }
    match source.find(How::default(), Top::Itself).await? {
        Found::Object(from, key, _) => {
            let (to, name) = destination.open_object(How::default()).await?;
            if no_clobber && to.exists(&name).await? {
                return Err(Error::new(ErrorKind::AlreadyExists, "").with_name(destination.shown()));
            }
            let options = moving(args, source, &destination);
            rename_or_move((source, &from, &key), (&destination, &to, &name), no_clobber, &options).await
        }
        Found::Directory(from) => {
            if source.overlaps(&destination) {
                let message = format!("source and destination overlap: {}", destination.shown());
                return Err(Error::new(ErrorKind::InvalidInput, message).with_name(source.shown()));
            }
            refuse_replacing(&destination, no_clobber)?;
            let (to, _) = destination.open_or_make(source, How { create: true, ..How::default() }).await?;
            // There is no --links to speak of.
            let summary =
                copy_tree(&from, &to, Links::Skip, moving(args, source, &destination), meter, output).await?;
            if summary.failed > 0 {
                let message = "not everything could be copied, so nothing of the source was removed";
                return Err(Error::new(ErrorKind::Other, message).with_name(source.shown()));
            }
            destination.become_like(source, rustix::process::geteuid().is_root())?;
            remove_tree(source).await.map(drop)
        }
    }
}

/// A rename by the system, which moves a file or a whole directory in one step. `Unsupported` if the two are on
/// different volumes.
fn mv_locally(from: &std::path::Path, to: &std::path::Path, no_clobber: bool) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, RenameFlags, renameat_with, unlinkat};
    let flags = if no_clobber { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
    let moved = if !no_clobber && are_twins(from, to) {
        // The system's rename of one name of a file to another of its names does nothing.
        unlinkat(CWD, from, AtFlags::empty())
    } else {
        renameat_with(CWD, from, CWD, to, flags)
    };
    moved.map_err(|errno| {
        use rustix::io::Errno;
        let (kind, message) = match errno {
            Errno::XDEV | Errno::INVAL | Errno::NOSYS => (ErrorKind::Unsupported, ""),
            Errno::EXIST | Errno::NOTEMPTY => (ErrorKind::AlreadyExists, "the destination exists"),
            Errno::NOENT => (ErrorKind::NotFound, ""),
            Errno::ACCESS | Errno::PERM => (ErrorKind::PermissionDenied, ""),
            Errno::ISDIR | Errno::NOTDIR => {
                (ErrorKind::InvalidInput, "a file and a directory cannot take each other's place")
            }
            _ => (ErrorKind::Other, ""),
        };
        Error::new(kind, message)
            .with_operation(Operation::Rename)
            .with_name(from.display().to_string())
            .with_source(std::io::Error::from(errno))
    })
}

/// Whether two paths are two names of one file: hard links, not one name reached in two ways.
fn are_twins(one: &std::path::Path, other: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(a), Ok(b)) = (one.symlink_metadata(), other.symlink_metadata()) else { return false };
    let identity = |found: &std::fs::Metadata| (found.dev(), found.ino());
    let directory = |path: &std::path::Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(std::path::Path::new(".")).metadata().ok().map(|found| identity(&found))
    };
    let one_name = one.file_name() == other.file_name() && directory(one) == directory(other);
    !a.is_dir() && a.nlink() > 1 && identity(&a) == identity(&b) && !one_name
}

/// A directory that moves takes the place of an empty one, as in a rename, and is never mixed with what another one holds.
fn refuse_replacing(destination: &Place, no_clobber: bool) -> Result<()> {
    let Place::Path(path) = destination else { return Ok(()) };
    let is_empty = || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.symlink_metadata().is_err() || (!no_clobber && is_empty()) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::AlreadyExists, "the destination exists");
    Err(error.with_operation(Operation::Rename).with_name(destination.shown()))
}

/// Inside one store a rename, which moves no bytes.
async fn rename_or_move(
    from: (&Place, &Store, &Key),
    to: (&Place, &Store, &Key),
    no_clobber: bool,
    options: &SyncOptions,
) -> Result<()> {
    let (Place::Url(a), Place::Url(b)) = (from.0, to.0) else {
        return move_object((from.1, from.2), (to.1, to.2), options).await;
    };
    if !a.shares_store(b) {
        return move_object((from.1, from.2), (to.1, to.2), options).await;
    }
    let whole = a.at("").open().await?;
    let mut options = RenameOptions::new();
    if no_clobber {
        options = options.if_absent();
    }
    whole.rename(&Key::new(a.location().path())?, &Key::new(b.location().path())?, options).await
}

/// What moves keeps its owner where that is possible, as a rename would. A move that was cut off goes on.
fn moving(args: &Mv, from: &Place, to: &Place) -> SyncOptions {
    let options = SyncOptions::new().owner(rustix::process::geteuid().is_root());
    if args.no_resume { options } else { going_on(options, from, to) }
}

/// Copies, verifies, and only then deletes what was copied.
async fn move_object(
    (from, key): (&Store, &Key),
    (to, name): (&Store, &Key),
    options: &SyncOptions,
) -> Result<()> {
    let seen = from.stat(key, StatOptions::new()).await?;
    let copy = CopyTarget::new(key.clone(), name.clone()).seen(&seen);
    copy_object(from, to, copy, options).await?;
    if from.stat(key, StatOptions::new()).await?.etag != seen.etag {
        let message = "the source changed after it was copied; both are kept";
        return Err(Error::new(ErrorKind::PreconditionFailed, message).with_key(key));
    }
    from.delete(key.clone()).await
}

/// Where several sources go.
struct Targets {
    place: Place,
    /// The destination is a directory to copy into.
    into: bool,
}

impl Targets {
    async fn of(places: &[OsString]) -> Result<(Vec<Place>, Self)> {
        let (last, sources) =
            places.split_last().expect("because the command line asks for two places or more");
        let place = Place::parse(last)?;
        let sources: Vec<Place> = sources.iter().map(Place::parse).collect::<Result<_>>()?;
        // A slash behind says that a directory is meant, also one that is still to be made.
        let into = place.is_directory().await || last.as_bytes().ends_with(b"/");
        let targets = Self { place, into };
        if sources.len() > 1 {
            targets.for_several()?;
        }
        Ok((sources, targets))
    }

    /// The directory that several sources go into.
    fn for_several(&self) -> Result<&Place> {
        if self.into {
            return Ok(&self.place);
        }
        let message =
            "several sources need a directory to go into; if it is to be made, end its name with `/`";
        Err(Error::new(ErrorKind::InvalidInput, message).with_name(self.place.shown()))
    }

    /// Fails if a source before this one went to the same place: it would be lost.
    fn once(&self, source: &Place, taken: &mut HashSet<String>) -> Result<()> {
        let place = self.for_source(source)?.shown();
        if taken.insert(place.clone()) {
            return Ok(());
        }
        let message = format!("another source went to `{place}` just now");
        Err(Error::new(ErrorKind::AlreadyExists, message).with_name(source.shown()))
    }

    fn for_source(&self, source: &Place) -> Result<Place> {
        if self.into { Ok(self.place.join(&source.base_name()?)) } else { Ok(self.place.clone()) }
    }
}

/// Whether two places are one file.
pub(super) fn is_same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Path(a), Place::Path(b)) => {
            std::fs::canonicalize(a).ok().is_some_and(|a| std::fs::canonicalize(b).ok() == Some(a))
        }
        (Place::Url(a), Place::Url(b)) => a.is_same(b),
        _ => false,
    }
}

pub(crate) fn options(writing: &Writing) -> SyncOptions {
    let verify = match writing.verify {
        Verify::Content => storage_sync::Verify::Content,
        Verify::Size => storage_sync::Verify::Size,
    };
    let options = SyncOptions::new().verify(verify).owner(keeps_owner(writing)).concurrency(writing.jobs);
    let options = writing.part_size.into_iter().fold(options, SyncOptions::part_size);
    writing.streams.into_iter().fold(options, SyncOptions::streams)
}

/// The same, going on with what a run between the same places left unfinished.
pub(crate) fn resuming(options: SyncOptions, writing: &Writing, from: &Place, to: &Place) -> SyncOptions {
    if writing.no_resume { options } else { going_on(options, from, to) }
}

fn going_on(options: SyncOptions, from: &Place, to: &Place) -> SyncOptions {
    match Session::journal() {
        Some(journal) => options.resume(journal, format!("{}\n{}", from.identity(), to.identity())),
        None => options,
    }
}

pub(crate) fn keeps_owner(writing: &Writing) -> bool {
    writing.owner || (!writing.no_owner && rustix::process::geteuid().is_root())
}

pub(crate) fn writing(writing: &Writing, links: Links) -> How {
    How { links, create: true, no_fsync: writing.no_fsync, sparse: writing.sparse, direct: writing.direct }
}

/// Says with `--verbose` what was done.
pub(crate) fn told(output: &Output, meter: &Meter, what: &str, name: &str) {
    if output.verbose {
        meter.above(|| output.note(&format!("{what} {name}")));
    }
}

fn report(total: &SyncSummary, verb: &str, output: &mut Output) -> std::io::Result<()> {
    if output.json {
        return output.object(&serde_json::json!({
            "event": "summary", "copied": total.copied, "copied_bytes": total.copied_bytes,
            "verified": total.verified, "unchanged": total.unchanged,
        }));
    }
    let verified = if total.verified == total.copied { ", all verified" } else { "" };
    let unchanged =
        if total.unchanged > 0 { format!(", {} unchanged", total.unchanged) } else { String::new() };
    output.note(&format!(
        "{verb} {} ({}){verified}{unchanged}",
        show::count(total.copied, "file"),
        show::size(total.copied_bytes, false)
    ));
    Ok(())
}

//! Doing what the planner says, in the order that loses nothing.
//!
//! First everything that only adds, side by side. Then, if all of it succeeded and both listings came to their end, what
//! stands in the way is removed and what needed its place is made. Then, if that succeeded too, the rest is deleted.
//! Last, directories get their times, deepest first, since everything before changes them.

use std::collections::HashSet;
use std::time::Duration;

use storage_core::{
    Change, CopyTarget, DeleteTarget, Directory, ETag, Error, ErrorKind, Key, Object, Prefix, Result, Store,
};
use tokio::task::JoinSet;

use crate::merge::{Merge, Next, Side};
use crate::options::SyncOptions;
use crate::plan::{Planner, Rules, Step};
use crate::report::{SyncEvent, SyncSummary};
use crate::transfer::{Copied, Transfer, same_content};

/// Makes the destination's tree match the source's. Tells `observe` what happens as it happens.
///
/// The summary counts items that failed; they do not stop the others, and nothing is deleted then.
///
/// # Errors
/// `NotFound` or `InvalidInput` for an empty source that may not be one; whatever broke off a listing. Copies made
/// before stay, and nothing was deleted.
///
/// # Cancellation
/// Dropping the future stops the work. Every object is the old one or the new one.
pub async fn sync(
    source: &Store,
    destination: &Store,
    options: SyncOptions,
    observe: impl FnMut(SyncEvent<'_>) + Send,
) -> Result<SyncSummary> {
    let mut run = Run::new(source, destination, options, observe);
    run.merge().await?;
    run.settle().await;
    if run.may_delete() {
        run.replace().await;
        run.settle().await;
    }
    if run.may_delete() {
        run.delete(false).await;
    } else {
        run.summary.deletions_skipped = run.deletions.len() as u64 + run.late.len() as u64;
    }
    run.clean().await?;
    run.finish_directories().await;
    Ok(run.summary)
}

/// Objects up to this many bytes are copied together where that is worth it.
const SMALL: u64 = 256 << 10;

/// A copy to the key that the source has.
fn same_key(source: &Object) -> CopyTarget {
    CopyTarget::new(source.key.clone(), source.key.clone()).seen(&source.metadata)
}

struct Run<F> {
    source: Store,
    destination: Store,
    options: SyncOptions,
    observe: F,
    transfer: Transfer,
    tasks: JoinSet<Vec<(Job, Result<Done>)>>,
    /// Small objects that are copied together.
    batch: Vec<(Job, CopyTarget)>,
    /// How many those are at a time.
    together: usize,
    summary: SyncSummary,
    late: Vec<Step>,
    deletions: Vec<Deletion>,
    directories: Vec<(Prefix, Change, Reason)>,
    /// Directories whose content changed, and with it their times.
    touched: HashSet<String>,
}

struct Deletion {
    what: Doomed,
    obstacle: bool,
}

enum Doomed {
    Object(Key, Option<ETag>),
    Directory(Prefix),
}

/// Why a directory may need its times and permissions set at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Made,
    Differs,
    /// Only if something in it changed.
    Content,
}

/// What a task is about.
struct Job {
    key: Key,
    replaces: bool,
}

enum Done {
    Copied(Copied),
    Equal { size: u64, updated: bool },
}

impl<F: FnMut(SyncEvent<'_>) + Send> Run<F> {
    fn new(source: &Store, destination: &Store, options: SyncOptions, observe: F) -> Self {
        Self {
            transfer: Transfer::new(source, destination, &options),
            source: source.clone(),
            destination: destination.clone(),
            options,
            observe,
            tasks: JoinSet::new(),
            batch: Vec::new(),
            together: 1,
            summary: SyncSummary::default(),
            late: Vec::new(),
            deletions: Vec::new(),
            directories: Vec::new(),
            touched: HashSet::new(),
        }
    }

    /// Removes what killed runs left behind, once nothing is left that could be taken up again.
    async fn clean(&mut self) -> Result<()> {
        if !self.options.dry_run && self.summary.failed == 0 {
            self.summary.cleaned = self.destination.cleanup(&Prefix::root()).await?.removed;
        }
        Ok(())
    }

    fn rules(&self) -> Rules {
        let (from, to) = (self.source.capabilities(), self.destination.capabilities());
        let step = |precision: Option<Duration>| precision.unwrap_or(Duration::ZERO);
        let exact = Duration::from_nanos(1);
        let coarser = step(from.modified_precision).max(step(to.modified_precision));
        let mut rules = Rules::new();
        rules.delete = self.options.delete;
        rules.compare = self.options.compare;
        rules.keeps_times = to.set_modified;
        rules.time_step = if coarser <= exact { Duration::ZERO } else { coarser };
        rules.permissions = from.unix_attributes && to.unix_attributes;
        rules.owner = self.options.owner;
        rules.names_collide = to.hierarchical;
        rules
    }

    /// Goes through both listings and starts everything that only adds.
    async fn merge(&mut self) -> Result<()> {
        let mut merge = Merge::new(&self.source, &self.destination).await?;
        self.refuse_empty_source(&mut merge).await?;
        let mut planner = Planner::new(self.rules());
        self.together = self.transfer.together().await;
        loop {
            match merge.next().await {
                Next::Pair(pair) => {
                    for step in planner.push(pair) {
                        self.start(step).await;
                    }
                }
                Next::Entry(error) => self.fail(error.key().unwrap_or_default(), &error),
                Next::Broken(side, error) => {
                    self.tasks.shutdown().await;
                    let name = if side == Side::Source { "source" } else { "destination" };
                    let message = format!("the listing of the {name} broke off; nothing was deleted");
                    return Err(Error::new(error.kind(), message).with_source(error));
                }
                Next::End => break,
            }
        }
        for step in planner.finish() {
            self.start(step).await;
        }
        Ok(())
    }

    async fn refuse_empty_source(&mut self, merge: &mut Merge) -> Result<()> {
        if self.options.allow_empty_source || !merge.source_is_empty().await {
            return Ok(());
        }
        if self.options.delete {
            let message = "the source is empty, and deleting would empty the destination; \
                           allow an empty source if that is meant";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if !self.source.capabilities().directories {
            // An object store cannot tell an empty place from a misspelt one.
            return Err(Error::new(ErrorKind::NotFound, "there is nothing at the source"));
        }
        Ok(())
    }

    async fn start(&mut self, step: Step) {
        match step {
            Step::Copy { late: true, .. } | Step::CreateDir { late: true, .. } => self.late.push(step),
            Step::Copy { source, replaces, .. } => self.copy(source, replaces).await,
            Step::CompareContent { source, destination, change } => {
                self.compare(source, *destination, change).await;
            }
            Step::CreateDir { directory, .. } => self.create_dir(directory).await,
            Step::KeepDir { directory, differs } => {
                self.note_directory(&directory, if differs { Reason::Differs } else { Reason::Content });
            }
            Step::Keep { key, size, change } => self.keep(&key, size, change).await,
            Step::Delete { key, etag, obstacle } => {
                self.deletions.push(Deletion { what: Doomed::Object(key, etag), obstacle });
            }
            Step::DeleteDir { prefix, obstacle } => {
                self.deletions.push(Deletion { what: Doomed::Directory(prefix), obstacle });
            }
            Step::Extra { .. } => self.summary.extra += 1,
            Step::Blocked { name, by } => {
                let message =
                    format!("`{by}` stands in its place at the destination; deleting it was not asked for");
                self.fail(&name, &Error::new(ErrorKind::AlreadyExists, message));
            }
        }
    }

    async fn copy(&mut self, source: Object, replaces: bool) {
        let job = Job { key: source.key.clone(), replaces };
        if self.options.dry_run {
            let done = Done::Copied(Copied { size: source.metadata.size, verified: false });
            return self.done(job, Ok(done));
        }
        self.touch(source.key.as_str());
        (self.observe)(SyncEvent::Copying { name: job.key.as_str(), size: source.metadata.size });
        let copy = same_key(&source);
        if self.together > 1 && source.metadata.size <= SMALL {
            self.batch.push((job, copy));
            if self.batch.len() >= self.together {
                self.copy_batch().await;
            }
            return;
        }
        let transfer = self.transfer.clone();
        self.spawn(job, async move { transfer.copy(copy).await.map(Done::Copied) }).await;
    }

    /// Copies the small objects that came together.
    async fn copy_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (jobs, copies): (Vec<Job>, Vec<CopyTarget>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let transfer = self.transfer.clone();
        self.make_room().await;
        self.tasks.spawn(async move {
            let done = transfer.copy_all(&copies).await;
            jobs.into_iter().zip(done.into_iter().map(|done| done.map(Done::Copied))).collect()
        });
    }

    /// Lets content decide, and copies if it differs.
    async fn compare(&mut self, left: Object, right: Object, change: Option<Change>) {
        let job = Job { key: left.key.clone(), replaces: true };
        self.touch(left.key.as_str());
        let (transfer, dry_run) = (self.transfer.clone(), self.options.dry_run);
        self.spawn(job, async move {
            let (source, destination, key) = (&transfer.source, &transfer.destination, &left.key);
            let size = left.metadata.size;
            if !same_content(source, destination, key, (&left.metadata, &right.metadata)).await? {
                if dry_run {
                    return Ok(Done::Copied(Copied { size, verified: false }));
                }
                return transfer.copy(same_key(&left)).await.map(Done::Copied);
            }
            let updated = change.is_some();
            if let Some(change) = change.filter(|_| !dry_run) {
                destination.update(key, change).await?;
            }
            Ok(Done::Equal { size, updated })
        })
        .await;
    }

    async fn spawn(&mut self, job: Job, work: impl Future<Output = Result<Done>> + Send + 'static) {
        self.make_room().await;
        self.tasks.spawn(async move {
            let done = work.await;
            vec![(job, done)]
        });
    }

    /// Waits until another task may begin.
    async fn make_room(&mut self) {
        while self.tasks.len() >= self.options.concurrency {
            self.join_one().await;
        }
    }

    /// Waits for everything in flight.
    async fn settle(&mut self) {
        self.copy_batch().await;
        while !self.tasks.is_empty() {
            self.join_one().await;
        }
    }

    async fn join_one(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(done)) => done.into_iter().for_each(|(job, result)| self.done(job, result)),
            Some(Err(gone)) => {
                let error = Error::new(ErrorKind::Other, "the task of a copy ended early").with_source(gone);
                self.fail("", &error);
            }
            None => {}
        }
    }

    fn done(&mut self, job: Job, result: Result<Done>) {
        let name = job.key.as_str();
        match result {
            Ok(Done::Copied(copied)) => {
                self.summary.copied += 1;
                self.summary.copied_bytes += copied.size;
                self.summary.verified += u64::from(copied.verified);
                (self.observe)(SyncEvent::Copied { name, size: copied.size, replaced: job.replaces });
            }
            Ok(Done::Equal { size, updated }) => {
                self.unchanged(name, size);
                if updated {
                    self.updated(name);
                }
            }
            Err(error) => self.fail(name, &error),
        }
    }

    async fn keep(&mut self, key: &Key, size: u64, change: Option<Change>) {
        self.unchanged(key.as_str(), size);
        let Some(change) = change else { return };
        let result = if self.options.dry_run { Ok(()) } else { self.destination.update(key, change).await };
        match result {
            Ok(()) => self.updated(key.as_str()),
            Err(error) => self.fail(key.as_str(), &error),
        }
    }

    async fn create_dir(&mut self, directory: Directory) {
        let name = directory.prefix.as_str().to_owned();
        let made = if self.options.dry_run { Ok(()) } else { self.make_private(&directory).await };
        match made {
            Ok(()) => {
                self.summary.created_dirs += 1;
                self.touch(name.trim_end_matches('/'));
                self.note_directory(&directory, Reason::Made);
                (self.observe)(SyncEvent::CreatedDir { name: &name });
            }
            Err(error) => self.fail(&name, &error),
        }
    }

    /// Makes a directory that from the start nobody can enter who cannot at the source. Its owner can write until the end.
    async fn make_private(&self, directory: &Directory) -> Result<()> {
        self.destination.create_dir(&directory.prefix).await?;
        let unix = directory.metadata.as_ref().and_then(|metadata| metadata.unix);
        let Some(mut unix) = unix.filter(|_| self.destination.capabilities().unix_attributes) else {
            return Ok(());
        };
        unix.mode |= 0o700;
        self.destination.update_dir(&directory.prefix, Change::new().unix(unix, false)).await
    }

    /// Remembers what a directory has to look like at the end.
    fn note_directory(&mut self, directory: &Directory, reason: Reason) {
        let Some(metadata) = &directory.metadata else { return };
        let can = self.destination.capabilities();
        let mut change = Change::new();
        if let (Some(time), true) = (metadata.modified, can.set_modified) {
            change = change.modified(time);
        }
        if let (Some(unix), true) = (metadata.unix, can.unix_attributes) {
            change = change.unix(unix, self.options.owner);
        }
        self.directories.push((directory.prefix.clone(), change, reason));
    }

    /// Notes that something in the directory of `name` changed.
    fn touch(&mut self, name: &str) {
        let parent = name.rfind('/').map_or("", |at| &name[..=at]);
        if !self.touched.contains(parent) {
            self.touched.insert(parent.to_owned());
        }
    }

    fn may_delete(&self) -> bool {
        self.options.delete && self.summary.failed == 0
    }

    /// Removes what stands in the way, then makes what needed the place.
    async fn replace(&mut self) {
        if self.late.is_empty() {
            return;
        }
        self.delete(true).await;
        if self.summary.failed > 0 {
            return;
        }
        for step in std::mem::take(&mut self.late) {
            match step {
                Step::Copy { source, .. } => self.copy(source, true).await,
                Step::CreateDir { directory, .. } => self.create_dir(directory).await,
                _ => unreachable!("only copies and directories are late"),
            }
        }
    }

    async fn delete(&mut self, obstacles: bool) {
        let chosen: Vec<Deletion>;
        (chosen, self.deletions) =
            std::mem::take(&mut self.deletions).into_iter().partition(|d| d.obstacle || !obstacles);
        let mut objects = Vec::new();
        let mut directories = Vec::new();
        for deletion in chosen {
            match deletion.what {
                Doomed::Object(key, etag) => objects.push((key, etag)),
                Doomed::Directory(prefix) => directories.push(prefix),
            }
        }
        self.delete_objects(objects).await;
        // In key order a directory comes before what is in it.
        for prefix in directories.into_iter().rev() {
            self.delete_directory(prefix).await;
        }
    }

    async fn delete_objects(&mut self, objects: Vec<(Key, Option<ETag>)>) {
        let conditional = self.destination.capabilities().delete_if_match.is_supported();
        for batch in objects.chunks(1000) {
            let targets = batch.iter().map(|(key, etag)| {
                let target = DeleteTarget::new(key.clone());
                match etag {
                    Some(etag) if conditional => target.if_match(etag.clone()),
                    _ => target,
                }
            });
            let results = if self.options.dry_run {
                targets.map(|target| (target, Ok(()))).collect()
            } else {
                self.destination.delete_all(targets).await
            };
            for (target, result) in results {
                self.touch(target.key.as_str());
                self.deleted(target.key.as_str(), result);
            }
        }
    }

    async fn delete_directory(&mut self, prefix: Prefix) {
        let result = if self.options.dry_run { Ok(()) } else { self.destination.remove_dir(&prefix).await };
        self.touch(prefix.as_str().trim_end_matches('/'));
        self.deleted(prefix.as_str(), result);
    }

    fn deleted(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                self.summary.deleted += 1;
                (self.observe)(SyncEvent::Deleted { name });
            }
            Err(error) => self.fail(name, &error),
        }
    }

    async fn finish_directories(&mut self) {
        for (prefix, change, reason) in std::mem::take(&mut self.directories).into_iter().rev() {
            // What was cleaned up may have been anywhere.
            let content = self.touched.contains(prefix.as_str()) || self.summary.cleaned > 0;
            let needed = reason != Reason::Content || content;
            if change == Change::new() || !needed {
                continue;
            }
            let result = if self.options.dry_run {
                Ok(())
            } else {
                self.destination.update_dir(&prefix, change).await
            };
            match result {
                Ok(()) if reason == Reason::Differs => self.updated(prefix.as_str()),
                Ok(()) => {}
                Err(error) => self.fail(prefix.as_str(), &error),
            }
        }
    }

    fn unchanged(&mut self, name: &str, size: u64) {
        self.summary.unchanged += 1;
        self.summary.unchanged_bytes += size;
        (self.observe)(SyncEvent::Unchanged { name, size });
    }

    fn updated(&mut self, name: &str) {
        self.summary.updated += 1;
        (self.observe)(SyncEvent::Updated { name });
    }

    fn fail(&mut self, name: &str, error: &Error) {
        self.summary.failed += 1;
        (self.observe)(SyncEvent::Failed { name, error });
    }
}

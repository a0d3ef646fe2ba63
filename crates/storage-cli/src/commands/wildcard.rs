//! Sources with wildcards: what the shell cannot expand, since it is not on this machine or was quoted.

use std::collections::HashSet;
use std::ffi::OsString;

use futures_util::TryStreamExt;
use storage_core::{
    CopyTarget, DeleteTarget, Entry, Error, ErrorKind, Key, Object, Operation, Pattern, Result, Store,
};
use storage_sync::{Copied, SyncOptions, SyncSummary, copy_object};
use tokio::task::JoinSet;

use crate::args::Cp;
use crate::commands::copy::{options, resuming, told, writing};
use crate::commands::glob::split;
use crate::output::Output;
use crate::place::{How, Place};
use crate::progress::Meter;

/// The objects that a source with wildcards stands for.
pub(crate) struct Matches {
    store: Store,
    base: Place,
    objects: Vec<Object>,
}

impl Matches {
    /// What `source` stands for, if it has wildcards and no object has this very name.
    pub(crate) async fn of(source: &OsString, how: How) -> Result<Option<Self>> {
        let Some(text) = source.to_str() else { return Ok(None) };
        let (base, pattern) = split(text);
        if pattern.is_empty() || !pattern.contains(['*', '?', '[', '{']) || exists(source).await {
            return Ok(None);
        }
        let base = Place::parse(&OsString::from(if base.is_empty() { "." } else { base }))?;
        let store = base.open(how).await?;
        let found: Vec<Entry> = store.glob(&Pattern::new(pattern)?).try_collect().await?;
        let objects: Vec<Object> = found.into_iter().filter_map(Entry::into_object).collect();
        if objects.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "nothing matches").with_name(text.to_owned()));
        }
        Ok(Some(Self { store, base, objects }))
    }

    /// Each of them as a place.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.objects.iter().map(|object| self.base.join(object.key.as_str())).collect()
    }

    /// Deletes all of them. Tells of each.
    pub(crate) async fn delete(self, output: &mut Output) {
        let targets: Vec<DeleteTarget> =
            self.objects.into_iter().map(|object| DeleteTarget::new(object.key)).collect();
        for (target, deleted) in self.store.delete_all(targets).await {
            let shown = self.base.join(target.key.as_str()).shown();
            match deleted {
                Ok(()) if output.verbose => output.note(&format!("deleted {shown}")),
                Ok(()) => {}
                Err(error) => output.named_failed(&shown, &error),
            }
        }
    }

    /// Copies all of them into the directory at `destination`, side by side.
    pub(crate) async fn copy_into(
        self,
        destination: &Place,
        args: &Cp,
        meter: &Meter,
        output: &mut Output,
    ) -> Result<SyncSummary> {
        let to = destination.open(writing(&args.writing, args.links)).await?;
        let to = meter.watch(&to, Operation::Write);
        let options = resuming(options(&args.writing), &args.writing, &self.base, destination);
        let mut run = Run { tasks: JoinSet::new(), summary: SyncSummary::default(), meter, output };
        let mut names = HashSet::new();
        for object in self.objects {
            let shown = self.base.join(object.key.as_str()).shown();
            let name = object.key.as_str().rsplit('/').next().unwrap_or_default();
            if !names.insert(name.to_owned()) {
                let message = format!("another of the matches is called `{name}` too, and was copied");
                let error = Error::new(ErrorKind::AlreadyExists, message).with_name(shown);
                run.meter.above(|| run.output.item_failed(&error));
                continue;
            }
            while run.tasks.len() >= args.writing.jobs.max(1) {
                run.join_one().await;
            }
            run.start(&self.store, object.clone(), shown, &to, Key::new(name)?, options.clone());
        }
        while !run.tasks.is_empty() {
            run.join_one().await;
        }
        Ok(run.summary)
    }
}

struct Run<'a> {
    tasks: JoinSet<(String, Key, Result<Copied>)>,
    summary: SyncSummary,
    meter: &'a Meter,
    output: &'a mut Output,
}

impl Run<'_> {
    fn start(
        &mut self,
        from: &Store,
        object: Object,
        shown: String,
        to: &Store,
        name: Key,
        options: SyncOptions,
    ) {
        self.meter.planned(name.as_str(), object.metadata.size);
        let (from, to) = (from.clone(), to.clone());
        self.tasks.spawn(async move {
            let copy = CopyTarget::new(object.key, name.clone()).seen(&object.metadata);
            let copied = copy_object(&from, &to, copy, &options).await;
            (shown, name, copied)
        });
    }

    async fn join_one(&mut self) {
        let Some(Ok((shown, name, copied))) = self.tasks.join_next().await else { return };
        match copied {
            Ok(copied) => {
                self.meter.copied(name.as_str());
                told(self.output, self.meter, "copied", &shown);
                self.summary.copied += 1;
                self.summary.copied_bytes += copied.size;
                self.summary.verified += u64::from(copied.verified);
            }
            Err(error) => {
                self.meter.over(name.as_str());
                self.meter.above(|| self.output.named_failed(&shown, &error));
            }
        }
    }
}

/// Whether something has exactly this name, wildcards and all.
async fn exists(source: &OsString) -> bool {
    match Place::parse(source) {
        Ok(Place::Path(path)) => path.symlink_metadata().is_ok(),
        Ok(place @ Place::Url(_)) => match place.open_object(How::default()).await {
            Ok((store, key)) => store.exists(&key).await.unwrap_or(false),
            Err(_) => false,
        },
        Err(_) => false,
    }
}

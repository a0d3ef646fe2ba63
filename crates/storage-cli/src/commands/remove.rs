//! `haul rm`, `haul mkdir` and `haul cleanup`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use futures_util::TryStreamExt;
use storage_core::{DeleteTarget, Entry, Error, ErrorKind, ListOptions, Prefix, Result, Store};
use tokio::task::{JoinError, JoinSet};

use crate::args::{Cleanup, Links, Mkdir, Rm};
use crate::commands::wildcard::Matches;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};
use crate::show;

pub(crate) async fn rm(args: Rm, output: &mut Output) -> std::result::Result<(), Failure> {
    for text in &args.places {
        match rm_one(text, args.recursive, output).await {
            Ok(Some(told)) if output.verbose => output.note(&told),
            Ok(_) => {}
            Err(error) if args.force && error.kind() == ErrorKind::NotFound => {}
            Err(error) => output.item_failed(&error),
        }
    }
    output.conclude()
}

/// Deletes what one argument stands for. What matches wildcards is told of one by one.
async fn rm_one(text: &OsString, recursive: bool, output: &mut Output) -> Result<Option<String>> {
    if let Some(matches) = Matches::of(text, How::links(Links::Preserve)).await? {
        matches.delete(output).await;
        return Ok(None);
    }
    let place = Place::parse(text)?;
    let removed = remove(&place, recursive).await?;
    Ok(Some(format!("deleted {} ({removed})", place.shown())))
}

/// Deletes what stands at a place; tells how much.
async fn remove(place: &Place, recursive: bool) -> Result<String> {
    if is_underfoot(place) {
        let message = "this is the root, or the directory you are in; it is not deleted";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(place.shown()));
    }
    if leads_through_a_link(place) {
        let message = "this leads through a symbolic link; without the slash the link itself is deleted";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_name(place.shown()));
    }
    match place.find(How::default(), Top::Itself).await? {
        Found::Object(store, key, _) => {
            store.delete(key).await?;
            Ok("1 file".into())
        }
        Found::Directory(_) if !recursive => {
            let message = "this is a directory; delete it with -r";
            Err(Error::new(ErrorKind::InvalidInput, message).with_name(place.shown()))
        }
        Found::Directory(_) => Ok(show::count(remove_tree(place).await?, "file")),
    }
}

/// Whether a place is the root, or the working directory or one above it, by whatever name: the slip of a finger.
fn is_underfoot(place: &Place) -> bool {
    let Place::Path(path) = place else { return false };
    let named = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let (real, here) = (std::fs::canonicalize(path), std::env::current_dir().and_then(std::fs::canonicalize));
    named
        && matches!((real, here), (Ok(real), Ok(here)) if real.parent().is_none() || here.starts_with(&real))
}

/// Whether a place is a link with a slash behind, which would empty what it leads to and then fail on the link.
fn leads_through_a_link(place: &Place) -> bool {
    // Components leave the slash out.
    matches!(place, Place::Path(path)
        if path.as_os_str().as_bytes().ends_with(b"/") && path.components().as_path().is_symlink())
}

/// Targets that are deleted together, and how often that goes on side by side, so that nothing waits for one answer after another.
const BATCH: usize = 1000;
const AT_A_TIME: usize = 8;

/// Deletes a directory and all below it; tells how many objects. Stops at the first thing that cannot be deleted.
pub(crate) async fn remove_tree(place: &Place) -> Result<u64> {
    let store = place.open(How::default()).await?;
    store.cleanup(&Prefix::root()).await?;
    let mut directories = Vec::new();
    let mut batch = Vec::new();
    let mut deletes = JoinSet::new();
    let mut removed = 0;
    let mut listing = store.list(&Prefix::root(), ListOptions::new().directories(true).concurrency(8));
    while let Some(entry) = listing.try_next().await? {
        match entry {
            Entry::Object(object) => batch.push(DeleteTarget::new(object.key)),
            Entry::Prefix(directory) => directories.push(directory.prefix),
            _ => {}
        }
        if batch.len() == BATCH {
            deletes.spawn(delete(store.clone(), std::mem::take(&mut batch)));
        }
        while let Some(done) = deletes.try_join_next() {
            removed += done.map_err(ended)??;
        }
        while deletes.len() >= AT_A_TIME {
            removed += deleted(&mut deletes).await?;
        }
    }
    deletes.spawn(delete(store.clone(), batch));
    while !deletes.is_empty() {
        removed += deleted(&mut deletes).await?;
    }
    for directory in directories.iter().rev() {
        store.remove_dir(directory).await?;
    }
    remove_root(place).await?;
    Ok(removed)
}

async fn delete(store: Store, batch: Vec<DeleteTarget>) -> Result<u64> {
    let mut removed = 0;
    for (_, result) in store.delete_all(batch).await {
        result?;
        removed += 1;
    }
    Ok(removed)
}

async fn deleted(deletes: &mut JoinSet<Result<u64>>) -> Result<u64> {
    deletes.join_next().await.map_or(Ok(Ok(0)), |done| done).map_err(ended)?
}

fn ended(gone: JoinError) -> Error {
    Error::new(ErrorKind::Other, "a delete ended early").with_source(gone)
}

/// Removes the emptied directory itself, where there is one.
async fn remove_root(place: &Place) -> Result<()> {
    match place {
        Place::Path(path) => {
            let named = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let (parent, name) = Place::Path(named).open_object(How::default()).await?;
            parent.remove_dir(&Prefix::directory(name.as_str())?).await
        }
        Place::Url(remote) => {
            let path = remote.location().path().trim_end_matches('/');
            let (store, marker) = match path {
                "" => return Ok(()),
                path => Place::Url(remote.at(format!("{path}/"))).open_object(How::default()).await?,
            };
            // Where directories are but names, some tools mark one by an empty object of its name.
            if store.capabilities().hierarchical { Ok(()) } else { store.delete(marker).await }
        }
    }
}

pub(crate) async fn mkdir(args: Mkdir, output: &mut Output) -> std::result::Result<(), Failure> {
    for text in &args.places {
        if let Err(error) = make(&Place::parse(text)?).await {
            output.item_failed(&error);
        }
    }
    output.conclude()
}

async fn make(place: &Place) -> Result<()> {
    match place {
        // Opening makes a local root with its parents.
        Place::Path(_) => place.open(How { create: true, ..How::default() }).await.map(drop),
        Place::Url(_) => place.open(How::default()).await?.create_dir(&Prefix::root()).await,
    }
}

pub(crate) async fn cleanup(args: Cleanup, output: &mut Output) -> std::result::Result<(), Failure> {
    let store = Place::parse(&args.place)?.open(How::default()).await?;
    let report = store.cleanup(&Prefix::root()).await?;
    if output.json {
        output.object(&serde_json::json!({
            "event": "cleanup", "removed": report.removed, "bytes": report.bytes, "in_use": report.in_use,
        }))?;
    } else {
        let removed = show::count(report.removed, "leftover");
        let in_use =
            if report.in_use > 0 { format!(", {} still in use", report.in_use) } else { String::new() };
        output.line(&format!("removed {removed} ({}){in_use}", show::size(report.bytes, false)))?;
    }
    Ok(())
}

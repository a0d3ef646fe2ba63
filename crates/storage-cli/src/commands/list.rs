//! `haul ls`

use std::ffi::OsString;

use futures_util::StreamExt;
use storage_core::{Entry, FileKind, Key, ListOptions, Metadata, Object, Prefix, ReadOptions, Scope, Store};

use crate::args::Ls;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};
use crate::show;

/// In how many places a large tree is listed at a time.
const LISTED_TOGETHER: usize = 8;

pub(crate) async fn ls(args: Ls, output: &mut Output) -> Result<(), Failure> {
    let several = args.places.len() > 1;
    for (at, text) in args.places.iter().enumerate() {
        if let Err(error) = ls_one(&args, text, several, at == 0, output).await? {
            output.item_failed(&error);
        }
    }
    output.conclude()
}

/// Lists one place. The inner error is the place's, the outer one the output's.
async fn ls_one(
    args: &Ls,
    text: &OsString,
    several: bool,
    first: bool,
    output: &mut Output,
) -> Result<storage_core::Result<()>, Failure> {
    let found = match Place::parse(text) {
        Ok(place) => place.find(How::links(args.links), Top::Follow).await,
        Err(error) => Err(error),
    };
    match found {
        Err(error) => Ok(Err(error)),
        Ok(Found::Object(store, key, metadata)) => {
            let entry = Entry::Object(Object::new(key, *metadata));
            print(args, &store, &entry, Some(&text.to_string_lossy()), output).await?;
            Ok(Ok(()))
        }
        Ok(Found::Directory(store)) => {
            if several && !output.json && !args.null {
                let gap = if first { "" } else { "\n" };
                output.line(&format!("{gap}{}:", output.shown(&text.to_string_lossy())))?;
            }
            ls_directory(args, &store, output).await
        }
    }
}

async fn ls_directory(
    args: &Ls,
    store: &Store,
    output: &mut Output,
) -> Result<storage_core::Result<()>, Failure> {
    let mut options = ListOptions::new().versions(args.versions);
    options = if args.recursive {
        options.directories(true).concurrency(LISTED_TOGETHER)
    } else {
        options.delimiter('/')
    };
    let mut listing = store.list(&Prefix::root(), options);
    while let Some(entry) = listing.next().await {
        match entry {
            Ok(entry) => print(args, store, &entry, None, output).await?,
            Err(error) if error.scope() == Scope::Entry => output.item_failed(&error),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

async fn print(
    args: &Ls,
    store: &Store,
    entry: &Entry,
    name: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json {
        return Ok(output.object(&show::entry(entry))?);
    }
    let name = name.unwrap_or(entry.name());
    if !args.long {
        return Ok(output.name(name, if args.null { 0 } else { b'\n' })?);
    }
    let (metadata, target) = match entry {
        Entry::Object(object) => (Some(&object.metadata), link_target(store, object).await),
        Entry::Prefix(directory) => (directory.metadata.as_ref(), String::new()),
        _ => return Ok(()),
    };
    let line = format!("{}  {}{}", columns(metadata, args.bytes), output.shown(name), output.shown(&target));
    Ok(output.line(&line)?)
}

fn columns(metadata: Option<&Metadata>, exact: bool) -> String {
    let size = match metadata {
        Some(found) if found.kind != FileKind::Directory => show::size(found.size, exact),
        _ => "-".to_owned(),
    };
    let modified = metadata.and_then(|m| m.modified).map_or_else(|| "-".to_owned(), show::time);
    let note = if metadata.is_some_and(|m| m.is_delete_marker) { "  (deleted)" } else { "" };
    let version = metadata.and_then(|m| m.version.as_ref()).map_or_else(String::new, |v| format!("  {v}"));
    format!("{}  {size:>10}  {modified:<19}{version}{note}", show::mode(metadata))
}

/// ` -> target` for a link.
async fn link_target(store: &Store, object: &Object) -> String {
    if object.metadata.kind != FileKind::Symlink {
        return String::new();
    }
    let key: &Key = &object.key;
    match store.read(key, ReadOptions::new()).await {
        Ok(read) => format!(" -> {}", String::from_utf8_lossy(&read.bytes)),
        Err(_) => " -> ?".to_owned(),
    }
}

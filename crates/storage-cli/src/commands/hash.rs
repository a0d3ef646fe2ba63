//! `haul hash`

use std::borrow::Cow;

use futures_util::StreamExt;
use storage_core::{
    Algorithm, Checksums, Error, ErrorKind, Key, ListOptions, Prefix, ReadOptions, Result, Scope, Store,
};

use crate::args::{Hash, Links};
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};

/// Objects hashed side by side.
const CONCURRENCY: usize = 4;

pub(crate) async fn hash(args: Hash, output: &mut Output) -> std::result::Result<(), Failure> {
    for text in &args.places {
        let place = Place::parse(text)?;
        let name = text.to_string_lossy().into_owned();
        match place.find(How::links(Links::Follow), Top::Follow).await {
            Ok(Found::Object(store, key, _)) => {
                let sums = store.checksum(&key, &args.algorithm, ReadOptions::new()).await;
                let sums = sums.map_err(|error| error.renamed(&name));
                print(&args.algorithm, &name, sums, output)?;
            }
            Ok(Found::Directory(store)) if args.recursive => {
                hash_tree(&args, name.trim_end_matches('/'), &store, output).await?;
            }
            Ok(Found::Directory(_)) => {
                let message = "this is a directory; hash what is in it with -r";
                output.item_failed(&Error::new(ErrorKind::InvalidInput, message).with_name(name));
            }
            Err(error) => output.item_failed(&error),
        }
    }
    output.conclude()
}

async fn hash_tree(
    args: &Hash,
    name: &str,
    store: &Store,
    output: &mut Output,
) -> std::result::Result<(), Failure> {
    let work = |key: Result<Key>| async {
        let key = key?;
        let sums = store.checksum(&key, &args.algorithm, ReadOptions::new()).await;
        Ok::<_, Error>((key, sums))
    };
    let keys = store.list(&Prefix::root(), ListOptions::new()).objects();
    let mut hashed = keys.map(|object| work(object.map(|o| o.key))).buffered(CONCURRENCY);
    while let Some(done) = hashed.next().await {
        match done {
            Ok((key, sums)) => print(&args.algorithm, &format!("{name}/{key}"), sums, output)?,
            Err(error) if error.scope() == Scope::Entry => output.item_failed(&error),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// One checksum: `hex  name`, as the ordinary tools print and check it. Several: each with its algorithm.
fn print(
    algorithms: &[Algorithm],
    name: &str,
    sums: Result<Checksums>,
    output: &mut Output,
) -> std::io::Result<()> {
    let sums = match sums {
        Ok(sums) => sums,
        Err(error) => {
            output.item_failed(&error);
            return Ok(());
        }
    };
    if output.json {
        let mut map = serde_json::Map::from_iter([("name".to_owned(), name.into())]);
        map.extend(sums.iter().map(|sum| (sum.algorithm().to_string(), sum.to_hex().into())));
        return output.object(&map.into());
    }
    let (mark, name) = one_line(name);
    let shown = output.shown(&name);
    for sum in sums.iter() {
        let text = if algorithms.len() == 1 { sum.to_hex() } else { sum.to_string() };
        output.line(&format!("{mark}{text}  {shown}"))?;
    }
    Ok(())
}

/// A name as the ordinary tools write and read it: one that needs escapes has a backslash before its whole line.
fn one_line(name: &str) -> (&'static str, Cow<'_, str>) {
    if !name.contains(['\\', '\n', '\r']) {
        return ("", name.into());
    }
    ("\\", name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").into())
}

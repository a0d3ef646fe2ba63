//! `haul du`

use std::collections::BTreeMap;

use futures_util::StreamExt;
use storage_core::{Entry, Prefix, Scope};

use crate::args::Du;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};
use crate::show;

#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    objects: u64,
}

pub(crate) async fn du(args: Du, output: &mut Output) -> Result<(), Failure> {
    for text in &args.places {
        let place = Place::parse(text)?;
        let name = text.to_string_lossy().into_owned();
        match place.find(How::default(), Top::Follow).await {
            Ok(Found::Object(_, _, metadata)) => {
                print(&args, &name, Sum { bytes: metadata.size, objects: 1 }, output)?;
            }
            Ok(Found::Directory(store)) => {
                let walk = store.walk(&Prefix::root());
                for (below, sum) in add_up(walk, args.depth, output).await? {
                    let joined = format!("{}/{below}", name.trim_end_matches('/'));
                    print(&args, if below.is_empty() { &name } else { &joined }, sum, output)?;
                }
            }
            Err(error) => output.item_failed(&error),
        }
    }
    output.conclude()
}

/// The sums of the root and of every directory down to `depth`, deepest and first names first, the root last.
async fn add_up(
    mut walk: storage_core::Listing,
    depth: usize,
    output: &mut Output,
) -> Result<Vec<(String, Sum)>, Failure> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::from([(String::new(), Sum::default())]);
    while let Some(entry) = walk.next().await {
        match entry {
            Ok(Entry::Object(object)) => {
                let key = object.key.as_str();
                let parents = key.match_indices('/').take(depth).map(|(at, _)| &key[..=at]);
                for directory in std::iter::once("").chain(parents) {
                    let sum = sums.entry(directory.to_owned()).or_default();
                    sum.bytes += object.metadata.size;
                    sum.objects += 1;
                }
            }
            Ok(Entry::Prefix(d)) if d.prefix.as_str().matches('/').count() <= depth => {
                sums.entry(d.prefix.to_string()).or_default();
            }
            Ok(_) => {}
            Err(error) if error.scope() == Scope::Entry => output.item_failed(&error),
            Err(error) => return Err(error.into()),
        }
    }
    let total = sums.remove_entry("");
    Ok(sums.into_iter().chain(total).collect())
}

fn print(args: &Du, name: &str, sum: Sum, output: &mut Output) -> std::io::Result<()> {
    if output.json {
        return output
            .object(&serde_json::json!({ "name": name, "bytes": sum.bytes, "objects": sum.objects }));
    }
    let (size, objects) = (show::size(sum.bytes, args.bytes), show::count(sum.objects, "file"));
    let name = output.shown(name);
    output.line(&format!("{size:>12}  {objects:>14}  {name}"))
}

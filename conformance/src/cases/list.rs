//! Listings: what they hold, in which order, from where.

use futures_util::{StreamExt, TryStreamExt};
use storage_core::{DeleteTarget, Entry, Error, Key, ListOptions, Prefix, StatOptions, WriteOptions};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{holds, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("list", "LIST-1", "a-prefix-is-bytes", |c| Box::pin(prefixes(c))),
    Case::new("list", "LIST-1", "a-delimiter-gives-one-level", |c| Box::pin(levels(c))),
    Case::new("list", "LIST-1", "an-empty-store-is-empty", |c| Box::pin(empty(c))),
    Case::new("list", "LIST-2", "names-around-the-slash-are-in-order", |c| Box::pin(order(c))),
    Case::new("list", "LIST-2", "start-after-is-exclusive", |c| Box::pin(start_after(c))),
    Case::new("list", "LIST-2", "start-after-in-the-middle-of-a-group", |c| Box::pin(start_after_levels(c))),
    Case::new("list", "LIST-4", "thousands-of-keys", |c| Box::pin(thousands(c))),
    Case::new("list", "LIST-4", "a-dropped-listing-is-over", |c| Box::pin(dropped(c))),
    Case::new("list", "LIST-5", "entries-agree-with-a-stat", |c| Box::pin(agrees(c))),
    Case::new("list", "LIST-6", "what-stands-throughout-comes-once", |c| Box::pin(deleted_meanwhile(c))),
    Case::new("list", "LIST-6", "changes-show-at-once", |c| Box::pin(changes_show(c))),
];

/// Names that sort around `/` and share beginnings; none is an object where another needs a directory.
const NAMES: &[&str] = &[
    "a",
    "a-b",
    "a.txt",
    "a0",
    "ab/c/d",
    "ab/c/e",
    "ab/cc",
    "ab-c/x",
    "ab.c",
    "ab0/x",
    "b/a-b/c",
    "b/a0",
    "b/a/b/c",
    "b/a.b",
    "z/日本/語",
    "é",
];

/// What a listing has to give, by the words of the contract.
fn expected(names: &[&str], prefix: &str, delimiter: Option<char>, after: Option<&str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names.iter().filter(|name| name.starts_with(prefix)) {
        let rest = &name[prefix.len()..];
        let group = delimiter.and_then(|d| rest.find(d).map(|at| prefix.len() + at + d.len_utf8()));
        all.push(name[..group.unwrap_or(name.len())].to_owned());
    }
    all.sort();
    all.dedup();
    all.retain(|name| after.is_none_or(|after| name.as_str() > after));
    all
}

async fn check(
    c: &Context,
    names: &[&str],
    prefix: &str,
    delimiter: Option<char>,
    after: Option<&str>,
) -> Result<(), Failure> {
    let mut options = ListOptions::new();
    if let Some(delimiter) = delimiter {
        options = options.delimiter(delimiter);
    }
    if let Some(after) = after {
        options = options.start_after(after);
    }
    let mut listed = c.names(prefix, options).await?;
    if !c.can.list_sorted {
        listed.sort();
    }
    let what = format!("listing of `{prefix}`, delimiter {delimiter:?}, after {after:?}");
    same(what, listed, expected(names, prefix, delimiter, after))
}

async fn prefixes(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    for prefix in [
        "", "a", "ab", "ab/", "ab/c", "ab/c/", "ab/c/d", "ab/c/d/", "b/a", "z/", "z/日", "é", "no", "A", "/",
        "//",
    ] {
        check(&c, NAMES, prefix, None, None).await?;
    }
    Ok(())
}

async fn levels(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    for delimiter in ['/', '-', 'b', '本'] {
        for prefix in
            ["", "a", "ab", "ab/", "ab/c", "ab/c/", "ab/c/d", "b/", "b/a", "b/a/", "z", "z/", "no", "no/"]
        {
            check(&c, NAMES, prefix, Some(delimiter), None).await?;
        }
    }
    Ok(())
}

async fn empty(c: Context) -> Result<(), Failure> {
    for prefix in ["", "a", "a/", "a/b/c/"] {
        for options in
            [ListOptions::new(), ListOptions::new().delimiter('/'), ListOptions::new().directories(true)]
        {
            same(format!("listing of `{prefix}`"), c.names(prefix, options).await?, [""; 0])?;
        }
    }
    Ok(())
}

/// A directory sorts as if its name ended in `/`: `a-b`, `a/b`, `a0`; and an object `a` may stand beside `a/b`.
async fn order(c: Context) -> Result<(), Failure> {
    let names = [
        "a0",
        "a/b",
        "a-b",
        "a",
        "a!",
        "a/",
        "a.",
        "d/é",
        "d/e\u{301}",
        "d/z",
        "d/Z",
        "d/_",
        "a/-",
        "a/b-",
        "a/b/",
    ];
    let taken = c.fill_possible(&names).await?;
    holds(taken.len() > 8, format!("expected most of {names:?} to be held, got {taken:?}"))?;
    for (prefix, delimiter) in [("", None), ("a", None), ("", Some('/')), ("a/", Some('/')), ("d/", None)] {
        check(&c, &taken, prefix, delimiter, None).await?;
    }
    Ok(())
}

async fn start_after(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    let between =
        ["", " ", "a!", "ab", "ab/", "ab/c", "ab/c/", "ab/c/d\u{1}", "b", "b/a/", "zz", "\u{10ffff}"];
    for after in NAMES.iter().chain(&between) {
        check(&c, NAMES, "", None, Some(after)).await?;
        check(&c, NAMES, "ab/", None, Some(after)).await?;
    }
    Ok(())
}

/// It applies to what is shown: a group comes if its own name sorts after.
async fn start_after_levels(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    for after in NAMES
        .iter()
        .chain(&["ab", "ab/", "ab/c", "ab/c/", "ab/d", "ab0", "b/", "b/a/", "b/a/b/c", "b/a0", "z"])
    {
        check(&c, NAMES, "", Some('/'), Some(after)).await?;
        check(&c, NAMES, "b/a", Some('/'), Some(after)).await?;
    }
    Ok(())
}

/// Writes `count` empty objects, several at a time.
async fn fill_many(c: &Context, count: usize) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = (0..count).map(|n| format!("many/{n:05}")).collect();
    let writes: Vec<_> = names.iter().map(|name| c.put(name, "")).collect();
    futures_util::stream::iter(writes)
        .buffer_unordered(16)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(names)
}

/// More than two pages of a thousand, which most services give.
async fn thousands(c: Context) -> Result<(), Failure> {
    let names = fill_many(&c, 2_050).await?;
    let in_order = |mut listed: Vec<String>| {
        if !c.can.list_sorted {
            listed.sort();
        }
        listed
    };
    let all = in_order(c.names("", ListOptions::new()).await?);
    same("number of keys", all.len(), names.len())?;
    same("first difference", all.iter().zip(&names).find(|(a, b)| a != b), None)?;
    let late = in_order(c.names("many/", ListOptions::new().start_after(names[1_017].as_str())).await?);
    same("number of keys after the 1018th", late.len(), names.len() - 1_018)?;
    same("the first of them", late.first(), Some(&names[1_018]))?;
    same("one level", c.names("", ListOptions::new().delimiter('/')).await?, ["many/"])?;
    let level = in_order(c.names("many/", ListOptions::new().delimiter('/')).await?);
    same("number of keys in the level", level.len(), names.len())
}

async fn dropped(c: Context) -> Result<(), Failure> {
    c.fill(&["a", "b", "c"]).await?;
    for _ in 0..200 {
        let mut listing = c.store.list(&Prefix::root(), ListOptions::new());
        holds(listing.next().await.transpose()?.is_some(), "expected an entry")?;
        drop(listing);
    }
    // What a dropped listing held, a lock or a connection, would be missing now.
    c.put("d", "d").await?;
    same("number of keys", c.names("", ListOptions::new()).await?.len(), 4)
}

async fn agrees(c: Context) -> Result<(), Failure> {
    c.put("empty", "").await?;
    c.write_by(Way::OneShot, "one", c.body(Way::OneShot, 1), WriteOptions::new()).await?;
    c.write_by(Way::Parts, "d/parts", c.body(Way::Parts, 1), WriteOptions::new()).await?;
    c.put("twice", "first, and longer").await?;
    c.put("twice", "second").await?;
    for options in
        [ListOptions::new(), ListOptions::new().delimiter('/'), ListOptions::new().directories(true)]
    {
        let objects = c.entries("", options).await?.into_iter().filter_map(Entry::into_object);
        for object in objects {
            let (key, listed) = (object.key, object.metadata);
            let found = c.store.stat(&key, StatOptions::new()).await?;
            same(format!("size of `{key}`"), listed.size, found.size)?;
            same(format!("kind of `{key}`"), listed.kind, found.kind)?;
            if listed.modified.is_some() {
                same(format!("modification time of `{key}`"), listed.modified, found.modified)?;
            }
            if listed.etag.is_some() {
                same(format!("ETag of `{key}`"), listed.etag, found.etag)?;
            }
        }
    }
    Ok(())
}

async fn deleted_meanwhile(c: Context) -> Result<(), Failure> {
    let names = fill_many(&c, 1_300).await?;
    let mut listing = c.store.list(&Prefix::root(), ListOptions::new());
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let Some(entry) = listing.next().await.transpose()? else { break };
        seen.push(entry.name().to_owned());
    }
    // Deleted: behind, around and far ahead of where the listing stands.
    let deleted: Vec<&String> = names.iter().skip(3).step_by(2).collect();
    let targets: Result<Vec<_>, Error> = deleted.iter().map(|n| Key::new(n).map(DeleteTarget::new)).collect();
    for (_, result) in c.store.delete_all(targets?).await {
        result?;
    }
    while let Some(entry) = listing.next().await.transpose()? {
        seen.push(entry.name().to_owned());
    }
    let total = seen.len();
    seen.sort();
    seen.dedup();
    same("entries that came twice", total - seen.len(), 0)?;
    let missed = names.iter().find(|name| !deleted.contains(name) && seen.binary_search(name).is_err());
    same("a key that stood throughout and did not come", missed, None)
}

async fn changes_show(c: Context) -> Result<(), Failure> {
    for round in 0..5 {
        let name = format!("d{round}/x");
        c.put(&name, "x").await?;
        same("after a write", c.names("", ListOptions::new()).await?, [name.as_str()])?;
        let size = c.entries("", ListOptions::new()).await?.into_iter().find_map(Entry::into_object);
        same("size after a write", size.map(|o| o.metadata.size), Some(1))?;
        c.put(&name, "longer").await?;
        let size = c.entries("", ListOptions::new()).await?.into_iter().find_map(Entry::into_object);
        same("size after an overwrite", size.map(|o| o.metadata.size), Some(6))?;
        c.store.delete(Key::new(&name)?).await?;
        same("after a delete", c.names("", ListOptions::new()).await?, [""; 0])?;
    }
    Ok(())
}

//! Keys are byte-exact, and what a backend cannot hold it refuses.

use storage_core::{
    CopyOptions, DeleteTarget, ErrorKind, Key, ListOptions, MAX_KEY_BYTES, ReadOptions, RenameOptions,
    WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("key", "KEY-1", "slashes-and-dots-round-trip-or-are-refused", |c| {
        Box::pin(each(c, SLASHES_AND_DOTS))
    }),
    Case::new("key", "KEY-1", "spaces-and-controls-round-trip-or-are-refused", |c| {
        Box::pin(each(c, SPACES_AND_CONTROLS))
    }),
    Case::new("key", "KEY-1", "signs-round-trip-or-are-refused", |c| Box::pin(each(c, SIGNS))),
    Case::new("key", "KEY-1", "unicode-round-trips-or-is-refused", |c| Box::pin(each(c, UNICODE))),
    Case::new("key", "KEY-1", "reserved-names-round-trip-or-are-refused", |c| Box::pin(each(c, RESERVED))),
    Case::new("key", "KEY-1", "long-keys-round-trip-or-are-refused", |c| Box::pin(long(c))),
    Case::new("key", "KEY-1", "ordinary-keys-are-held", |c| Box::pin(ordinary(c))),
    Case::new("key", "KEY-1", "twins-are-different-objects", |c| Box::pin(twins(c))),
    Case::new("key", "KEY-2", "a-key-below-an-object-is-held-or-refused", |c| Box::pin(below(c))),
    Case::new("key", "KEY-2", "a-key-above-an-object-is-held-or-refused", |c| Box::pin(above(c))),
];

const SLASHES_AND_DOTS: &[&str] = &[
    "a//b",
    "/a",
    "//a",
    "a/",
    "a//",
    "/",
    "//",
    ".",
    "..",
    "...",
    "./a",
    "../a",
    "a/./b",
    "a/../b",
    "a/..",
    "a/.",
    ".a",
    "a.",
    "a..b",
    "..a",
    "a/b/../../../c",
];
const SPACES_AND_CONTROLS: &[&str] = &[
    " ", " a", "a ", "a  b", "a / b", "a/ ", "\t", "a\tb", "a\nb", "\r\n", "a\u{1}b", "a\u{1f}", "\u{7f}",
    "\u{85}", "\u{a0}a", "\u{2028}",
];
const SIGNS: &[&str] = &[
    "a%2Fb", "a%2fb", "%", "%%", "%zz", "%00", "a%20b", "a+b", "a&b=c", "a?b", "a#b", "a;b", "a:b", "a@b",
    "a=b", "a,b", "!", "'", "\"", "`", "$HOME", "~", "~/a", "a\\b", "\\", "C:\\a", "*", "a*", "[a]", "{a}",
    "(a)", "<a>", "|", "^", "&amp;", "-rf", "--", "_",
];
const UNICODE: &[&str] = &[
    "\u{e9}",
    "e\u{301}",
    "日本語",
    "\u{1f980}",
    "\u{feff}a",
    "\u{202e}a",
    "\u{200b}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{212a}",
    "ß",
    "İ",
    "\u{1100}\u{1161}\u{11a8}",
];
const RESERVED: &[&str] = &[
    "con",
    "NUL",
    "aux.txt",
    "com1",
    "a.tmp",
    ".haul",
    ".haul-1.tmp",
    ".DS_Store",
    "index.html",
    "null",
    "undefined",
    "$Recycle.Bin",
    "lost+found",
    "a.lock",
    "0",
    "-0",
    "1e3",
    "true",
];

/// Tries every name on the same store, one after the other.
async fn each(c: Context, names: &[&str]) -> Result<(), Failure> {
    for name in names {
        round_trip_or_refusal(&c, name).await?;
    }
    Ok(())
}

async fn long(c: Context) -> Result<(), Failure> {
    let longest = MAX_KEY_BYTES - c.store.prefix().as_str().len();
    let mut names = vec![
        "x".repeat(255),
        "x".repeat(256),
        "é".repeat(127),
        "é".repeat(128),
        "x".repeat(longest),
        "d/".repeat(longest / 2 - 1) + "x",
        "x".repeat(MAX_KEY_BYTES),
    ];
    names.push(format!("{}/{}", "y".repeat(200), "x".repeat(longest - 201)));
    for name in names {
        round_trip_or_refusal(&c, &name).await?;
    }
    Ok(())
}

/// Every operation takes the key byte for byte, or every operation refuses it and nothing was written.
async fn round_trip_or_refusal(c: &Context, name: &str) -> Result<(), Failure> {
    match c.put(name, name.to_owned()).await {
        Ok(_) => round_trip(c, name).await,
        Err(error) => refused(c, name, error.kind()).await,
    }
}

async fn round_trip(c: &Context, name: &str) -> Result<(), Failure> {
    let key = Key::new(name)?;
    c.contains(name, name.as_bytes()).await?;
    same(format!("size of {name:?}"), c.stat(name).await?.size, name.len() as u64)?;
    same(format!("listing of {name:?}"), c.names("", ListOptions::new()).await?, [name])?;
    same(format!("listing below {name:?} itself"), c.names(name, ListOptions::new()).await?, [name])?;
    c.store.delete(key).await?;
    c.lacks(name).await?;
    same(format!("listing after {name:?} was deleted"), c.names("", ListOptions::new()).await?, [""; 0])
}

async fn refused(c: &Context, name: &str, kind: ErrorKind) -> Result<(), Failure> {
    same(format!("write of {name:?} is refused as"), kind, ErrorKind::InvalidKey)?;
    let (key, invalid) = (Key::new(name)?, ErrorKind::InvalidKey);
    let error = fails(format!("read of {name:?}"), c.get(name).await, invalid)?;
    same("the key that the error names", error.key(), Some(name))?;
    holds(!error.message().is_empty(), format!("expected a reason why {name:?} is refused"))?;
    fails(format!("stat of {name:?}"), c.stat(name).await, invalid)?;
    fails(format!("delete of {name:?}"), c.store.delete(key.clone()).await, invalid)?;
    same(format!("whether {name:?} exists"), c.store.exists(&key).await?, false)?;
    let by_parts = c.write_by(Way::Parts, name, c.body(Way::Parts, 1), WriteOptions::new()).await;
    fails(format!("write of {name:?} in parts"), by_parts, invalid)?;
    let left = c.names("", ListOptions::new().directories(true)).await?;
    same(format!("listing after {name:?} was refused"), left, [""; 0])?;
    c.nothing_left_over().await
}

/// A store that refused everything would pass the cases above.
async fn ordinary(c: Context) -> Result<(), Failure> {
    let deep = format!("{}x", "d/".repeat(40));
    for name in ["a", "a.txt", "dir/a", "dir/sub dir/a-b_c.d", "UPPER", "2026-11-20T10.tar.gz", deep.as_str()]
    {
        c.put(name, name.to_owned()).await?;
        round_trip(&c, name).await?;
        if c.can.directories {
            // A real directory may outlive its last object; the next name starts from an empty store again.
            for at in name.rmatch_indices('/').map(|(at, _)| at) {
                c.store.remove_dir(&storage_core::Prefix::new(&name[..=at])?).await?;
            }
        }
    }
    Ok(())
}

/// Names that a fold, a normalisation or a decoding would make the same.
async fn twins(c: Context) -> Result<(), Failure> {
    let groups: [&[&str]; 9] = [
        &["é", "e\u{301}"],
        &["name", "NAME", "Name"],
        &["a b", "a+b", "a%20b", "a%2520b"],
        &["d/b", "d%2Fb", "d%2fb", "d\\b"],
        &["a", "a ", " a", "a.", "a\n"],
        &["d/b", "d//b", "d/./b", "/d/b", "d/b/"],
        &["ß", "ss", "SS"],
        &["\u{fb01}", "fi"],
        &["\u{212a}", "k", "K"],
    ];
    for (at, group) in groups.iter().enumerate() {
        let names: Vec<String> = group.iter().map(|name| format!("{at}/{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut taken = c.fill_possible(&names).await?;
        for name in &taken {
            c.contains(name, name.as_bytes()).await?;
        }
        holds(!taken.is_empty(), format!("expected at least one of {group:?} to be held"))?;
        let gone = taken.remove(0);
        c.store.delete(Key::new(gone)?).await?;
        let mut left = c.names(&format!("{at}/"), ListOptions::new()).await?;
        left.sort();
        same(format!("twins left after {gone:?} was deleted"), left, taken)?;
    }
    Ok(())
}

/// `d` is an object; is there a `d/x`?
async fn below(c: Context) -> Result<(), Failure> {
    c.fill(&["d", "source"]).await?;
    fits_or_not(&c, "d/x", "d").await
}

/// `d/x` is an object; is there a `d`?
async fn above(c: Context) -> Result<(), Failure> {
    c.fill(&["d/x", "source"]).await?;
    fits_or_not(&c, "d", "d/x").await
}

/// Every way to make `name` works, or every way is refused; `there` stands in any case.
async fn fits_or_not(c: &Context, name: &str, there: &str) -> Result<(), Failure> {
    let (key, source) = (Key::new(name)?, Key::new("source")?);
    let mut verdicts = Vec::new();
    for way in Way::BOTH {
        let result = c.write_by(way, name, c.body(way, 1), WriteOptions::new()).await.map(drop);
        verdicts.push((format!("write by {way:?}"), result));
        c.store.delete_all([DeleteTarget::new(key.clone())]).await;
    }
    verdicts.push(("copy".into(), c.store.copy(&source, &key, CopyOptions::new()).await.map(drop)));
    c.store.delete_all([DeleteTarget::new(key.clone())]).await;
    verdicts.push(("rename".into(), c.store.rename(&source, &key, RenameOptions::new()).await));
    let held = verdicts[0].1.is_ok();
    for (what, verdict) in verdicts {
        match verdict {
            Ok(()) => holds(held, format!("expected {what} of `{name}` to be refused as others are"))?,
            Err(error) if !held && error.kind() == ErrorKind::InvalidKey => {}
            Err(error) => {
                return Err(Failure::new(format!("{what} of `{name}` beside `{there}`: {error}")));
            }
        }
    }
    c.contains(there, there.as_bytes()).await?;
    let moved = if held { name } else { "source" };
    let content = c.store.read(&Key::new(moved)?, ReadOptions::new()).await?.bytes;
    same(format!("content of `{moved}`"), &content[..], b"source".as_slice())?;
    let mut left = c.names("", ListOptions::new()).await?;
    left.sort();
    let mut expected = [there, moved];
    expected.sort_unstable();
    same("all keys", left, expected)
}

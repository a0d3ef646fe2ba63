//! Walks and globs.

use futures_util::TryStreamExt;
use storage_core::{Error, Listing, Pattern, Prefix};

use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same};
use crate::failure::Failure;

pub(crate) const CASES: &[Case] = &[
    Case::new("walk", "LIST-7", "a-directory-comes-once-before-its-content", |c| Box::pin(walk(c))),
    Case::new("walk", "LIST-7", "a-walk-below-a-prefix", |c| Box::pin(walk_below(c))),
    Case::new("walk", "LIST-7", "a-glob-gives-what-matches", |c| Box::pin(glob(c))),
];

const NAMES: &[&str] =
    &["a-b/x", "a/b/c/x", "a/b/y", "a/z", "a0", "b.txt", "logs/1.gz", "logs/2026/2.gz", "logs/2026/3.txt"];

async fn names(listing: Listing) -> Result<Vec<String>, Error> {
    listing.map_ok(|entry| entry.name().to_owned()).try_collect().await
}

async fn walk(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    let walked = names(c.store.walk(&Prefix::root())).await?;
    let mut expected: Vec<&str> = NAMES.to_vec();
    expected.extend(["a-b/", "a/", "a/b/", "a/b/c/", "logs/", "logs/2026/"]);
    check(&walked, expected)
}

async fn walk_below(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    let below = |prefix: &str| Prefix::new(prefix).map(|prefix| names(c.store.walk(&prefix)));
    check(&below("a/")?.await?, vec!["a/b/", "a/b/c/", "a/b/c/x", "a/b/y", "a/z"])?;
    check(&below("logs/2")?.await?, vec!["logs/2026/", "logs/2026/2.gz", "logs/2026/3.txt"])?;
    check(&below("none/")?.await?, vec![])
}

fn check(walked: &[String], mut expected: Vec<&str>) -> Result<(), Failure> {
    for (at, name) in walked.iter().enumerate() {
        let parents = name.match_indices('/').map(|(slash, _)| &name[..=slash]).filter(|p| p != name);
        for parent in parents {
            let late = walked[at..].iter().any(|later| later == parent);
            holds(!late, format!("expected `{parent}` before `{name}`, got {walked:?}"))?;
        }
    }
    let mut sorted: Vec<&str> = walked.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    expected.sort_unstable();
    same("all that was walked", sorted, expected)
}

async fn glob(c: Context) -> Result<(), Failure> {
    c.fill(NAMES).await?;
    let cases: [(&str, &[&str]); 9] = [
        ("*", &["a0", "b.txt"]),
        ("**", NAMES),
        ("logs/*.gz", &["logs/1.gz"]),
        ("logs/**/*.gz", &["logs/1.gz", "logs/2026/2.gz"]),
        ("**/x", &["a-b/x", "a/b/c/x"]),
        ("a?", &["a0"]),
        ("{a,b}*", &["a0", "b.txt"]),
        ("a/z", &["a/z"]),
        ("none/*", &[]),
    ];
    for (pattern, expected) in cases {
        let mut found = names(c.store.glob(&Pattern::new(pattern)?)).await?;
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        same(format!("glob of `{pattern}`"), found, expected)?;
    }
    Ok(())
}

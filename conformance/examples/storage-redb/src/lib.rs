#![doc = include_str!("../README.md")]

mod backend;
mod error;
mod file;
mod list;
mod read;
mod record;
mod table;
mod upload;

use std::sync::Arc;

use storage_core::{Error, ErrorKind, Location, Opened, OptionSpec, Options, Prefix, Provider, Result};

pub use backend::Redb;

/// Opens `redb:///path/to/file.redb/prefix`.
pub const PROVIDER: Provider = Provider {
    name: "redb",
    description: "one file of the embedded database redb",
    schemes: &["redb"],
    options: &[OptionSpec {
        name: "cache_mib",
        help: "how many MiB of the file to keep in memory; redb's own choice by default",
        secret: false,
    }],
    open: |location: Location, options: Options| {
        Box::pin(async move {
            let (path, prefix) = split(&location)?;
            let backend = Redb::open_with(path.into(), cache_bytes(&options)?).await?;
            Ok(Opened { backend: Arc::new(backend), prefix })
        })
    },
};

/// The file, whose name ends in `.redb`, and the directory in it.
fn split(location: &Location) -> Result<(String, Prefix)> {
    let wrong =
        || Error::new(ErrorKind::InvalidConfig, "a URL looks like `redb:///path/to/file.redb/prefix`");
    if !location.authority().is_empty() {
        return Err(wrong());
    }
    let path = format!("/{}/", location.path().trim_end_matches('/'));
    let end = path.find(".redb/").ok_or_else(wrong)? + ".redb".len();
    Ok((path[..end].to_owned(), Prefix::new(&path[end + 1..])?))
}

fn cache_bytes(options: &Options) -> Result<Option<usize>> {
    let Some(text) = options.get("cache_mib") else { return Ok(None) };
    let bytes = text.parse::<usize>().ok().and_then(|mib| mib.checked_mul(1 << 20));
    let wrong =
        || Error::new(ErrorKind::InvalidConfig, format!("option `cache_mib` is `{text}`; it takes a number"));
    bytes.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use storage_core::Location;

    #[test]
    fn urls() {
        let check = |url: &str, expect: Option<(&str, &str)>| {
            let split = super::split(&Location::parse(url).expect("a URL")).ok();
            let split = split.as_ref().map(|(path, prefix)| (path.as_str(), prefix.as_str()));
            assert_eq!(split, expect, "{url}");
        };
        check("redb:///a/b.redb", Some(("/a/b.redb", "")));
        check("redb:///a/b.redb/", Some(("/a/b.redb", "")));
        check("redb:///a/b.redb/c/d", Some(("/a/b.redb", "c/d/")));
        check("redb:///a/b", None);
        check("redb://a/b.redb", None);
    }
}

//! `haul glob`

use std::ffi::OsString;

use futures_util::StreamExt;
use storage_core::{Location, Pattern, Scope};

use crate::args::{Glob, Links};
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::show;

pub(crate) async fn glob(args: Glob, output: &mut Output) -> Result<(), Failure> {
    let (base, pattern) = split(&args.pattern);
    let store = Place::parse(&OsString::from(if base.is_empty() { "." } else { base }))?
        .open(How::links(Links::Preserve))
        .await?;
    let mut found = store.glob(&Pattern::new(pattern)?);
    while let Some(entry) = found.next().await {
        match entry {
            Ok(entry) if output.json => output.object(&show::entry(&entry))?,
            Ok(entry) => {
                output.name(&format!("{base}{}", entry.name()), if args.null { 0 } else { b'\n' })?;
            }
            Err(error) if error.scope() == Scope::Entry => output.item_failed(&error),
            Err(error) => return Err(error.into()),
        }
    }
    output.conclude()
}

/// The directory before the first special character, with its `/`, and the pattern in it.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let start = if Location::is_url(text) { text.find("://").map_or(0, |at| at + 3) } else { 0 };
    let special = text[start..].find(['*', '?', '[', '{', '\\']).map_or(text.len(), |at| start + at);
    match text[start..special].rfind('/') {
        Some(slash) => text.split_at(start + slash + 1),
        None => text.split_at(start),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn base_and_pattern() {
        assert_eq!(split("a/b/*.rs"), ("a/b/", "*.rs"));
        assert_eq!(split("**/x"), ("", "**/x"));
        assert_eq!(split("/a*/b"), ("/", "a*/b"));
        assert_eq!(split("file:///a/b*"), ("file:///a/", "b*"));
        assert_eq!(split("plain"), ("", "plain"));
    }
}

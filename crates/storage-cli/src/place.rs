//! Where an argument points: a path of this machine, or a URL.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use futures_util::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use storage_core::{
    Error, ErrorKind, Key, ListOptions, Location, Metadata, Operation, Options, Prefix, Result, StatOptions,
    Store,
};

use crate::args::Links;
use crate::backends::registry;
use crate::config::{ConfigFile, Session};
use crate::remote::Remote;

/// A path stays readable in a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// A place as the user wrote it.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On this machine.
    Path(PathBuf),
    /// Anywhere.
    Url(Remote),
}

/// What stands at a place.
pub(crate) enum Found {
    /// An object, in the store around it.
    Object(Store, Key, Box<Metadata>),
    /// A directory, as a store of its own.
    Directory(Store),
}

/// What a link is that the user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    /// What it points to, if that exists.
    Follow,
    /// The link itself.
    Itself,
}

/// How a local directory is opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    pub(crate) links: Links,
    pub(crate) create: bool,
    pub(crate) no_fsync: bool,
    pub(crate) sparse: bool,
    pub(crate) direct: bool,
}

impl How {
    pub(crate) fn links(links: Links) -> Self {
        Self { links, ..Self::default() }
    }

    fn options(self) -> Options {
        let links = match self.links {
            Links::Follow => "follow",
            Links::Preserve => "preserve",
            Links::Skip => "skip",
        };
        let text = |flag: bool| if flag { "true" } else { "false" };
        Options::new()
            .set("symlinks", links)
            .set("create", text(self.create))
            .set("fsync", text(!self.no_fsync))
            .set("sparse", text(self.sparse))
            .set("direct", text(self.direct))
    }
}

impl Place {
    pub(crate) fn parse(text: &OsString) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "an empty path names nothing"));
        }
        match text.to_str() {
            Some(url) if Location::is_url(url) => Self::of_url(url),
            Some(named) => Self::named(named),
            None => Ok(Self::Path(PathBuf::from(text))),
        }
    }

    /// `profile:path`, or a path. A profile goes first: a file of that name must not take what was meant for the profile.
    fn named(text: &str) -> Result<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // One letter is a drive of another system, and nothing before the colon is no name.
        let Some((name, path)) = text.split_once(':').filter(|(n, _)| n.len() > 1 && n.bytes().all(plain))
        else {
            return Ok(Self::Path(PathBuf::from(text)));
        };
        let Some((url, options)) = Session::profile(name, path)? else {
            if Path::new(text).symlink_metadata().is_ok() {
                return Ok(Self::Path(PathBuf::from(text)));
            }
            let hint = Session::near(name)?;
            let message = format!("no profile is called `{name}`{hint}; for a path write `./{text}`");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        };
        if !Location::is_url(&url) {
            return Ok(Self::Path(PathBuf::from(url)));
        }
        match Self::of_url(&url)? {
            Self::Url(remote) => {
                Remote::of_profile(name, path, remote.location().clone(), &options).map(Self::Url)
            }
            path => Ok(path),
        }
    }

    fn of_url(url: &str) -> Result<Self> {
        let location = Location::parse(url)?;
        if registry().provider(location.scheme()).is_err()
            && ConfigFile::load().is_ok_and(|file| file.names().any(|name| name == location.scheme()))
        {
            let name = location.scheme();
            let message = format!("`{name}` is a profile, no kind of URL; write `{name}:PATH`");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        if location.scheme() == "file" && matches!(location.authority(), "" | "localhost") {
            let bytes: Vec<u8> = percent_encoding::percent_decode_str(location.path()).collect();
            return Ok(Self::Path(Path::new("/").join(OsString::from_vec(bytes))));
        }
        Remote::new(location).map(Self::Url)
    }

    /// The place as a user reads it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Url(remote) => remote.shown(),
        }
    }

    /// The place as no other is called, however it was written.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Path(path) => real(path).display().to_string(),
            Self::Url(remote) => remote.identity(),
        }
    }

    /// The last segment: the name that a copy of it gets.
    pub(crate) fn base_name(&self) -> Result<String> {
        let name = match self {
            Self::Path(path) => match path.file_name() {
                Some(name) => Some(name.to_owned()),
                None => std::fs::canonicalize(path).ok().and_then(|p| p.file_name().map(OsString::from)),
            },
            Self::Url(remote) => {
                remote.location().path().trim_end_matches('/').rsplit('/').next().map(OsString::from)
            }
        };
        name.and_then(|n| n.into_string().ok()).filter(|n| !n.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "this place has no name of its own").with_name(self.shown())
        })
    }

    /// A place below this one.
    pub(crate) fn join(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.join(name)),
            Self::Url(remote) => {
                let path = remote.location().path().trim_end_matches('/');
                let joined = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                Self::Url(remote.at(joined))
            }
        }
    }

    /// A place beside this one, with this behind a dot at the end of its name.
    pub(crate) fn beside(&self, extension: &str) -> Self {
        match self {
            Self::Path(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(format!(".{extension}"));
                Self::Path(name.into())
            }
            Self::Url(remote) => Self::Url(remote.at(format!("{}.{extension}", remote.location().path()))),
        }
    }

    /// Opens the directory at this place.
    pub(crate) async fn open(&self, how: How) -> Result<Store> {
        match self {
            Self::Path(path) => {
                let opened = registry().open_location(local(path)?, how.options()).await;
                opened.map(|store| Session::traffic().local(&store))
            }
            Self::Url(remote) => remote.open().await,
        }
        .map_err(|e| e.with_name(self.shown()))
    }

    /// Opens the store around the object at this place, which need not exist. The directory of a local one is followed
    /// through links, as the user's own shell would.
    pub(crate) async fn open_object(&self, how: How) -> Result<(Store, Key)> {
        match self {
            Self::Path(path) => {
                let (parent, name) = split(path)?;
                let store = Self::Path(parent).open(how).await?;
                Ok((store, name))
            }
            Self::Url(remote) => remote.open_object().await.map_err(|e| e.with_name(self.shown())),
        }
    }

    /// Finds out what stands here. A local link leads to what it points to, unless `top` says otherwise.
    pub(crate) async fn find(&self, how: How, top: Top) -> Result<Found> {
        if let Self::Path(path) = self {
            let found = match path.metadata() {
                Ok(found) if top == Top::Follow => found,
                _ => path.symlink_metadata().map_err(|e| local_error(&e, path))?,
            };
            if found.is_dir() {
                return Ok(Found::Directory(self.open(how).await?));
            }
            let itself = found.is_symlink();
            let real = if itself { None } else { std::fs::canonicalize(path).ok() };
            let how = if itself { How { links: Links::Preserve, ..how } } else { how };
            let found = Self::Path(real.unwrap_or_else(|| path.clone())).find_object(how).await;
            return found.map_err(|e| e.renamed(self.shown()));
        }
        let path = match self {
            Self::Url(remote) => remote.location().path(),
            Self::Path(_) => "",
        };
        // Who writes a slash at the end means a directory, even where some tool left an object of that name to mark it.
        if path.ends_with('/') {
            let store = self.open(how).await?;
            if holds_something(&store).await? {
                return Ok(Found::Directory(store));
            }
        }
        match self.find_object(how).await {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                let store = self.open(how).await?;
                // Where directories are but names, one with nothing in it is a name mistyped. The root is always there.
                if path.is_empty() || holds_something(&store).await? {
                    return Ok(Found::Directory(store));
                }
                Err(Error::new(ErrorKind::NotFound, "there is nothing of this name").with_name(self.shown()))
            }
            found => found,
        }
    }

    async fn find_object(&self, how: How) -> Result<Found> {
        let (store, key) = self.open_object(how).await?;
        let metadata = store.stat(&key, StatOptions::new()).await?;
        Ok(Found::Object(store, key, Box::new(metadata)))
    }

    /// Whether a directory stands here.
    pub(crate) async fn is_directory(&self) -> bool {
        match self {
            Self::Path(path) => path.is_dir(),
            Self::Url(remote) => {
                let path = remote.location().path();
                path.is_empty() || path.ends_with('/')
            }
        }
    }

    /// Opens the directory here, and says whether it had to be made. One that is made lets nobody in whom the one at
    /// `like` keeps out, before anything is in it.
    pub(crate) async fn open_or_make(&self, like: &Self, how: How) -> Result<(Store, bool)> {
        let made = how.create && matches!(self, Self::Path(path) if path.symlink_metadata().is_err());
        let store = self.open(how).await?;
        if let (true, Self::Path(to), Self::Path(from)) = (made, self, like) {
            let mode = from.metadata().map_err(|e| local_error(&e, from))?.mode() & 0o7777 | 0o700;
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(to, mode).map_err(|e| local_error(&e, to))?;
        }
        Ok((store, made))
    }

    /// Gives the directory here the permissions, the time and, if `owner`, the owner of the one at `other`: a store tells
    /// what is in it, not what its root is like. Only what both are on this machine has such.
    pub(crate) fn become_like(&self, other: &Self, owner: bool) -> Result<()> {
        let (Self::Path(to), Self::Path(from)) = (self, other) else { return Ok(()) };
        let become_like = || {
            let (found, directory) = (from.metadata()?, std::fs::File::open(to)?);
            if owner {
                std::os::unix::fs::fchown(&directory, Some(found.uid()), Some(found.gid()))?;
            }
            directory.set_permissions(found.permissions())?;
            directory.set_modified(found.modified()?)
        };
        become_like().map_err(|e: std::io::Error| local_error(&e, to).with_operation(Operation::Update))
    }

    /// Whether this and `other` are one place or one contains the other, as far as names tell.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(one), Self::Path(other)) => {
                let (one, other) = (real(one), real(other));
                one.starts_with(&other) || other.starts_with(&one)
            }
            (Self::Url(one), Self::Url(other)) => {
                let directory = |r: &Remote| Prefix::directory(r.location().path()).map(|p| p.to_string());
                let (Ok(a), Ok(b)) = (directory(one), directory(other)) else { return false };
                one.shares_store(other) && (a.starts_with(&b) || b.starts_with(&a))
            }
            _ => false,
        }
    }
}

/// Whether anything is in a store.
pub(crate) async fn holds_something(store: &Store) -> Result<bool> {
    store
        .list(&Prefix::root(), ListOptions::new().delimiter('/'))
        .next()
        .await
        .transpose()
        .map(|e| e.is_some())
}

/// The path with all links resolved, as far as it exists. What does not exist is no link, so its `..` are plain names.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            other => real.push(other),
        }
        real = std::fs::canonicalize(&real).unwrap_or(real);
    }
    real
}

/// A local path as the URL that the file provider takes.
fn local(path: &Path) -> Result<Location> {
    let absolute = std::path::absolute(path).map_err(|e| local_error(&e, path))?;
    let encoded = percent_encode(absolute.as_os_str().as_bytes(), PATH).to_string();
    Ok(Location::new("file", "", encoded.trim_start_matches('/')))
}

/// The directory of a path, and the name in it.
fn split(path: &Path) -> Result<(PathBuf, Key)> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        let message = "the path does not end in a name that is UTF-8";
        Error::new(ErrorKind::InvalidInput, message).with_name(path.display().to_string())
    })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((parent, Key::new(name)?))
}

fn local_error(error: &std::io::Error, path: &Path) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::NotADirectory => ErrorKind::NotFound,
        _ => ErrorKind::Other,
    };
    Error::new(kind, "").with_name(path.display().to_string()).with_source(std::io::Error::from(
        rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO),
    ))
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn overlap() {
        let check = |one: &str, other: &str, expect: bool| {
            let place = |text: &str| Place::parse(&text.into()).expect("a place");
            assert_eq!(place(one).overlaps(&place(other)), expect, "{one} {other}");
            assert_eq!(place(other).overlaps(&place(one)), expect, "{other} {one}");
        };
        check("/no/such/a", "/no/such/a", true);
        check("/no/such/a", "/no/such/a/b", true);
        check("/no/such/a", "/no/such/ab", false);
        check("/no/such/a", "/no/such/b/../a/c", true);
        check("/no/such/a", "file:///no/such/a/b", true);
        check("s3://b/a", "s3://b/a/c", true);
        check("s3://b/a", "s3://b/ab", false);
        check("s3://b/a", "s3://c/a", false);
    }
}

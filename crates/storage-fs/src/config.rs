//! How a root directory is opened.

use std::path::PathBuf;

use storage_core::{Error, ErrorKind, Location, Options, Result};

/// What a symbolic link is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// What it points to, as long as that lies under the root. A link that dangles, loops or leads outside is an
    /// error of its entry.
    #[default]
    Follow,
    /// An object of its own, of kind `Symlink`, whose content is its target.
    Preserve,
    /// Nothing: links are neither listed nor read.
    Skip,
}

/// How a root directory is opened.
///
/// ```
/// use storage_fs::{Config, Fs, Symlinks};
///
/// # fn main() -> storage_core::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("data");
/// let backend = Fs::open(Config::new(path).create(true).symlinks(Symlinks::Preserve))?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) root: PathBuf,
    pub(crate) symlinks: Symlinks,
    pub(crate) fsync: bool,
    pub(crate) create: bool,
    pub(crate) sparse: bool,
    pub(crate) direct: bool,
}

impl Config {
    /// The directory at `root`, which must exist; links are followed, writes are synced.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            symlinks: Symlinks::default(),
            fsync: true,
            create: false,
            sparse: false,
            direct: false,
        }
    }

    /// Sets what a symbolic link is.
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.symlinks = symlinks;
        self
    }

    /// Sets whether a write is on stable storage, file and directory both, before it is acknowledged. Without it, an
    /// acknowledged write lasts as long as the system runs.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.fsync = fsync;
        self
    }

    /// Sets whether a missing root is made, with its parents.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets whether long runs of zeros are left out as holes, which read as zeros and take no space.
    pub fn sparse(mut self, sparse: bool) -> Self {
        self.sparse = sparse;
        self
    }

    /// Sets whether files of 16 MiB and more are read and written past the page cache (`O_DIRECT`), where the volume can: what
    /// passes once then pushes nothing out that others use, and a verified write is read back from the device itself. Mostly
    /// slower for a single copy. Where holes are asked for (`sparse`), writes take the cache.
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    pub(crate) fn from_location(location: &Location, options: &Options) -> Result<Self> {
        if !matches!(location.authority(), "" | "localhost") {
            let message = format!(
                "a file URL names no host, but this one names `{}`; write file:///path for an absolute path",
                location.authority()
            );
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        let choices =
            [("follow", Symlinks::Follow), ("preserve", Symlinks::Preserve), ("skip", Symlinks::Skip)];
        Ok(Self::new(decode_path(location.path()))
            .symlinks(options.choice("symlinks", &choices, Symlinks::default())?)
            .fsync(options.flag("fsync", true)?)
            .create(options.flag("create", false)?)
            .sparse(options.flag("sparse", false)?)
            .direct(options.flag("direct", false)?))
    }
}

/// The path of a file URL, which is percent-encoded (RFC 8089) and may encode bytes that are not UTF-8.
fn decode_path(path: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let mut absolute = std::ffi::OsString::from("/");
    absolute.push(std::ffi::OsString::from_vec(bytes));
    absolute.into()
}

#[cfg(test)]
mod tests {
    use super::{Config, Symlinks};
    use storage_core::{Location, Options};

    #[test]
    fn urls() {
        let check = |url: &str, expect: Option<&str>| {
            let config = Location::parse(url).and_then(|l| Config::from_location(&l, &Options::new()));
            assert_eq!(config.ok().map(|c| c.root).as_deref(), expect.map(std::path::Path::new), "{url}");
        };
        check("file:///a/b", Some("/a/b"));
        check("file:///a%20b/%25", Some("/a b/%"));
        check("file://localhost/a", Some("/a"));
        check("file://a/b", None);
    }

    #[test]
    fn options() {
        let location = Location::parse("file:///a").expect("a URL");
        let config = Config::from_location(&location, &Options::new().set("symlinks", "preserve"));
        assert_eq!(config.expect("valid").symlinks, Symlinks::Preserve);
        let wrong = Config::from_location(&location, &Options::new().set("fsync", "maybe"));
        assert!(wrong.expect_err("no flag").to_string().contains("it takes true, false"));
    }
}

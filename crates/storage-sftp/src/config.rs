//! How a directory on another machine is opened.

use std::path::PathBuf;
use std::time::Duration;

use storage_core::{Error, ErrorKind, Location, Options, Result};

/// Which host keys are taken.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeys {
    /// Those that ssh knows.
    #[default]
    Known,
    /// Those of hosts never met too, which are then known. A changed one is refused.
    AcceptNew,
}

/// What a symbolic link is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// What it leads to, if that is a file under the root. A link that dangles, leads outside or to a directory is an
    /// error of its entry.
    #[default]
    Follow,
    /// Nothing: links are neither listed nor read.
    Skip,
}

/// How a directory on another machine is opened.
///
/// ```
/// use storage_sftp::{Config, HostKeys};
///
/// let config = Config::new("backup.example.org", "/srv/data").user("me").host_keys(HostKeys::AcceptNew);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) host: String,
    pub(crate) root: String,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) ssh_config: Option<PathBuf>,
    pub(crate) identity_file: Option<PathBuf>,
    pub(crate) host_keys: HostKeys,
    pub(crate) connect_timeout: Duration,
    pub(crate) sessions: usize,
    pub(crate) fsync: bool,
    pub(crate) symlinks: Symlinks,
    pub(crate) cleanup_age: Duration,
}

impl Config {
    /// The directory `root` on `host`, a name or alias that ssh knows. A root that begins with `~/` or has no `/` in
    /// front lies in the home directory there. It need not exist: the first write makes it.
    pub fn new(host: impl Into<String>, root: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            root: root.into(),
            user: None,
            port: None,
            ssh_config: None,
            identity_file: None,
            host_keys: HostKeys::default(),
            connect_timeout: Duration::from_secs(10),
            sessions: 4,
            fsync: true,
            symlinks: Symlinks::default(),
            cleanup_age: Duration::from_secs(24 * 3600),
        }
    }

    /// Sets the user; by default ssh's own choice.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the port; by default ssh's own choice.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the configuration file of ssh, in place of its own.
    pub fn ssh_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.ssh_config = Some(path.into());
        self
    }

    /// Sets the private key, in place of ssh's own choice.
    pub fn identity_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity_file = Some(path.into());
        self
    }

    /// Sets which host keys are taken.
    pub fn host_keys(mut self, keys: HostKeys) -> Self {
        self.host_keys = keys;
        self
    }

    /// Sets how long a connection may take to stand, with everything that ssh does before the first answer.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the most connections side by side.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions.max(1);
        self
    }

    /// Sets whether the content of a write is on the server's stable storage before it is acknowledged.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.fsync = fsync;
        self
    }

    /// Sets what a symbolic link is.
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.symlinks = symlinks;
        self
    }

    /// Sets after how long without a new byte an unfinished write of somebody else counts as left behind.
    pub fn cleanup_age(mut self, age: Duration) -> Self {
        self.cleanup_age = age;
        self
    }

    pub(crate) fn from_location(location: &Location, options: &Options) -> Result<Self> {
        let (user, host) = match location.authority().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, location.authority()),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(invalid(
                "a password has no place in a URL; ssh uses keys, an agent or its own configuration",
            ));
        }
        let (host, port) = host_and_port(host)?;
        let root = match location.path() {
            home if home == "~" || home.starts_with("~/") => home.to_owned(),
            path => format!("/{path}"),
        };
        let mut config = Self::new(check_name(host)?, root);
        config.user = user.map(check_name).transpose()?.map(str::to_owned);
        config.port = port;
        config.ssh_config = options.get("ssh_config").map(PathBuf::from);
        config.identity_file = options.get("identity_file").map(PathBuf::from);
        let keys = [("known", HostKeys::Known), ("accept-new", HostKeys::AcceptNew)];
        config.host_keys = options.choice("host_keys", &keys, HostKeys::Known)?;
        config.connect_timeout = options.duration("connect_timeout")?.unwrap_or(config.connect_timeout);
        let sessions = options.number("sessions")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        config = config.sessions(sessions.unwrap_or(4));
        config.fsync = options.flag("fsync", true)?;
        let links = [("follow", Symlinks::Follow), ("skip", Symlinks::Skip)];
        config.symlinks = options.choice("symlinks", &links, Symlinks::Follow)?;
        config.cleanup_age = options.duration("cleanup_age")?.unwrap_or(config.cleanup_age);
        Ok(config)
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>)> {
    let number = |port: &str| {
        port.parse().map(Some).map_err(|_| invalid("the port of an SFTP URL is a number up to 65535"))
    };
    // An address of IPv6 stands in brackets.
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Ok((host, rest.strip_prefix(':').map_or(Ok(None), number)?));
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((host, number(port)?)),
        None => Ok((text, None)),
    }
}

/// A name goes to ssh as an argument: none may look like an option.
fn check_name(name: &str) -> Result<&str> {
    if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
        return Err(invalid("an SFTP URL is `sftp://user@host:port/path`"));
    }
    Ok(name)
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::Config;
    use storage_core::{Location, Options};

    #[test]
    fn urls() {
        let open = |url: &str| {
            let config =
                Config::from_location(&Location::parse(url).expect("a URL"), &Options::new()).ok()?;
            Some((config.user.unwrap_or_default(), config.host, config.port, config.root))
        };
        let some =
            |user: &str, host: &str, port, root: &str| Some((user.into(), host.into(), port, root.into()));
        assert_eq!(open("sftp://me@h:22/a/b"), some("me", "h", Some(22), "/a/b"));
        assert_eq!(open("sftp://h/~/b"), some("", "h", None, "~/b"));
        assert_eq!(open("sftp://[::1]:2222/"), some("", "::1", Some(2222), "/"));
        for wrong in
            ["sftp:///a", "sftp://-oProxyCommand=x/a", "sftp://me:pw@h/a", "sftp://h:99999/a", "sftp://a b/"]
        {
            assert_eq!(open(wrong), None, "{wrong}");
        }
    }
}

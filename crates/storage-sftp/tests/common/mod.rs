//! What the tests against a server have in common. Its files are seen locally too, and so changed behind its back.
#![allow(dead_code)] // each test file uses some of it

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_core::{Error, Key, ListOptions, Prefix, ReadOptions, Result, Store, WriteOptions};
use storage_sftp::{Config, Sftp, Symlinks};

/// A trial's end: passed, or ignored for this reason. It fails by a panic.
pub(crate) type Outcome = std::result::Result<(), String>;

/// Runs a trial with a runtime of its own.
pub(crate) fn trial<F: Future<Output = Outcome> + 'static>(name: &str, run: fn() -> F) -> Trial {
    Trial::ignorable_test(name, move || {
        if server().is_none() {
            let why = "no server: `HAUL_TEST_SFTP_CONFIG` is not set, see `cargo xtask serve`";
            return Ok(Completion::ignored_with(why));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        match runtime.block_on(run()) {
            Ok(()) => Ok::<_, Failed>(Completion::Completed),
            Err(why) => Ok(Completion::ignored_with(why)),
        }
    })
}

pub(crate) fn run(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The configuration of ssh that leads to the server, and a folder of the server that is also a local one.
pub(crate) fn server() -> Option<(PathBuf, PathBuf)> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    Some((variable("HAUL_TEST_SFTP_CONFIG")?, variable("HAUL_TEST_SFTP_ROOT")?))
}

/// The configuration of ssh that leads to the server.
pub(crate) fn ssh_config() -> PathBuf {
    server().expect("because a trial without a server does not begin").0
}

/// Where the server listens, by the configuration of its client.
pub(crate) fn address() -> std::net::SocketAddr {
    let text = std::fs::read_to_string(ssh_config()).expect("the configuration of ssh");
    let port = text.lines().find_map(|line| line.trim().strip_prefix("Port ")).expect("a port");
    std::net::SocketAddr::from(([127, 0, 0, 1], port.trim().parse().expect("a number")))
}

/// A root of its own, with a place beside it that no operation may touch.
pub(crate) struct Root {
    whole: PathBuf,
    pub(crate) store: Store,
}

impl Root {
    pub(crate) async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn skipping() -> Self {
        Self::with(|config| config.symlinks(Symlinks::Skip)).await
    }

    pub(crate) async fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let (_, roots) = server().expect("because a trial without a server does not begin");
        let whole = roots.join(format!("{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(whole.join("root")).expect("a root");
        std::fs::create_dir(whole.join("outside")).expect("a directory outside");
        let config = change(config(&whole.join("root")));
        Self { whole, store: Store::new(Sftp::open(config).await.expect("it opens")) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.whole.join("root")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.whole.join("outside")
    }

    /// Puts a file there without the store.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::fs::write(path, content).expect("the file");
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::os::unix::fs::symlink(target, path).expect("the link");
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.at(name)).ok()
    }

    /// Everything below the root that looks like an unfinished write.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        leftovers(&self.path())
    }

    /// What is removed in the background is gone after a while.
    pub(crate) async fn is_clean(&self) {
        for _ in 0..100 {
            if self.leftovers().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("left behind: {:?}", self.leftovers());
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // What cannot be removed goes with the server's folder.
        let _ = std::fs::remove_dir_all(&self.whole);
    }
}

/// A configuration that does not sync: whether synced writes survive a loss of power no test here can tell.
pub(crate) fn config(root: &Path) -> Config {
    let root = root.to_str().expect("a name in UTF-8");
    Config::new("haul-test", root).ssh_config(ssh_config()).fsync(false).cleanup_age(Duration::ZERO)
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).expect("a key")
}

pub(crate) fn prefix(name: &str) -> Prefix {
    Prefix::new(name).expect("a prefix")
}

pub(crate) async fn put(store: &Store, name: &str, content: &str) -> Result<()> {
    store.write(&key(name), content.to_owned(), WriteOptions::new()).await.map(drop)
}

pub(crate) async fn get(store: &Store, name: &str) -> Result<Vec<u8>> {
    store.read(&key(name), ReadOptions::new()).await.map(|found| found.bytes.to_vec())
}

/// A whole listing: the names in order, and the errors of entries.
pub(crate) async fn list(store: &Store, start: &str, options: ListOptions) -> (Vec<String>, Vec<Error>) {
    let mut listing = store.list(&prefix(start), options);
    let (mut names, mut errors) = (Vec::new(), Vec::new());
    while let Some(entry) = listing.next().await {
        match entry {
            Ok(entry) => names.push(entry.name().to_owned()),
            Err(error) => errors.push(error),
        }
    }
    (names, errors)
}

fn leftovers(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(path) else { return found };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(b".haul-") {
            found.push(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}

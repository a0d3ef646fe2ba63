//! What the tests of the program share: a directory of their own, the program, and trees as values.
#![allow(dead_code, reason = "every test file uses a part of this")]

pub(crate) mod s3;
pub(crate) mod tree;

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program, in no particular directory, without input.
pub(crate) fn haul() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haul"));
    command.stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// The profiles of a sandbox.
pub(crate) const CONFIG: &str = ".haul.toml";

/// The state of a sandbox.
pub(crate) const STATE: &str = ".state";

/// A directory that goes with the test, in which the program runs.
pub(crate) struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, with its parents.
    pub(crate) fn put(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a name in the sandbox")).expect("its parents");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub(crate) fn mkdir(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(&path).expect("a directory");
        path
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: impl AsRef<Path>) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a name in the sandbox")).expect("its parents");
        std::os::unix::fs::symlink(target, &path).expect("a link");
        path
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let name = name.as_ref();
        std::fs::read(self.at(name)).unwrap_or_else(|e| panic!("{}: {e}", name.display()))
    }

    pub(crate) fn exists(&self, name: impl AsRef<Path>) -> bool {
        self.at(name).symlink_metadata().is_ok()
    }

    /// The program, to be run in the sandbox.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = haul();
        // Not the profiles of whoever runs the tests.
        command.current_dir(self.path()).args(args).env("HAUL_CONFIG", self.at(CONFIG));
        // Nor their unfinished transfers.
        command.env("XDG_STATE_HOME", self.at(STATE));
        command
    }

    /// Runs the program in the sandbox.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs the program with `input` on stdin.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> Ran {
        let file = self.at(".input");
        std::fs::write(&file, input).expect("the input");
        let opened = std::fs::File::open(&file).expect("the input");
        std::fs::remove_file(&file).expect("the input");
        Ran::of(self.command(args).stdin(opened))
    }
}

/// How a run ended, and what it said.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().expect("the program runs").into()
    }

    /// Stdout as text.
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on stdout")
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out().lines().collect()
    }

    /// Stdout as JSON, an object a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let objects: Vec<Value> = self.out().lines().map(parse).collect();
        assert!(objects.iter().all(Value::is_object), "{self:?}");
        objects
    }

    /// The last JSON object, which is the summary.
    pub(crate) fn summary(&self) -> Value {
        let last = self.json().pop().expect("a summary");
        assert_eq!(last["event"], "summary", "{self:?}");
        last
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends(0)
    }

    /// Asserts that stderr speaks of `what`.
    #[track_caller]
    pub(crate) fn tells(self, what: &str) -> Self {
        assert!(self.stderr.contains(what), "stderr does not say `{what}`: {self:#?}");
        self
    }

    /// Asserts that stderr is empty.
    #[track_caller]
    pub(crate) fn silent(self) -> Self {
        assert_eq!(self.stderr, "", "{self:#?}");
        self
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, signal, stdout, stderr } = self;
        let stdout = String::from_utf8_lossy(&stdout[..stdout.len().min(4_000)]);
        write!(f, "exit code {code:?}, signal {signal:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text on stderr"),
        }
    }
}

//! Real servers for the tests: what crates bring in `tests/servers` is started here, and ends with this program.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::{Outcome, complain, exists, root, say, target};

/// How long a server may take to be ready. The first time it is fetched and installed, too.
const START_LIMIT: Duration = Duration::from_secs(600);
/// How long a server may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What tests have to know about servers: environment variables.
pub(crate) type Environment = Vec<(String, String)>;

/// `cargo xtask serve [NAME...] [-- COMMAND ARGS...]`: servers to work with by hand.
pub(crate) fn serve(words: &[&str]) -> Outcome<ExitCode> {
    let (names, command) = match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], words.get(at + 1..).unwrap_or_default()),
        None => (words, [].as_slice()),
    };
    let scripts = find()?;
    if let Some(unknown) = names.iter().find(|name| !scripts.iter().any(|script| script.is(name))) {
        let known: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
        return Err(format!("no server is called {unknown}; there are: {}", known.join(", ")));
    }
    let wanted = |script: &Script| names.is_empty() || names.iter().any(|name| script.is(name));
    let mut servers = Servers::start(scripts.into_iter().filter(wanted))?;
    let environment = servers.ready()?;
    let [program, arguments @ ..] = command else {
        environment.iter().for_each(|(key, value)| say(&format!("export {key}={value}\n")));
        complain("until the end of the input or Ctrl-C");
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return Ok(ExitCode::SUCCESS);
    };
    let status = Command::new(program).args(arguments).envs(environment.iter().cloned()).status();
    let status = status.map_err(|e| format!("{program}: {e}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A script that starts a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) package: String,
    name: String,
    path: PathBuf,
}

impl Script {
    /// Whether it is meant by the name of a server or of a backend.
    fn is(&self, name: &str) -> bool {
        self.name == name
            || self.package.trim_start_matches("storage-") == name.trim_start_matches("storage-")
    }
}

/// The scripts of all crates.
pub(crate) fn find() -> Outcome<Vec<Script>> {
    find_in(&root().join("crates"))
}

fn find_in(crates: &Path) -> Outcome<Vec<Script>> {
    let mut scripts = Vec::new();
    for package in entries(crates)? {
        let folder = package.join("tests/servers");
        if !folder.is_dir() {
            continue;
        }
        for path in entries(&folder)? {
            let (name, package) = (text(path.file_stem()), text(package.file_name()));
            // What scripts share begins with `_`.
            if path.extension().is_some_and(|e| e == "py") && !name.starts_with('_') {
                scripts.push(Script { package, name, path });
            }
        }
    }
    Ok(scripts)
}

/// Servers that have been started. They end when this goes.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    running: Vec<Server>,
}

impl Servers {
    /// Starts servers side by side, without waiting for them.
    pub(crate) fn start(scripts: impl IntoIterator<Item = Script>) -> Outcome<Self> {
        sweep();
        let mut servers = Self::default();
        for script in scripts {
            servers.running.push(Server::start(script)?);
        }
        Ok(servers)
    }

    /// Waits until all are ready, and gives what tests have to know about them.
    pub(crate) fn ready(&mut self) -> Outcome<Environment> {
        let environments: Outcome<Vec<_>> = self.running.iter().map(Server::ready).collect();
        Ok(environments?.concat())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // First all are told, then each is waited for.
        self.running.iter_mut().for_each(|server| drop(server.child.stdin.take()));
    }
}

#[derive(Debug)]
struct Server {
    name: String,
    child: Child,
    work: PathBuf,
    begun: Instant,
    answer: Receiver<Outcome<Environment>>,
}

impl Server {
    fn start(Script { name, path, .. }: Script) -> Outcome<Self> {
        let fail = |e: std::io::Error| format!("{}: {e}", path.display());
        let (cache, work) = (cache()?, work().join(format!("{}.{name}", std::process::id())));
        // A process of the same number may have left one.
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(&work).map_err(fail)?;
        complain(&format!("starting {name}"));
        let mut command = Command::new(&path);
        command.arg(cache).arg(&work).env("PYTHONPATH", root().join("xtask/servers"));
        // The tree is for source.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().map_err(fail)?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (answering, answer) = mpsc::channel();
        let server = Self { name: name.clone(), child, work, begun: Instant::now(), answer };
        let begun = server.begun;
        thread::spawn(move || listen(&name, begun, output, errors, &answering));
        Ok(server)
    }

    fn ready(&self) -> Outcome<Environment> {
        let left = START_LIMIT.saturating_sub(self.begun.elapsed());
        let late = |_| format!("{} was not ready within {} s", self.name, START_LIMIT.as_secs());
        self.answer.recv_timeout(left).map_err(late)?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what ends it.
        drop(self.child.stdin.take());
        let told = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if told.elapsed() > END_LIMIT {
                complain(&format!("{} does not end, and is killed", self.name));
                let _ = self.child.kill().and_then(|()| self.child.wait());
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_dir_all(&self.work);
    }
}

/// Passes on what a script says to people, and what it says to us, up to `ready`.
fn listen(
    name: &str,
    begun: Instant,
    output: Option<impl Read>,
    errors: Option<impl Read + Send + 'static>,
    answering: &Sender<Outcome<Environment>>,
) {
    let complaints = thread::spawn(move || lines(errors).inspect(|line| complain(line)).last());
    let mut environment = Environment::new();
    for line in lines(output) {
        if line == "ready" {
            complain(&format!("{name} ready after {:.1} s", begun.elapsed().as_secs_f64()));
            // Nobody listens any more if another server failed.
            let _ = answering.send(Ok(environment));
            return;
        }
        let Some((key, value)) = line.split_once('=') else {
            let _ = answering.send(Err(format!("{name} says `{line}`, which is no KEY=VALUE")));
            return;
        };
        environment.push((key.to_owned(), value.to_owned()));
    }
    let why = complaints.join().ok().flatten().unwrap_or_else(|| "and does not say why".into());
    let _ = answering.send(Err(format!("{name} did not start: {why}")));
}

fn lines(from: Option<impl Read>) -> impl Iterator<Item = String> {
    from.into_iter().flat_map(|from| BufReader::new(from).lines().map_while(Result::ok))
}

/// Where servers are installed. It outlives builds.
fn cache() -> Outcome<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HAUL_SERVER_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|caches| caches.join("haul-servers")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/haul-servers")))
        .ok_or_else(|| "neither HAUL_SERVER_CACHE nor HOME says where servers may be installed".into())
}

/// Where servers have their folders, named by our process and theirs.
fn work() -> PathBuf {
    target().join("servers")
}

/// Removes the folders of processes that were killed before they could.
fn sweep() {
    for folder in entries(&work()).unwrap_or_default() {
        let name = text(folder.file_name());
        let process = name.split('.').next().unwrap_or_default();
        if !exists("kill", &["-0", process]) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// What stands in a folder, in order.
fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn text(name: Option<&OsStr>) -> String {
    name.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{Servers, find_in};

    fn script(crates: &Path, name: &str, text: &str) -> std::io::Result<()> {
        let folder = crates.join("storage-x/tests/servers");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))
    }

    #[test]
    fn helpers_are_no_servers() {
        let crates = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(crates.path().join("storage-y/src")).unwrap();
        for name in ["b.py", "a.py", "_c.py", "README.md"] {
            script(crates.path(), name, "").unwrap();
        }
        let found = find_in(crates.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(found[0].is("a") && found[0].is("x") && found[0].is("storage-x") && !found[0].is("b"));
    }

    // One test for both: while one thread starts a program, another cannot write a program and start it too.
    #[test]
    fn a_server_lives_as_long_as_its_guard_or_says_why_it_does_not() {
        let crates = tempfile::tempdir().unwrap();
        // It ends only with its input, and tells so where its own folder's end does not reach.
        let text = "#!/bin/sh\necho A=b=c\necho B=$2\necho ready\ncat\ntouch $0.ended\n";
        script(crates.path(), "living.py", text).unwrap();
        script(crates.path(), "failing.py", "#!/bin/sh\necho failing: no luck >&2\nexit 1\n").unwrap();
        let start =
            |name| Servers::start(find_in(crates.path()).unwrap().into_iter().filter(|s| s.name == name));

        let mut servers = start("living").unwrap();
        let environment = servers.ready().unwrap();
        assert_eq!(environment[0], ("A".into(), "b=c".into()));
        let work = Path::new(&environment[1].1);
        assert!(work.is_dir());
        let ended = crates.path().join("storage-x/tests/servers/living.py.ended");
        assert!(!ended.exists());
        drop(servers);
        assert!(ended.exists() && !work.exists());

        let error = start("failing").unwrap().ready().unwrap_err();
        assert_eq!(error, "failing did not start: failing: no luck");
    }
}

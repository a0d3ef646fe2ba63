//! Connections that break, hang, or never stand: recovered or told clearly, in bounded time (clauses READ-1, TIME-1).

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{Outcome, Root, address, get, key, list, put, run, ssh_config, trial};
use futures_util::{StreamExt, TryStreamExt};
use storage_conformance::proxy::{ConnectionFault, Plan, Proxy};
use storage_core::{
    CopyOptions, Error, ErrorKind, ListOptions, ReadOptions, RetryPolicy, StatOptions, Store, WriteOptions,
};
use storage_sftp::{Config, Sftp};

const MIB: usize = 1 << 20;

fn main() -> ExitCode {
    if let Some(config) = std::env::var_os("TEST_CHILD_CONFIG") {
        return open_and_tell(&PathBuf::from(config));
    }
    run(vec![
        trial("cut-during-reads", cut_reads),
        trial("cut-during-writes", cut_writes),
        trial("cut-during-a-copy", cut_copies),
        trial("cut-during-a-listing", cut_listings),
        trial("cut-at-any-byte", cut_anywhere),
        trial("a-server-that-is-gone", gone),
        trial("a-server-that-is-silent", silent),
        trial("one-connection-is-enough-where-more-are-refused", one_is_enough),
        trial("many-callers-wait-once-for-a-server-that-is-silent", wait_once),
        trial("no-way-in", no_way_in),
        trial("no-program-ssh", no_program),
        trial("processes-stay-few-and-end", processes),
        trial("processes-end-with-the-runtime", processes_end_with_the_runtime),
        trial("ctrl-c-is-for-the-program", process_group),
    ])
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7 + at / 4096) as u8).collect()
}

/// A root, and a store on it through a proxy.
async fn through() -> (Root, Proxy, Store) {
    let root = Root::new().await;
    let proxy = Proxy::tcp(address()).expect("a proxy");
    let port = proxy.address().port();
    let store = open(common::config(&root.path()).port(port)).await.expect("it opens");
    (root, proxy, store)
}

async fn open(config: Config) -> storage_core::Result<Store> {
    Ok(Store::new(Sftp::open(config).await?))
}

async fn cut_reads() -> Outcome {
    let (root, proxy, store) = through().await;
    let content = pattern(12 * MIB);
    root.file("a", &content);
    for before in [0, 1, 9, 30] {
        let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
        let mut all = Vec::new();
        for _ in 0..before {
            all.extend_from_slice(&reader.try_next().await.expect("a chunk").expect("more"));
        }
        proxy.cut_all();
        while let Some(chunk) = reader.try_next().await.expect("resumed") {
            all.extend_from_slice(&chunk);
        }
        assert!(all == content, "cut after {before} chunks");
    }
    // The file that the rest was to be read of is another one now.
    let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
    reader.try_next().await.expect("a chunk");
    put(&root.store, "a", "new").await.expect("written");
    proxy.cut_all();
    let rest: Result<Vec<_>, Error> = reader.try_collect().await;
    assert_eq!(rest.expect_err("gone").kind(), ErrorKind::PreconditionFailed);
    Ok(())
}

async fn cut_writes() -> Outcome {
    let (root, proxy, store) = through().await;
    let content = pattern(12 * MIB);
    for (at, wait) in [0, 5, 20, 60, 120].into_iter().enumerate() {
        let name = format!("d/{at}");
        let cut = async {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            proxy.cut_all();
        };
        let at = key(&name);
        let write = store.write(&at, content.clone(), WriteOptions::new().part_size(MIB as u64));
        let (written, ()) = tokio::join!(write, cut);
        written.expect("sent again");
        assert!(root.content(&name).as_ref() == Some(&content), "cut after {wait} ms");
    }
    // Everything but the end is there.
    let mut writer = store.writer(&key("d/end"), WriteOptions::new().part_size(10)).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    proxy.cut_all();
    writer.finish().await.expect("finished on another connection");
    assert_eq!(root.content("d/end").as_deref(), Some(&b"more than one part"[..]));
    let mut writer =
        store.writer(&key("d/abort"), WriteOptions::new().part_size(10)).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    proxy.cut_all();
    writer.abort().await.expect("aborted on another connection");
    // What a lost answer left is a clean-up's, and nothing else is.
    root.store.cleanup(&common::prefix("")).await.expect("cleaned");
    root.is_clean().await;
    Ok(())
}

async fn cut_copies() -> Outcome {
    let (root, proxy, store) = through().await;
    let content = pattern(64 * MIB);
    root.file("from", &content);
    for wait in [0, 2, 5, 10, 20, 40] {
        let cut = async {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            proxy.cut_all();
        };
        let (from, to) = (key("from"), key("to"));
        let (copied, ()) = tokio::join!(store.copy(&from, &to, CopyOptions::new()), cut);
        copied.expect("copied again");
        assert!(root.content("to").as_ref() == Some(&content), "cut after {wait} ms");
    }
    Ok(())
}

async fn cut_listings() -> Outcome {
    let (root, proxy, store) = through().await;
    for at in 0..3000 {
        root.file(&format!("{}/{at:04}", at / 500), "");
    }
    let mut listing = store.list(&common::prefix(""), ListOptions::new());
    let mut names = Vec::new();
    while let Some(entry) = listing.next().await {
        if names.len() % 700 == 0 {
            proxy.cut_all();
        }
        names.push(entry.expect("resumed").name().to_owned());
    }
    assert_eq!(names.len(), 3000);
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), 3000);
    Ok(())
}

/// Cut at one byte after another: whatever the step, what was acknowledged is there, and what failed is told.
async fn cut_anywhere() -> Outcome {
    let (root, proxy, store) = through().await;
    let once = store.with_retry(RetryPolicy::default().budget(Duration::ZERO));
    for at in 0..30u64 {
        let after = 1500 + at * 150;
        let close = storage_conformance::proxy::Close::Reset;
        proxy.cut_all();
        proxy.set(Plan::new().connection(0..1, ConnectionFault::CutUp { after, close }));
        let name = format!("d/{at}");
        match once.write(&key(&name), "content", WriteOptions::new()).await {
            Ok(_) => assert_eq!(root.content(&name).as_deref(), Some(&b"content"[..])),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut), "{error}");
                let stands = root.content(&name);
                assert!(stands.is_none() || error.may_have_been_applied(), "{error}");
                assert!(stands.is_none_or(|stands| stands == b"content"));
            }
        }
        // With repeats it always gets there.
        proxy.set(Plan::new());
        put(&store, &name, "content").await.expect("written");
    }
    Ok(())
}

async fn gone() -> Outcome {
    let (root, proxy, store) = through().await;
    root.file("a", pattern(8 * MIB));
    let store = store.with_retry(RetryPolicy::default().budget(Duration::from_secs(2)));
    let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
    reader.try_next().await.expect("a chunk");
    drop(proxy);
    let begun = Instant::now();
    let rest: Result<Vec<_>, Error> = reader.try_collect().await;
    assert_eq!(rest.expect_err("gone").kind(), ErrorKind::Unavailable);
    for result in [put(&store, "b", "x").await, get(&store, "a").await.map(drop)] {
        let error = result.expect_err("gone");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert!(!list(&store, "", ListOptions::new()).await.1.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    Ok(())
}

/// A listener that takes connections and never says a word.
fn mute() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

async fn silent() -> Outcome {
    let (_listener, port) = mute();
    let config = common::config(Path::new("/")).port(port).connect_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    let error = open(config).await.expect_err("nobody answers");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    one_line(&error);
    Ok(())
}

/// Servers limit connections; what stands already goes on being used.
async fn one_is_enough() -> Outcome {
    let (root, proxy, store) = through().await;
    root.file("a", pattern(8 * MIB));
    proxy.set(Plan::new().connection(0.., ConnectionFault::Refuse));
    let store = store.with_retry(RetryPolicy::default().budget(Duration::ZERO));
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut reader = store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
        reader.try_next().await.expect("a chunk");
        readers.push(reader);
    }
    for reader in readers {
        let rest: Result<Vec<_>, Error> = reader.try_collect().await;
        rest.expect("the rest");
    }
    Ok(())
}

async fn wait_once() -> Outcome {
    let (root, proxy, _store) = through().await;
    root.file("a", "x");
    let limit = Duration::from_secs(2);
    let config = common::config(&root.path()).port(proxy.address().port()).connect_timeout(limit);
    let store = open(config).await.expect("it opens");
    let store = store.with_retry(RetryPolicy::default().budget(Duration::ZERO));
    proxy.set(Plan::new().connection(0.., ConnectionFault::Stall { after: 0 }));
    proxy.cut_all();
    // The connection is known to be gone.
    let _ = store.stat(&key("a"), StatOptions::new()).await;
    let begun = Instant::now();
    let stats = (0..12).map(|_| {
        let store = store.clone();
        async move { store.stat(&key("a"), StatOptions::new()).await }
    });
    for result in futures_util::future::join_all(stats).await {
        result.expect_err("nobody answers");
    }
    assert!(begun.elapsed() < 4 * limit, "they waited for each other: {:?}", begun.elapsed());
    // Nor does anything stay broken.
    proxy.set(Plan::new());
    store.stat(&key("a"), StatOptions::new()).await.expect("it answers again");
    Ok(())
}

/// One line that names nothing secret.
fn one_line(error: &Error) {
    let line = error.to_string();
    assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
    assert!(line.len() < 500, "{line}");
    for secret in ["PRIVATE KEY", "hunter2"] {
        assert!(!line.contains(secret) && !format!("{error:?}").contains(secret), "{line}");
    }
}

fn make_key(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "no key");
    path
}

/// The configuration with some lines in front, which ssh takes rather than its own, and others left out.
fn changed(folder: &Path, name: &str, without: &str, lines: &str) -> PathBuf {
    let text = std::fs::read_to_string(ssh_config()).expect("the configuration of ssh");
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with(without)).collect();
    let path = folder.join(name);
    std::fs::write(&path, format!("{}\n{lines}\n", kept.join("\n"))).expect("a configuration");
    path
}

async fn no_way_in() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let config = || common::config(Path::new("/")).connect_timeout(Duration::from_secs(5));
    let (listener, closed) = mute();
    drop(listener);

    let other = make_key(at, "other");
    let wrong_key = changed(at, "wrong_key", "IdentityFile", &format!("  IdentityFile {}", other.display()));
    std::fs::write(at.join("none"), "").expect("a file");
    let none = format!("  UserKnownHostsFile {}", at.join("none").display());
    let unknown_key = changed(at, "unknown_key", "UserKnownHostsFile", &none);
    let public = std::fs::read_to_string(other.with_extension("pub")).expect("a key");
    std::fs::write(at.join("another"), format!("haul-test {public}")).expect("a file");
    let another = format!("  UserKnownHostsFile {}", at.join("another").display());
    let changed_key = changed(at, "changed_key", "UserKnownHostsFile", &another);
    std::fs::write(at.join("nonsense"), "Nonsense yes\n").expect("a file");

    let unknown_host = Config::new("no-such-host.invalid", "/").ssh_config(ssh_config());
    for (config, kind, says) in [
        (config().port(closed), ErrorKind::Unavailable, "refused"),
        (unknown_host, ErrorKind::Unavailable, "no host"),
        (config().ssh_config(wrong_key), ErrorKind::Unauthenticated, "keys"),
        (config().ssh_config(unknown_key), ErrorKind::Unauthenticated, "accept-new"),
        (config().ssh_config(changed_key), ErrorKind::Unauthenticated, "another key"),
        (config().ssh_config(at.join("nonsense")), ErrorKind::InvalidConfig, "configuration"),
        (config().ssh_config(at.join("missing")), ErrorKind::InvalidConfig, "configuration"),
        (config().user("-oProxyCommand=touch%20x"), ErrorKind::Unavailable, ""),
        (Config::new("-oProxyCommand=touch x", "/"), ErrorKind::Unavailable, ""),
    ] {
        let begun = Instant::now();
        let error = open(config).await.expect_err(says);
        assert!(begun.elapsed() < Duration::from_secs(15), "{error}: {:?}", begun.elapsed());
        one_line(&error);
        if !says.is_empty() {
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert!(error.to_string().contains(says), "{error}");
    }
    let location = storage_core::Location::parse("sftp://me:hunter2@haul-test/x");
    let error = match location {
        Ok(location) => {
            let opening = (storage_sftp::PROVIDER.open)(location, storage_core::Options::new());
            opening.await.expect_err("no passwords")
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    one_line(&error);
    Ok(())
}

/// Not a test: a process that opens a store and prints the error.
fn open_and_tell(config: &Path) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let opened = runtime.block_on(Sftp::open(Config::new("haul-test", "/").ssh_config(config)));
    let line = opened.map(|_| "opened".to_owned()).unwrap_or_else(|error| error.to_string());
    std::io::stdout().write_all(line.as_bytes()).expect("somebody reads");
    ExitCode::SUCCESS
}

async fn no_program() -> Outcome {
    let told = Command::new(std::env::current_exe().expect("a program"))
        .env("TEST_CHILD_CONFIG", ssh_config())
        .env("PATH", "")
        .stderr(Stdio::null())
        .output()
        .expect("a process");
    let line = String::from_utf8_lossy(&told.stdout);
    assert!(line.contains("`ssh`") && line.contains("installed") && line.lines().count() == 1, "{line}");
    Ok(())
}

/// Processes of ssh that this one started and that lead to `port`, with their process groups.
fn processes_to(port: u16) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        let line = read("cmdline");
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if words.first() == Some(&b"ssh".as_slice())
            && words.contains(&port.to_string().as_bytes())
            && fields.get(1) == Some(&std::process::id().to_string().as_str())
        {
            found.push((id, fields.get(2).and_then(|group| group.parse().ok()).unwrap_or_default()));
        }
    }
    found
}

async fn ended(port: u16) {
    for _ in 0..100 {
        if processes_to(port).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still running: {:?}", processes_to(port));
}

async fn processes() -> Outcome {
    let root = Root::new().await;
    root.file("a", pattern(2 * MIB));
    let proxy = Proxy::tcp(address()).expect("a proxy");
    let port = proxy.address().port();
    let store = open(common::config(&root.path()).port(port).sessions(3)).await.expect("it opens");
    assert_eq!(processes_to(port).len(), 1);
    for _ in 0..20 {
        get(&store, "a").await.expect("read");
        put(&store, "b", "x").await.expect("written");
    }
    assert_eq!(processes_to(port).len(), 1, "one after another is served by one");
    let reads = (0..40).map(|_| get(&store, "a"));
    let (results, most) = tokio::join!(futures_util::future::join_all(reads), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        processes_to(port).len()
    });
    assert!(results.into_iter().all(|read| read.is_ok()));
    assert!(most <= 3 && processes_to(port).len() <= 3, "{most}");
    // Connections that broke are replaced, and their processes end.
    for _ in 0..3 {
        proxy.cut_all();
        get(&store, "a").await.expect("read");
        assert!(processes_to(port).len() <= 3);
    }
    let reader = store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
    drop(store);
    drop(reader);
    ended(port).await;
    Ok(())
}

async fn processes_end_with_the_runtime() -> Outcome {
    let proxy = Proxy::tcp(address()).expect("a proxy");
    let port = proxy.address().port();
    let ending = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let store = runtime.block_on(open(common::config(Path::new("/")).port(port))).expect("it opens");
        assert_eq!(processes_to(port).len(), 1);
        drop(runtime);
        // A connection without its runtime is of no use; asking does not hang.
        let another = tokio::runtime::Runtime::new().expect("a runtime");
        let asked = another.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), store.exists(&key("no-such-file"))).await
        });
        let asked = asked.expect("no answer, and no end");
        assert!(!asked.expect("on a connection of the new runtime"));
        drop(store);
    });
    let joined = tokio::task::spawn_blocking(move || ending.join()).await.expect("it ends");
    if let Err(panic) = joined {
        std::panic::resume_unwind(panic);
    }
    ended(port).await;
    Ok(())
}

async fn process_group() -> Outcome {
    let (_root, proxy, _store) = through().await;
    let processes = processes_to(proxy.address().port());
    assert_eq!(processes.len(), 1);
    for (id, group) in processes {
        assert_eq!(id, group, "a signal from the terminal reaches ssh before the program can finish");
    }
    Ok(())
}

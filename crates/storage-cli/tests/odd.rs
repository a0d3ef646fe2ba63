//! Odd names, odd files, and files that change underneath: an error of that item or the right result, never a wrong one.

mod common;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Sandbox;
use common::tree::{assert_same, leftovers, noise, tree};
use serde_json::json;

/// Names that a careless program stumbles over.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "new\nline",
        "tab\t",
        "cr\r",
        "bell\x07",
        "\x1b[31mred\x1b[0m",
        "\u{9b}31m",
        "\u{202e}gnp.exe",
        "-rf",
        "--delete",
        "-",
        "'single'",
        "\"double\"",
        "`id`",
        "$(id)",
        "$HOME",
        ";",
        "&",
        "|",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "back\\slash",
        "\\",
        "%2e%2e",
        "%",
        "%zz",
        "a b",
        " lead",
        "trail ",
        "...",
        "..a",
        ".hidden",
        "~",
        "#",
        "a:b",
        "file:",
        "CON",
        "é",
        "e\u{301}",
        "日本",
        "😀",
        "\u{feff}bom",
        "a;b",
        "=",
        "+",
        "@",
        "!",
        ".haul-mine.tmp",
        ".haul-",
        "a.tmp",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(255));
    names.push("é".repeat(127));
    names
}

#[test]
fn odd_names_travel() {
    let sandbox = Sandbox::new();
    for name in odd_names() {
        sandbox.put(PathBuf::from("s").join(&name), &name);
        sandbox.put(PathBuf::from("s/dir").join(&name).join(&name), &name);
        sandbox.link(&name, PathBuf::from("s/links").join(&name));
    }
    let copied = odd_names().len() as u64 * 3;
    let summary = sandbox.run(["sync", "s", "d", "--no-fsync", "--delete", "--json"]).ok().summary();
    assert_eq!(summary["copied"], json!(copied));
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    sandbox.run(["check", "s", "d"]).ok();
    let objects = sandbox.run(["ls", "-r", "--json", "d"]).ok().json();
    let keys: Vec<&str> = objects.iter().filter_map(|o| o["key"].as_str()).collect();
    for name in odd_names() {
        assert!(keys.contains(&name.as_str()), "{name:?} is missing");
    }
    assert!(keys.is_sorted(), "key order");
}

/// In a pipe a name is its bytes, and `-0` parts names whatever they hold.
#[test]
fn odd_names_are_exact_in_a_pipe() {
    let sandbox = Sandbox::new();
    for name in odd_names() {
        sandbox.put(PathBuf::from("s").join(&name), "x");
    }
    let ran = sandbox.run(["ls", "-0", "s"]).ok().silent();
    let listed: Vec<&str> = ran.out().trim_end_matches('\0').split('\0').collect();
    let mut expect = odd_names();
    expect.sort();
    assert_eq!(listed, expect);
}

#[test]
fn odd_names_as_arguments() {
    let sandbox = Sandbox::new();
    for name in odd_names() {
        sandbox.feed(["put", "--", "-", &format!("./{name}")], name.as_bytes()).ok();
        assert_eq!(sandbox.run(["cat", "--", &format!("./{name}")]).ok().out(), name, "{name:?}");
        sandbox.run(["cp", "--", &format!("./{name}"), "copy"]).ok();
        sandbox.run(["mv", "--", "copy", "moved"]).ok();
        assert_eq!(sandbox.read("moved"), name.as_bytes(), "{name:?}");
        sandbox.run(["rm", "--", &format!("./{name}"), "moved"]).ok();
        assert_eq!(tree(sandbox.path()).len(), 0, "{name:?}");
    }
}

#[test]
fn leading_dashes_are_names_after_two_dashes() {
    let sandbox = Sandbox::new();
    sandbox.put("-s/f", "x");
    sandbox.run(["sync", "--", "-s", "--delete"]).ok();
    assert_same(&sandbox.at("-s"), &sandbox.at("--delete"));
}

/// One item fails, with a name that can be read; the rest is done; nothing is deleted.
#[test]
fn a_name_that_is_not_utf_8_is_an_item_that_fails() {
    let sandbox = Sandbox::new();
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    sandbox.put(PathBuf::from("s").join(&odd), "x");
    sandbox.put(PathBuf::from("s/dir").join(&odd).join("inner"), "x");
    sandbox.put("s/plain", "x");
    sandbox.put("d/extra", "mine");
    let ran =
        sandbox.run(["sync", "s", "d", "--delete"]).ends(1).tells("caf").tells("UTF-8").tells("2 failed");
    assert!(ran.stderr.contains("nothing") || ran.stderr.contains("left out"), "{ran:?}");
    assert_eq!((sandbox.read("d/plain"), sandbox.read("d/extra")), (b"x".to_vec(), b"mine".to_vec()));
    assert_eq!(sandbox.run(["ls", "s"]).ends(1).tells("caf").out(), "dir/\nplain\n");
    sandbox.run(["check", "s", "d"]).ends(1);
    sandbox.run(["du", "s"]).ends(1).tells("caf");
    sandbox.run(["hash", "-r", "s"]).ends(1).tells("caf");
    sandbox.run(["rm", "-r", "s"]).ends(1).tells("caf");
}

#[test]
fn a_place_that_is_not_utf_8() {
    let sandbox = Sandbox::new();
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    sandbox.put(PathBuf::from(&odd).join("f"), "x");
    let args = [OsStr::new("sync"), &odd, OsStr::new("d")];
    sandbox.run(args).ok();
    assert_eq!(sandbox.read("d/f"), b"x");
    let back = [OsStr::new("sync"), OsStr::new("d"), OsStr::from_bytes(b"back\xff")];
    sandbox.run(back).ok();
    assert_eq!(sandbox.read(OsStr::from_bytes(b"back\xff/f")), b"x");
    assert_eq!(sandbox.run([OsStr::new("ls"), &odd]).ok().out(), "f\n");
}

/// A path longer than a key can be is an error of its own.
#[test]
fn a_path_too_deep_is_an_item_that_fails() {
    let sandbox = Sandbox::new();
    let deep: PathBuf = std::iter::repeat_n("d".repeat(200), 6).collect();
    sandbox.put(PathBuf::from("s").join(&deep).join("f"), "x");
    sandbox.put("s/plain", "x");
    sandbox.run(["sync", "s", "d"]).ends(1).tells("the 1024 that a key may have");
    assert_eq!(sandbox.read("d/plain"), b"x");
}

/// They hold no object; opening one must not wait for its other end.
#[test]
fn pipes_and_sockets_are_refused_without_waiting() {
    let sandbox = Sandbox::new();
    sandbox.put("s/plain", "x");
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.at("s/fifo"), 0o600.into()).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.at("s/socket")).expect("a socket");
    let ran = sandbox.run(["sync", "s", "d"]).ends(1).tells("2 failed");
    ran.tells("`fifo`").tells("`socket`");
    assert_eq!(sandbox.read("d/plain"), b"x");
    for command in [&["cat", "s/fifo"][..], &["hash", "s/fifo"], &["cp", "s/fifo", "x"], &["stat", "s/fifo"]]
    {
        sandbox.run(command).ends(1).tells("FIFO");
    }
}

/// The kernel's files call themselves empty: no empty copy may pass for one of them.
#[test]
fn a_file_that_hides_its_size_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(["cp", "/proc/self/status", "f"]).ends(1).tells("size of zero");
    assert!(!sandbox.exists("f"));
    assert_eq!(sandbox.run(["cat", "/proc/self/status"]).ends(1).out(), "");
    sandbox.run(["hash", "/proc/self/status"]).ends(1);
    sandbox.put("empty", "");
    sandbox.run(["cp", "empty", "f"]).ok();
    assert_eq!(sandbox.read("f"), b"");
}

#[test]
fn links_in_circles_and_to_nothing() {
    let sandbox = Sandbox::new();
    sandbox.put("s/d/f", "x");
    sandbox.put("kept/secret", "outside");
    sandbox.link(".", "s/self");
    sandbox.link("..", "s/d/up");
    sandbox.link("one", "s/two");
    sandbox.link("two", "s/one");
    sandbox.link("nowhere", "s/dangling");
    sandbox.link("../kept", "s/out");
    sandbox.put("d/extra", "mine");
    let ran = sandbox.run(["sync", "s", "d", "--links", "follow", "--delete"]).ends(1).tells("6 failed");
    let ran = ran.tells("in a circle").tells("leads to nothing").tells("outside the root");
    for name in ["self", "d/up", "two", "one", "dangling", "out"] {
        assert!(ran.stderr.contains(&format!("`{name}")), "{name}: {ran:?}");
    }
    assert_eq!((sandbox.read("d/d/f"), sandbox.read("d/extra")), (b"x".to_vec(), b"mine".to_vec()));
    assert!(!sandbox.exists("d/out"));
    sandbox.run(["sync", "s", "preserved"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("preserved"));
}

/// Runs something again and again beside a test.
struct Meanwhile {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Meanwhile {
    fn run(mut work: impl FnMut(u64) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                work(round);
                round += 1;
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(std::thread::JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A log that is written to all the time is an error of its own, and the copy from before stays.
#[test]
fn a_file_that_grows_while_it_is_read() {
    let sandbox = Sandbox::new();
    sandbox.put("s/log", noise(4, 20 << 20));
    sandbox.put("s/plain", "x");
    sandbox.put("d/log", "old");
    sandbox.put("d/extra", "mine");
    let log = std::fs::File::options().append(true).open(sandbox.at("s/log")).expect("the log");
    let writer = Meanwhile::run(move |round| {
        std::io::Write::write_all(&mut &log, &round.to_le_bytes()).expect("it is written to");
        std::thread::yield_now();
    });
    let ran =
        sandbox.run(["sync", "s", "d", "--delete"]).ends(1).tells("`log`").tells("changed while it was read");
    drop(writer);
    assert_eq!(
        (sandbox.read("d/log"), sandbox.read("d/extra")),
        (b"old".to_vec(), b"mine".to_vec()),
        "{ran:?}"
    );
    assert_eq!(sandbox.read("d/plain"), b"x");
    assert_eq!(leftovers(&sandbox.at("d")).len(), 0);
    sandbox.run(["sync", "s", "d", "--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

/// A file is rewritten in place, with the same size: never a mixture.
#[test]
fn a_file_that_changes_while_it_is_read_is_never_mixed() {
    let sandbox = Sandbox::new();
    let size = 16 << 20;
    sandbox.put("s/f", vec![0; size]);
    let path = sandbox.at("s/f");
    let writer = Meanwhile::run(move |round| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(&path).expect("the file");
        for at in 0..16 {
            file.write_all_at(&vec![round as u8; 1 << 20], at << 20).expect("its content");
        }
    });
    let mut failed = 0;
    for _ in 0..6 {
        let ran = sandbox.run(["sync", "s", "d", "--no-fsync"]);
        if ran.code == Some(0) {
            let copy = sandbox.read("d/f");
            assert!(copy.len() == size && copy.iter().all(|byte| *byte == copy[0]), "a mixture");
        } else {
            ran.ends(1).tells("changed");
            failed += 1;
        }
    }
    drop(writer);
    assert!(failed > 0, "the writer was too slow to disturb");
}

/// Files come and go while the tree is read: whatever is there at the end is equal after a quiet run.
#[test]
fn files_that_come_and_go() {
    let sandbox = Sandbox::new();
    for at in 0..300 {
        sandbox.put(format!("s/{}/{at}", at % 4), noise(at, 3_000));
    }
    let root = sandbox.at("s");
    let busy = Meanwhile::run(move |round| {
        let path = root.join((round % 4).to_string()).join((round % 300).to_string());
        match round % 3 {
            0 => drop(std::fs::remove_file(&path)),
            1 => drop(std::fs::write(&path, noise(round, 5_000))),
            _ => drop(std::fs::rename(&path, path.with_extension("moved"))),
        }
    });
    for _ in 0..4 {
        let ran = sandbox.run(["sync", "s", "d", "--no-fsync", "--json"]);
        let failed = ran.summary()["failed"].as_u64().expect("a number");
        assert_eq!(ran.code, Some(i32::from(failed > 0)), "{ran:?}");
    }
    drop(busy);
    sandbox.run(["sync", "s", "d", "--no-fsync", "--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(leftovers(&sandbox.at("d")).len(), 0);
}

/// A directory of the destination turns into a link that leads outside and back, all the time: nothing outside is
/// touched, not a byte, not a mode, not a time.
#[test]
fn a_swapped_link_leads_nowhere_outside() {
    let sandbox = Sandbox::new();
    for at in 0..60 {
        sandbox.put(format!("s/dir/{at}"), noise(at, 2_000));
        sandbox.put(format!("outside/{at}"), "outside");
    }
    common::tree::set_mode(&sandbox.at("s/dir"), 0o711);
    sandbox.put("outside/only here", "outside");
    sandbox.put("outside/.haul-0123456789abcdef.tmp", "not ours to clean");
    sandbox.mkdir("d/dir");
    let before = tree(&sandbox.at("outside"));
    let (outside, dir, aside) = (sandbox.at("outside"), sandbox.at("d/dir"), sandbox.at("d/aside"));
    let own = |path: &std::path::Path| path.metadata().expect("it is there");
    let stamp = (own(&outside).modified().expect("its time"), own(&outside).permissions());
    let swapper = Meanwhile::run({
        let outside = outside.clone();
        move |_| {
            drop(std::fs::rename(&dir, &aside));
            drop(std::os::unix::fs::symlink(&outside, &dir));
            std::thread::yield_now();
            drop(std::fs::remove_file(&dir));
            drop(std::fs::rename(&aside, &dir));
            std::thread::yield_now();
        }
    });
    for round in 0..12 {
        let links = ["preserve", "follow", "skip"][round % 3];
        let ran = sandbox.run(["sync", "s", "d", "--no-fsync", "--delete", "--links", links]);
        assert!(matches!(ran.code, Some(0..=2)), "{ran:?}");
        for at in (0..60).step_by(7) {
            sandbox.put(format!("s/dir/{at}"), noise(at + round as u64, 2_100 + round));
        }
    }
    drop(swapper);
    assert_eq!(tree(&outside), before);
    assert_eq!((own(&outside).modified().expect("its time"), own(&outside).permissions()), stamp);
}

/// A link at the destination is replaced, not written through.
#[test]
fn a_link_at_the_destination_is_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "new");
    sandbox.put("s/dir/f", "new");
    sandbox.put("outside/f", "outside");
    sandbox.link("../outside/f", "d/f");
    sandbox.link("../outside", "d/dir");
    sandbox.run(["sync", "s", "d"]).ends(1).tells("stands in its place");
    sandbox.run(["sync", "s", "d", "--links", "follow"]).ends(1);
    sandbox.run(["sync", "s", "d", "--links", "skip"]).ends(1);
    assert_eq!(sandbox.read("outside/f"), b"outside");
    assert_eq!(tree(&sandbox.at("outside")).len(), 1);
    sandbox.run(["sync", "s", "d", "--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(sandbox.read("outside/f"), b"outside");
}

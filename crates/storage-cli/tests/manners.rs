//! How the program behaves among others: pipes, terminals, colours.

mod common;

use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio;

use common::tree::{assert_same, noise};
use common::{Ran, Sandbox};
use rustix::pty::OpenptFlags;

/// A directory whose listing fills a pipe several times.
fn big() -> Sandbox {
    let sandbox = Sandbox::new();
    for at in 0..4_000 {
        sandbox.put(format!("big/{}{at:05}", "long-".repeat(20)), "");
    }
    sandbox
}

/// Reads one line of the program's output and closes the pipe.
fn first_line(sandbox: &Sandbox, args: &[&str]) -> (String, Ran) {
    let mut command = sandbox.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().expect("the program runs");
    let mut line = String::new();
    BufReader::with_capacity(64, run.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    (line, Ran::from(run.wait_with_output().expect("it ends")))
}

#[test]
fn a_closed_pipe_is_success_without_noise() {
    let sandbox = big();
    sandbox.put("large", noise(1, 4 << 20).iter().map(|b| b | 1).chain([b'\n']).collect::<Vec<_>>());
    for args in [
        &["ls", "big"][..],
        &["ls", "-l", "big"],
        &["ls", "--json", "big"],
        &["tree", "big"],
        &["glob", "big/*"],
        &["hash", "-r", "-a", "crc32c", "big"],
        &["cat", "large", "large"],
    ] {
        let mut command = sandbox.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = command.spawn().expect("the program runs");
        let mut some = [0; 16];
        let mut pipe = run.stdout.take().expect("a pipe");
        std::io::Read::read_exact(&mut pipe, &mut some).expect("some output");
        drop(pipe);
        let ran = Ran::from(run.wait_with_output().expect("it ends"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// Who closed the list has seen enough of it; the work is done whole.
#[test]
fn a_sync_whose_reader_leaves_is_done_whole() {
    let sandbox = big();
    let (line, ran) = first_line(&sandbox, &["sync", "-v", "--no-fsync", "big", "d"]);
    assert!(line.starts_with("+ "), "{line}");
    ran.ok();
    assert_same(&sandbox.at("big"), &sandbox.at("d"));
}

/// The answer of a comparison is its exit code, whoever reads the list.
#[test]
fn a_check_whose_reader_leaves_still_tells_the_difference() {
    let sandbox = big();
    sandbox.mkdir("d");
    let (line, ran) = first_line(&sandbox, &["check", "big", "d"]);
    assert!(line.starts_with("+ "), "{line}");
    ran.ends(1);
}

#[test]
fn a_closed_stderr_does_no_harm() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ran = Ran::of(sandbox.command(["sync", "-v", "s", "d"]).stderr(writer));
    assert_eq!((ran.code, ran.out()), (Some(0), "+ f\n"));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.put("f", "x");
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("it is always there");
    for args in [&["cat", "f"][..], &["ls", "f"], &["backends"], &["completions", "bash"]] {
        let mut run = sandbox.command(args);
        run.stdout(full()).stderr(Stdio::piped());
        let ran = Ran::from(run.spawn().and_then(std::process::Child::wait_with_output).expect("it runs"));
        ran.ends(2).tells("writing the output");
    }
}

#[test]
fn data_goes_to_stdout_and_words_to_stderr() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    let check = |args: &[&str], data: &str, words: bool| {
        let ran = sandbox.run(args);
        assert_eq!(ran.out(), data, "{args:?}");
        assert_eq!(!ran.stderr.is_empty(), words, "{args:?}: {ran:?}");
    };
    check(&["sync", "s", "d"], "", true);
    check(&["sync", "-n", "s", "e"], "+ f\n", true);
    check(&["check", "s", "d"], "", true);
    check(&["check", "-q", "-a", "s", "d"], "= f\n", false);
    check(&["cp", "s/f", "g"], "", true);
    check(&["cp", "-q", "s/f", "g"], "", false);
    check(&["put", "-q", "g", "h"], "", false);
    check(&["cat", "missing"], "", true);
    check(&["rm", "-v", "g"], "", true);
    check(&["ls", "missing", "-q"], "", true);
}

/// With `--json` every line of stdout is an object, also when things fail.
#[test]
fn json_stays_json_when_things_fail() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    sandbox.link("nowhere", "s/dangling");
    for args in [
        &["sync", "--links", "follow", "s", "d"][..],
        &["check", "--links", "follow", "s", "d"],
        &["ls", "--links", "follow", "s"],
        &["tree", "--links", "follow", "s"],
        &["cp", "-r", "--links", "follow", "s", "e"],
        &["hash", "-r", "s"],
        &["stat", "s/f", "missing"],
        &["du", "s", "missing"],
    ] {
        let ran = sandbox.run(args.iter().chain(&["--json"])).ends(1);
        assert!(!ran.json().is_empty() && !ran.stderr.is_empty(), "{args:?}: {ran:?}");
    }
}

/// No terminal: no escape sequence, no bar, whatever the environment says.
#[test]
fn no_colour_and_no_bar_in_a_pipe() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", noise(1, 8 << 20));
    for args in [&["sync", "s", "d"][..], &["cat", "missing"], &["nonsense"], &["--help"], &["ls", "--help"]]
    {
        let ran = Ran::of(sandbox.command(args).env("TERM", "xterm-256color"));
        assert!(!ran.stderr.contains('\x1b') && !ran.stdout.contains(&0x1b), "{args:?}: {ran:?}");
        assert!(!ran.stderr.contains('\r'), "{args:?}: {ran:?}");
    }
}

/// Runs the program on a terminal of its own; gives the exit code and all that the terminal got.
fn on_terminal(sandbox: &Sandbox, args: &[&str], no_color: bool, stdout_too: bool) -> (Option<i32>, String) {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::grantpt(&master).and_then(|()| rustix::pty::unlockpt(&master)).expect("its other side");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("its name");
    let open = || -> OwnedFd {
        use rustix::fs::{Mode, OFlags};
        rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("a terminal")
    };
    let keep = open();
    let mut command = sandbox.command(args);
    command.env("TERM", "xterm-256color").stderr(open());
    if stdout_too {
        command.stdout(open());
    } else {
        command.stdout(Stdio::null());
    }
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut run = command.spawn().expect("the program runs");
    drop(command);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 4_096];
        // The end of a terminal is an error, once nobody has its other side open.
        while let Ok(length @ 1..) = rustix::io::read(&master, &mut buffer) {
            all.extend_from_slice(&buffer[..length]);
        }
        assert!(master.as_raw_fd() >= 0);
        all
    });
    let code = run.wait().expect("it ends").code();
    drop(keep);
    let all = reader.join().expect("the reader");
    (code, String::from_utf8(all).expect("text"))
}

#[test]
fn names_cannot_drive_the_terminal() {
    let sandbox = Sandbox::new();
    let name = "\x1b[31mred\x07\u{9b}\u{202e}\nline";
    sandbox.put(format!("s/{name}"), "x");
    let escaped = r"\u{1b}[31mred\u{7}\u{9b}\u{202e}\nline";
    let place = format!("s/{name}");
    for args in [
        &["ls", "s"][..],
        &["ls", "-l", "s"],
        &["tree", "s"],
        &["glob", "s/*"],
        &["hash", "-r", "s"],
        &["stat", &place],
        &["du", &place],
        &["sync", "-n", "s", "d"],
        &["check", "s", "empty"],
        &["cat", &format!("{place}missing")],
        &["rm", "-v", &format!("{place}missing")],
    ] {
        sandbox.mkdir("empty");
        let (_, all) = on_terminal(&sandbox, args, true, true);
        for raw in ["\x1b[31mred", "\x07", "\u{9b}", "\u{202e}"] {
            assert!(!all.contains(raw), "{args:?}: {all:?}");
        }
        assert!(all.contains(escaped) || args[0] == "hash", "{args:?}: {all:?}");
    }
    let (_, json) = on_terminal(&sandbox, &["ls", "--json", "s"], true, true);
    for raw in ["\x1b", "\x07", "\u{9b}", "\u{202e}"] {
        assert!(!json.contains(raw), "{json:?}");
    }
    let parsed: serde_json::Value = serde_json::from_str(json.trim()).expect("still JSON");
    assert_eq!(parsed["key"], name);
}

#[test]
fn errors_are_red_on_a_terminal_unless_no_color() {
    let sandbox = Sandbox::new();
    let (code, all) = on_terminal(&sandbox, &["cat", "missing"], false, true);
    assert!(code == Some(1) && all.contains("\x1b[31mhaul:\x1b[0m"), "{all:?}");
    for args in [&["cat", "missing"][..], &["nonsense"], &["--help"], &["ls", "--nonsense"]] {
        let (_, all) = on_terminal(&sandbox, args, true, true);
        assert!(!all.contains("\x1b["), "{args:?}: {all:?}");
    }
}

#[test]
fn progress_shows_on_a_terminal_only_and_leaves_no_trace() {
    let sandbox = Sandbox::new();
    for at in 0..4 {
        sandbox.put(format!("s/{at}"), noise(at, 12 << 20));
    }
    let (code, all) = on_terminal(&sandbox, &["sync", "s", "d"], true, false);
    assert!(code == Some(0) && all.contains("syncing"), "{all:?}");
    assert!(all.contains("copied 4 files (48.0 MiB), all verified"), "{all:?}");
    let (code, all) = on_terminal(&sandbox, &["sync", "-q", "s", "e"], true, false);
    assert_eq!((code, all.as_str()), (Some(0), ""));
}

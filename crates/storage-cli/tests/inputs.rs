//! Damaged and odd inputs: what the program answers, beside the format's ordinary tool. `docs/odd-inputs.md` is what this
//! finds; `HAUL_WRITE_PAGES=1` writes it anew.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Ran, Sandbox};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/odd-inputs.md");

/// An input, and what it means if it is whole.
struct Input {
    what: &'static str,
    data: Vec<u8>,
    meant: Vec<u8>,
}

fn input(what: &'static str, data: impl Into<Vec<u8>>, meant: impl Into<Vec<u8>>) -> Input {
    Input { what, data: data.into(), meant: meant.into() }
}

fn text() -> Vec<u8> {
    (0..2000).flat_map(|n| format!("line {n} of some text\n").into_bytes()).collect()
}

/// What a program made of its input.
fn answer(ran: &Ran, meant: &[u8]) -> String {
    let all = ran.stdout == meant;
    match (ran.code, all) {
        (Some(0), true) => "whole".into(),
        (Some(0), false) if ran.stdout.is_empty() => "**nothing, and no error**".into(),
        (Some(0), false) if meant.starts_with(&ran.stdout) => "**a part, and no error**".into(),
        (Some(0), false) => "**something else, and no error**".into(),
        _ => "error".into(),
    }
}

/// The kind of flaw that the program told, without the name of the input.
fn told(ran: &Ran) -> String {
    let kinds = [
        "not of this format",
        "unexpected end",
        "damaged",
        "trailing data",
        "more than allowed",
        "unsupported",
    ];
    let found = kinds.iter().find_map(|kind| {
        let at = ran.stderr.find(&format!("{kind} at byte "))?;
        let end = ran.stderr[at..].find(['\n', ':']).map_or(ran.stderr.len(), |end| at + end);
        Some(ran.stderr[at..end].to_owned())
    });
    found.unwrap_or_else(|| "error".into())
}

fn piped(command: &[&str], data: &[u8]) -> Option<Ran> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut stdin, data) = (child.stdin.take()?, data.to_vec());
    // It may end before it has read all.
    let feeder = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &data)));
    let ran = child.wait_with_output().ok()?;
    let _ = feeder.join();
    Some(ran.into())
}

/// The first line that tells a version, or nothing where the tool is not installed.
fn version(tool: &str) -> Option<String> {
    let ran = Command::new(tool).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = [ran.stdout, ran.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()).to_owned())
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// A table: our answers, and the tool's where it is installed.
fn table(title: &str, tool: &str, rows: &[(String, String, Option<String>)]) -> String {
    let known = version(tool).unwrap_or_default();
    let mut text = format!("\n## {title}\n\n| input | `haul` | `{tool}` {known} |\n|---|---|---|\n");
    for (what, ours, theirs) in rows {
        let _ = writeln!(text, "| {what} | {ours} | {} |", theirs.as_deref().unwrap_or("-"));
    }
    text
}

fn codec(sandbox: &Sandbox, name: &str, tool: &str) -> String {
    let packed = |plain: &[u8]| {
        let ran = sandbox.feed(["compress", "--codec", name, "-", "-"], plain).ok();
        ran.stdout
    };
    let (plain, empty) = (text(), packed(b""));
    let one = packed(&plain);
    let (length, skippable) = (one.len(), b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec());
    let changed = |at: usize| {
        let mut data = one.clone();
        data[at] ^= 0x55;
        data
    };
    let mut inputs = vec![
        input("whole", one.clone(), plain.clone()),
        input("nothing at all", b"", b""),
        input("nothing, compressed", empty.clone(), b""),
        input("two members", one.repeat(2), plain.repeat(2)),
        input("an empty member between two", [&one[..], &empty, &one].concat(), plain.repeat(2)),
        input("text behind it", [&one[..], b"and some text"].concat(), plain.clone()),
        input("zeros behind it", [&one[..], &[0; 512]].concat(), plain.clone()),
        input("text instead", plain.clone(), plain.clone()),
        input("cut after 3 bytes", &one[..3], plain.clone()),
        input("cut in the middle", &one[..length / 2], plain.clone()),
        input("cut before its last byte", &one[..length - 1], plain.clone()),
        input("a second member, cut in the middle", [&one[..], &one[..length / 2]].concat(), plain.repeat(2)),
        input("a byte changed in the middle", changed(length / 2), plain.clone()),
        input("its last byte changed", changed(length - 1), plain.clone()),
    ];
    if name == "zstd" || name == "lz4" {
        inputs.push(input("a skippable frame first", [&skippable[..], &one].concat(), plain.clone()));
        inputs.push(input("a skippable frame alone", skippable, b""));
    }
    if name == "zstd" {
        // A frame of one empty block, with a window of 2 GiB.
        inputs.push(input("a window of 2 GiB", b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0", b""));
    }
    let forced = format!("--codec={name}");
    let rows: Vec<_> = inputs
        .iter()
        .map(|input| {
            let ran = sandbox.feed(["decompress", &forced, "-", "-"], &input.data);
            let ours = match answer(&ran, &input.meant) {
                error if error == "error" => told(&ran),
                other => other,
            };
            let theirs = piped(&[tool, "-d", "-c"], &input.data).map(|ran| answer(&ran, &input.meant));
            (input.what.to_owned(), ours, theirs)
        })
        .collect();
    table(name, tool, &rows)
}

fn lines(sandbox: &Sandbox) -> String {
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70 << 20));
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("a line", b"{\"a\":1}\n".to_vec()),
        ("no line end behind the last line", b"{\"a\":1}".to_vec()),
        ("a carriage return before it", b"{\"a\":1}\r\n".to_vec()),
        ("a byte order mark first", b"\xef\xbb\xbf{\"a\":1}\n".to_vec()),
        ("a blank line between", b"{\"a\":1}\n\n{\"a\":2}\n".to_vec()),
        ("a number of 30 digits", b"{\"a\":123456789012345678901234567890}\n".to_vec()),
        ("a number with an exponent of 400", b"{\"a\":1e400}\n".to_vec()),
        ("1.50", b"{\"a\":1.50}\n".to_vec()),
        ("NaN", b"{\"a\":NaN}\n".to_vec()),
        ("a key twice", b"{\"a\":1,\"a\":2}\n".to_vec()),
        ("keys in their order", b"{\"b\":1,\"a\":2}\n".to_vec()),
        ("an escape that need not be one", b"{\"a\":\"\\u0041\"}\n".to_vec()),
        ("a lone surrogate", b"{\"a\":\"\\ud800\"}\n".to_vec()),
        ("no UTF-8", b"{\"a\":\"\xff\"}\n".to_vec()),
        ("a NUL as it is", b"{\"a\":\"\0\"}\n".to_vec()),
        ("a NUL as an escape", b"{\"a\":\"\\u0000\"}\n".to_vec()),
        ("100 lists in one another", [deep(100), b"\n".to_vec()].concat()),
        ("10,000 lists in one another", [deep(10_000), b"\n".to_vec()].concat()),
        ("cut in a line", b"{\"a\":1}\n{\"a\"".to_vec()),
        ("a line of 70 MiB", [long.into_bytes(), b"\n".to_vec()].concat()),
    ];
    let rows: Vec<_> = inputs
        .iter()
        .map(|(what, data)| {
            let checked = sandbox.feed(["records", "validate", "--format", "ndjson", "-"], data);
            let ours = match checked.code {
                // What passes through untouched, but for line ends.
                Some(0) => {
                    let through =
                        sandbox.feed(["convert", "--format", "ndjson", "--to", "ndjson", "-", "-"], data);
                    if untouched(&through, data) { "passes untouched".into() } else { answer(&through, data) }
                }
                _ => told(&checked),
            };
            let theirs = piped(&["jq", "-c", "."], data).map(|ran| match ran.code {
                Some(0) if untouched(&ran, data) => "passes untouched".to_owned(),
                Some(0) => {
                    let shown = String::from_utf8_lossy(&ran.stdout).trim_end().replace('\n', " ");
                    format!("`{}`", shown.chars().take(40).collect::<String>())
                }
                _ => "error".into(),
            });
            ((*what).to_owned(), ours, theirs)
        })
        .collect();
    table("Lines of JSON", "jq", &rows)
}

/// Whether the same lines came out, blank ones, line ends and the mark at the beginning aside.
fn untouched(ran: &Ran, data: &[u8]) -> bool {
    let lines = |data: &[u8]| -> Vec<Vec<u8>> {
        let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
        let line = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        data.split(|byte| *byte == b'\n').map(line).filter(|line| !line.is_empty()).collect()
    };
    lines(&ran.stdout) == lines(data)
}

#[test]
fn the_page_says_what_happens() {
    let sandbox = Sandbox::new();
    let mut page = String::from(
        "# Damaged and odd inputs\n\nWhat `haul decompress` and `haul records validate` answer, and what the ordinary tool does. *Whole* means that all of it came out and the exit \
         code was 0. What is decompressed to a file is published\nonly if it is whole. Written by the test `inputs` of `storage-cli`, which fails where this page is wrong.\n",
    );
    for (name, tool) in [("gzip", "gzip"), ("zstd", "zstd"), ("lz4", "lz4"), ("xz", "xz"), ("bzip2", "bzip2")]
    {
        page += &codec(&sandbox, name, tool);
    }
    page += &lines(&sandbox);
    if std::env::var_os("HAUL_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, &page).expect("the page");
    }
    let told = std::fs::read_to_string(Path::new(PAGE)).expect("the page");
    // What a tool of another version does is for whoever has it.
    let ours = |page: &str| -> Vec<String> {
        let columns = |line: &str| line.split(" | ").take(2).collect::<Vec<_>>().join(" | ");
        page.lines().map(columns).collect()
    };
    assert_eq!(ours(&told), ours(&page), "run this test with HAUL_WRITE_PAGES=1, and read what has changed");
    for (told, found) in told.split("\n## ").zip(page.split("\n## ")) {
        let head = |table: &str| table.lines().find(|line| line.starts_with("| input")).map(str::to_owned);
        if head(told) == head(found) {
            assert_eq!(told, found, "run this test with HAUL_WRITE_PAGES=1, and read what has changed");
        }
    }
}

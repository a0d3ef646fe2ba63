//! Trees to S3 and back: a store without directories, links, permissions and times of its own.

mod common;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use common::Sandbox;
use common::s3::needs_s3;
use common::tree::{leftovers, noise};
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = vec![
        needs_s3("there_and_back", there_and_back),
        needs_s3("a_second_sync_copies_nothing", second),
        needs_s3("links_are_told_with_what_to_do", links),
        needs_s3("what_is_not_there_is_an_error", not_there),
        needs_s3("single_objects", single),
        needs_s3("delete_and_cleanup", deleting),
        needs_s3("wildcards_and_copies_by_the_service", wildcards),
        needs_s3("a_killed_upload_goes_on", killed_upload),
        needs_s3("a_killed_upload_goes_on_part_by_part", killed_upload_in_order),
        needs_s3("a_killed_move_goes_on", killed_move),
        needs_s3("a_killed_download_goes_on", killed_download),
        needs_s3("objects_that_mark_directories", marked),
        needs_s3("another_source_is_sent_from_its_beginning", other_source),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A small tree that was not written just now: S3 tells its times in seconds.
fn small(sandbox: &Sandbox) {
    let then = SystemTime::now() - Duration::from_secs(60);
    for (name, content) in [("s/a", "one"), ("s/sub/b", "two"), ("s/sub/deeper/c", "")] {
        let path = sandbox.put(name, content);
        std::fs::File::open(path).and_then(|file| file.set_modified(then)).expect("its time");
    }
    sandbox.mkdir("s/empty");
}

fn there_and_back(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.run(["sync", "s", "s3:t"]).ok().tells("copied 3 files").tells("all verified");
    sandbox.run(["check", "s", "s3:t"]).ok();
    sandbox.run(["sync", "s3:t", "back"]).ok();
    // A directory without anything in it has no key.
    assert_eq!(sandbox.run(["check", "s", "back"]).ends(1).out(), "+ empty/\n");
    assert!(sandbox.exists("back/sub/deeper/c") && !sandbox.exists("back/empty"));
    sandbox.run(["sync", "s3:t", "back"]).ok().tells("copied 0 files (0 B), 3 unchanged");
}

fn second(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.run(["sync", "s", "s3:t"]).ok();
    sandbox.run(["sync", "s", "s3:t"]).ok().tells("copied 0 files (0 B), 3 unchanged");
    sandbox.run(["sync", "--checksum", "s", "s3:t"]).ok().tells("copied 0 files");
    sandbox.put("s/a", "1st");
    sandbox.run(["sync", "s", "s3:t"]).ok().tells("copied 1 file");
    assert_eq!(sandbox.run(["cat", "s3:t/a"]).ok().out(), "1st");
}

fn links(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.link("a", "s/link");
    let ran = sandbox.run(["sync", "s", "s3:t"]).ends(1);
    ran.tells("`link`").tells("holds no symlinks").tells("--links skip").tells("copied 3 files");
    sandbox.run(["cp", "-r", "s", "s3:u"]).ends(1).tells("--links skip");
    sandbox.run(["sync", "--links", "skip", "s", "s3:t"]).ok();
    sandbox.run(["check", "--links", "skip", "s", "s3:t"]).ok();
    sandbox.run(["sync", "--links", "follow", "s", "s3:t"]).ok();
    assert_eq!(sandbox.run(["cat", "s3:t/link"]).ok().out(), "one");
}

fn not_there(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.run(["sync", "s", "s3:t"]).ok();
    for args in
        [&["ls", "s3:no"][..], &["stat", "s3:no"], &["rm", "s3:no"], &["rm", "-r", "s3:no"], &["du", "s3:no"]]
    {
        sandbox.run(args).ends(1).tells("`s3:no`").tells("not found");
    }
    sandbox.run(["rm", "-rf", "s3:no"]).ok();
    sandbox.run(["sync", "s3:no", "new/dir"]).ends(2).tells("nothing at the source");
    assert!(!sandbox.exists("new"));
    sandbox.run(["sync", "--delete", "s3:no", "s"]).ends(2).tells("the source is empty");
    assert!(sandbox.exists("s/a"));
    sandbox.run(["ls", "s3:"]).ok();
    sandbox.run(["rm", "s3:t"]).ends(1).tells("delete it with -r");
}

fn single(sandbox: &Sandbox) {
    sandbox.put("f", "content");
    sandbox.run(["put", "f", "s3:dir/k"]).ok();
    sandbox.run(["cp", "f", "s3:dir/"]).ok();
    sandbox.run(["cp", "s3:dir/f", "copy"]).ok();
    assert_eq!(sandbox.read("copy"), b"content");
    sandbox.run(["mv", "s3:dir/f", "s3:dir/g"]).ok();
    assert_eq!(sandbox.run(["ls", "-r", "s3:"]).ok().lines(), ["dir/g", "dir/k"]);
    sandbox.run(["put", "f", "s3:dir/"]).ends(2).tells("this names a directory");
    sandbox.run(["mkdir", "s3:made"]).ends(1).tells("no directories of its own");
    let url = sandbox.run(["presign", "s3:dir/k"]).ok();
    assert!(url.out().contains("/dir/k?"), "{url:?}");
}

fn deleting(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.run(["sync", "s", "s3:t"]).ok();
    sandbox.run(["put", "s/a", "s3:t/extra"]).ok();
    let plan = sandbox.run(["sync", "-n", "--delete", "s", "s3:t"]).ok();
    assert_eq!(plan.out(), "- extra\n");
    sandbox.run(["sync", "--delete", "s", "s3:t"]).ok();
    sandbox.run(["check", "s", "s3:t"]).ok();
    sandbox.run(["cleanup", "s3:"]).ok();
    sandbox.run(["config", "check", "s3"]).ok();
    sandbox.run(["rm", "-r", "s3:t"]).ok();
    assert_eq!(sandbox.run(["ls", "-r", "s3:"]).ok().out(), "");
}

fn wildcards(sandbox: &Sandbox) {
    small(sandbox);
    sandbox.run(["sync", "s", "s3:t"]).ok();
    sandbox.run(["cp", "s3:t/**/[ab]", "s3:u/"]).ok().tells("copied 2 files").tells("all verified");
    assert_eq!(sandbox.run(["ls", "s3:u"]).ok().out(), "a\nb\n");
    sandbox.run(["cp", "s3:u/*", "d/"]).ok().tells("copied 2 files");
    assert_eq!(sandbox.read("d/b"), b"two");
    no_byte_passes(sandbox, &["sync", "-q", "s3:t", "s3:v"]);
    sandbox.run(["check", "s3:t", "s3:v"]).ok();
    no_byte_passes(sandbox, &["cp", "-q", "s3:t/a", "s3:w"]);
    assert_eq!(sandbox.run(["cat", "s3:w"]).ok().out(), "one");
}

/// Web consoles and other tools leave an empty object for a folder, whose name ends in a slash.
fn marked(sandbox: &Sandbox) {
    for (name, content) in [("s/a", "one"), ("s/sub/b", "two")] {
        sandbox.put(name, content);
    }
    sandbox.run(["sync", "s", "s3:t"]).ok();
    common::s3::put("objects_that_mark_directories", &["t/"]);
    for place in ["s3:t", "s3:t/"] {
        assert_eq!(sandbox.run(["ls", place]).ok().lines(), ["a", "sub/"]);
        assert_eq!(sandbox.run(["ls", "-r", place]).ok().lines(), ["a", "sub/b"]);
    }
    sandbox.run(["cp", "-r", "s3:t/", "x"]).ok();
    sandbox.run(["sync", "s3:t/", "y"]).ok();
    for copy in ["x", "y"] {
        assert_eq!(sandbox.read(format!("{copy}/a")), b"one");
        assert_eq!(sandbox.read(format!("{copy}/sub/b")), b"two");
    }
    sandbox.run(["rm", "-r", "s3:t/"]).ok();
    sandbox.run(["cat", "s3:t/a"]).ends(1);
    common::s3::put("objects_that_mark_directories", &["u/", "u/v/", "u/w/", "u/w/x/"]);
    sandbox.put("s/a", "one");
    sandbox.run(["cp", "s/a", "s3:u/w/a"]).ok();
    for _ in 0..2 {
        sandbox.run(["sync", "s3:u", "z"]).ok();
        assert!(sandbox.exists("z/v") && sandbox.exists("z/w/x") && sandbox.read("z/w/a") == b"one");
    }
    sandbox.run(["rm", "-r", "s3:u"]).ok();
    // The server forgets what was a directory in its own time.
    assert_eq!(sandbox.run(["ls", "-r", "s3:u"]).out(), "");
}

/// Runs `args` under a limit that lets none through: what needs one waits for ever, and is given up.
fn no_byte_passes(sandbox: &Sandbox, args: &[&str]) {
    let mut child = sandbox.command(args).args(["--limit-rate", "0"]).spawn().expect("the program runs");
    for _ in 0..600 {
        if let Some(ended) = child.try_wait().expect("it runs") {
            return assert!(ended.success(), "{args:?}: {ended}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().expect("it runs");
    panic!("bytes pass through the program: {args:?}");
}

const LARGE: usize = 96 << 20;

/// Runs `args` and kills the program once its journal tells of so many parts.
fn kill_at(sandbox: &Sandbox, args: &[&str], parts: usize) {
    let mut child = sandbox.command(args).spawn().expect("the program runs");
    while journal(sandbox) < parts {
        assert!(child.try_wait().expect("it runs").is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

/// How many parts are written down.
fn journal(sandbox: &Sandbox) -> usize {
    let Ok(entries) = std::fs::read_dir(sandbox.at(common::STATE).join("haul/transfers")) else { return 0 };
    let lines = |path| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
    entries.map(|entry| lines(entry.expect("an entry").path()).saturating_sub(1)).sum()
}

/// Bytes that were sent or fetched by a run, from what it tells.
fn moved(ran: &common::Ran) -> Vec<u64> {
    let lines = ran.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| line["bytes"].as_u64()).collect()
}

/// No part of an upload stands in the bucket.
fn nothing_is_left(sandbox: &Sandbox) {
    let ran = sandbox.run(["cleanup", "s3:", "-o", "cleanup_age=0s"]).ok();
    assert!(ran.out().starts_with("removed 0 "), "{ran:?}");
}

fn killed_upload(sandbox: &Sandbox) {
    let content = noise(1, LARGE);
    sandbox.put("s", &content);
    let args = ["cp", "-q", "s", "s3:big", "--streams", "2", "--limit-rate", "64M"];
    kill_at(sandbox, &args, 3);
    let before = journal(sandbox);
    kill_at(sandbox, &args, before + 2);
    let taken = journal(sandbox);
    assert!(taken >= 5, "{taken}");
    let ran = sandbox.run(["cp", "-q", "s", "s3:big", "--progress=json"]).ok();
    assert_eq!(moved(&ran).last(), Some(&(LARGE as u64)), "{ran:?}");
    assert_eq!(journal(sandbox), 0);
    sandbox.run(["cp", "-q", "s3:big", "back"]).ok();
    assert!(sandbox.read("back") == content);
    nothing_is_left(sandbox);
}

fn killed_upload_in_order(sandbox: &Sandbox) {
    let content = noise(5, LARGE);
    sandbox.put("s", &content);
    let args = ["cp", "-q", "s", "s3:big", "--streams", "1", "--limit-rate", "64M"];
    kill_at(sandbox, &args, 3);
    sandbox.run(["cp", "-q", "s", "s3:big", "--streams", "1"]).ok();
    assert_eq!(journal(sandbox), 0);
    sandbox.run(["cp", "-q", "s3:big", "back"]).ok();
    assert!(sandbox.read("back") == content);
    nothing_is_left(sandbox);
}

/// The source goes once all of it is at the destination, and not before.
fn killed_move(sandbox: &Sandbox) {
    let content = noise(6, LARGE);
    sandbox.put("s", &content);
    kill_at(sandbox, &["mv", "-q", "s", "s3:big", "-o", "limit_rate=64M"], 3);
    assert!(sandbox.read("s") == content);
    sandbox.run(["mv", "-q", "s", "s3:big"]).ok();
    assert!(!sandbox.exists("s") && journal(sandbox) == 0);
    nothing_is_left(sandbox);
    kill_at(sandbox, &["mv", "-q", "s3:big", "back", "-o", "limit_rate=64M"], 20);
    sandbox.run(["mv", "-q", "s3:big", "back"]).ok();
    assert!(sandbox.read("back") == content);
    sandbox.run(["cat", "s3:big"]).ends(1);
}

fn killed_download(sandbox: &Sandbox) {
    let content = noise(2, LARGE);
    sandbox.put("s", &content);
    sandbox.run(["cp", "-q", "s", "s3:big"]).ok();
    sandbox.put("d/big", "old");
    let args = ["cp", "-q", "s3:big", "d/big", "--streams", "2", "--limit-rate", "64M"];
    kill_at(sandbox, &args, 20);
    assert_eq!(sandbox.read("d/big"), b"old");
    assert_eq!(leftovers(&sandbox.at("d")).len(), 1);
    sandbox.run(["cp", "-q", "s3:big", "d/big"]).ok();
    assert!(sandbox.read("d/big") == content);
    assert_eq!((leftovers(&sandbox.at("d")).len(), journal(sandbox)), (0, 0));
}

fn other_source(sandbox: &Sandbox) {
    sandbox.put("s", noise(3, LARGE));
    let args = ["cp", "-q", "s", "s3:big", "--streams", "2", "--limit-rate", "64M"];
    kill_at(sandbox, &args, 3);
    let content = noise(4, LARGE);
    sandbox.put("s", &content);
    sandbox.run(["cp", "-q", "s", "s3:big"]).ok();
    sandbox.run(["cp", "-q", "s3:big", "back"]).ok();
    assert!(sandbox.read("back") == content);
    nothing_is_left(sandbox);
    // Damage to what was staged is found, and that part fetched again.
    let args = ["cp", "-q", "s3:big", "d/big", "--streams", "2", "--limit-rate", "64M"];
    kill_at(sandbox, &args, 20);
    let [staged] = &leftovers(&sandbox.at("d"))[..] else { panic!("one staged file") };
    let file =
        std::fs::File::options().write(true).open(sandbox.at("d").join(staged)).expect("the staged file");
    std::os::unix::fs::FileExt::write_all_at(&file, b"damage", 5_000).expect("it is written to");
    drop(file);
    sandbox.run(["cp", "-q", "s3:big", "d/big"]).ok();
    assert!(sandbox.read("d/big") == content);
}

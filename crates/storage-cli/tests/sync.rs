//! What `haul sync` promises.

mod common;

use std::os::unix::fs::MetadataExt;

use common::tree::{assert_same, leftovers, noise, set_mode, set_modified, tree};
use common::{Ran, Sandbox};
use serde_json::json;

/// The source `s`: files, links, empty directories, odd modes and times.
fn source() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.put("s/a", "content of a");
    sandbox.put("s/d/b", "content of b");
    sandbox.put("s/d/e/c", "");
    sandbox.put("s/d-e", "between `d` and `d/` in no order");
    sandbox.mkdir("s/empty/below");
    sandbox.link("../a", "s/d/link");
    sandbox.link("nowhere", "s/dangling");
    sandbox.link("/etc/hostname", "s/outside");
    sandbox.link("d", "s/way");
    set_mode(&sandbox.at("s/a"), 0o4751);
    set_mode(&sandbox.at("s/d/b"), 0o400);
    set_mode(&sandbox.at("s/d/e"), 0o1777);
    set_mode(&sandbox.at("s/empty"), 0o700);
    for (at, name) in
        ["s/a", "s/d/b", "s/d/e/c", "s/d/e", "s/d", "s/empty/below", "s/empty"].iter().enumerate()
    {
        set_modified(&sandbox.at(name), 1_000_000_000_123_456_789 + at as u64 * 1_000_000_001);
    }
    sandbox
}

fn sync(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.run(["sync", "s", "d", "--no-fsync"].iter().chain(more))
}

/// A second run has nothing to do, and says so.
#[track_caller]
fn settled(sandbox: &Sandbox, more: &[&str]) {
    let summary = sync(sandbox, &[&["--json"], more].concat()).ok().summary();
    for nothing in ["copied", "updated", "created_dirs", "deleted", "failed", "cleaned"] {
        assert_eq!(summary[nothing], json!(0), "{nothing}: {summary}");
    }
}

fn events(ran: &Ran, event: &str) -> Vec<String> {
    let mut names: Vec<String> = ran
        .json()
        .iter()
        .filter(|o| o["event"] == event)
        .map(|o| o["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_destination_becomes_the_source() {
    let sandbox = source();
    let ran = sync(&sandbox, &[]).ok();
    assert!(ran.stdout.is_empty());
    ran.tells("copied 8 files").tells("all verified");
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn durable_writes_give_the_same() {
    let sandbox = source();
    sandbox.run(["sync", "s", "d"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn every_change_is_carried_over() {
    let sandbox = source();
    sync(&sandbox, &[]).ok();
    sandbox.put("s/a", "longer content of a than before");
    sandbox.put("s/d/b2", "new");
    sandbox.mkdir("s/empty/below/further");
    set_mode(&sandbox.at("s/d/e/c"), 0o600);
    set_mode(&sandbox.at("s/d"), 0o711);
    std::fs::remove_file(sandbox.at("s/way")).expect("the link");
    sandbox.link("empty", "s/way");
    let ran = sync(&sandbox, &["--json"]).ok();
    assert_eq!(events(&ran, "copied"), ["a", "d/b2", "way"]);
    assert_eq!(events(&ran, "created_dir"), ["empty/below/further/"]);
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
}

#[test]
fn a_file_becomes_a_link_and_a_link_a_file() {
    let sandbox = source();
    sync(&sandbox, &[]).ok();
    for (name, target) in [("s/a", None), ("s/way", Some("content"))] {
        std::fs::remove_file(sandbox.at(name)).expect("it is there");
        match target {
            None => drop(sandbox.link("d/b", name)),
            Some(content) => drop(sandbox.put(name, content)),
        }
    }
    sync(&sandbox, &[]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(sandbox.read("d/d/b"), b"content of b", "nothing was written through the link");
}

#[test]
fn nothing_is_deleted_unasked() {
    let sandbox = source();
    sandbox.put("d/extra/file", "mine");
    sandbox.link("nowhere", "d/extra/link");
    sandbox.mkdir("d/more");
    let summary = sync(&sandbox, &["--json"]).ok().summary();
    assert_eq!((&summary["extra"], &summary["deleted"]), (&json!(4), &json!(0)));
    assert_eq!(sandbox.read("d/extra/file"), b"mine");
    assert!(sandbox.exists("d/extra/link") && sandbox.exists("d/more"));
}

#[test]
fn delete_removes_what_the_source_has_not() {
    let sandbox = source();
    sync(&sandbox, &[]).ok();
    sandbox.put("kept/file", "outside");
    sandbox.put("d/extra/deep/file", "mine");
    sandbox.put("d/d/extra", "mine");
    sandbox.link("../kept", "d/to-kept");
    let ran = sync(&sandbox, &["--delete", "--json"]).ok();
    assert_eq!(events(&ran, "deleted"), ["d/extra", "extra/", "extra/deep/", "extra/deep/file", "to-kept"]);
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(sandbox.read("kept/file"), b"outside");
    settled(&sandbox, &["--delete"]);
}

/// A failed copy: nothing is deleted, and the run says so and ends with 1. The rest is copied.
#[test]
fn a_failed_item_stops_deleting() {
    let sandbox = source();
    sandbox.put("d/extra", "mine");
    sandbox.put("d/a/in the way", "mine");
    sandbox.mkdir("s/bad");
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.at("s/bad/fifo"), 0o600.into()).expect("a FIFO");
    let ran = sync(&sandbox, &["--delete"]).ends(1).tells("bad/fifo").tells("left out because of failures");
    ran.tells("1 failed");
    assert_eq!(sandbox.read("d/extra"), b"mine");
    assert_eq!(sandbox.read("d/a/in the way"), b"mine");
    assert_eq!(sandbox.read("d/d/b"), b"content of b");
    std::fs::remove_file(sandbox.at("s/bad/fifo")).expect("the FIFO");
    sync(&sandbox, &["--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let sandbox = source();
    sync(&sandbox, &[]).ok();
    sandbox.put("d/extra", "mine");
    sandbox.put("s/a", "another content");
    sandbox.put("s/new/file", "new");
    set_mode(&sandbox.at("s/d/e/c"), 0o600);
    let before = tree(&sandbox.at("d"));
    let plan = sync(&sandbox, &["--delete", "--dry-run"]).ok().tells("would copy 2 files");
    let mut lines: Vec<String> = plan.lines().into_iter().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["* a", "+ new/", "+ new/file", "- extra", "~ d/e/c"]);
    assert_eq!(tree(&sandbox.at("d")), before);
    let real = sync(&sandbox, &["--delete", "--verbose"]).ok();
    let mut done: Vec<String> = real.lines().into_iter().map(str::to_owned).collect();
    done.sort();
    assert_eq!(lines, done, "the plan is what is done");
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn a_dry_run_to_a_missing_destination_prints_the_plan_too() {
    let sandbox = source();
    let mut plan = sync(&sandbox, &["-n", "--json"]).ok().json();
    assert!(!sandbox.exists("d"));
    let mut done = sync(&sandbox, &["--json"]).ok().json();
    let brief = |o: &serde_json::Value| format!("{} {}", o["event"], o["name"]);
    for list in [&mut plan, &mut done] {
        list.sort_by_cached_key(brief);
    }
    assert_eq!(plan.iter().map(brief).collect::<Vec<_>>(), done.iter().map(brief).collect::<Vec<_>>());
}

#[test]
fn size_and_time_decide_unless_told_otherwise() {
    let sandbox = Sandbox::new();
    for (side, content) in [("s", "aaaa"), ("d", "aaab")] {
        set_modified(&sandbox.put(format!("{side}/f"), content), 1_000_000_000_000_000_000);
    }
    settled(&sandbox, &[]);
    assert_eq!(sandbox.read("d/f"), b"aaab");
    let ran = sync(&sandbox, &["--checksum", "--json"]).ok();
    assert_eq!(events(&ran, "copied"), ["f"]);
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &["--checksum"]);
}

/// An older source of the same size is a difference too.
#[test]
fn an_older_source_is_copied() {
    let sandbox = Sandbox::new();
    set_modified(&sandbox.put("s/f", "old1"), 1_000_000_000_000_000_000);
    sandbox.put("d/f", "new1");
    sync(&sandbox, &[]).ok();
    assert_eq!(sandbox.read("d/f"), b"old1");
}

#[test]
fn equal_content_with_another_time_is_not_copied_by_checksum() {
    let sandbox = Sandbox::new();
    set_modified(&sandbox.put("s/f", "same"), 1_000_000_000_000_000_000);
    sandbox.put("d/f", "same");
    let inode = sandbox.at("d/f").metadata().expect("it is there").ino();
    let summary = sync(&sandbox, &["--checksum", "--json"]).ok().summary();
    assert_eq!((&summary["copied"], &summary["updated"]), (&json!(0), &json!(1)));
    assert_eq!(sandbox.at("d/f").metadata().expect("it is there").ino(), inode);
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn times_before_1970_are_kept() {
    let sandbox = Sandbox::new();
    let file = sandbox.put("s/f", "old");
    let time = std::time::UNIX_EPOCH - std::time::Duration::from_millis(86_400_500);
    std::fs::File::open(&file).and_then(|f| f.set_modified(time)).expect("its time");
    sync(&sandbox, &[]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
}

#[test]
fn a_missing_source_is_fatal_and_touches_nothing() {
    let sandbox = Sandbox::new();
    sandbox.put("d/f", "mine");
    for more in [&[][..], &["--delete"], &["--delete", "--allow-empty-source"]] {
        sync(&sandbox, more).ends(2).tells("not found");
    }
    sandbox.run(["sync", "s", "new"]).ends(2);
    assert!(sandbox.exists("d/f") && !sandbox.exists("new"));
}

#[test]
fn a_file_as_source_or_destination_is_fatal() {
    let sandbox = Sandbox::new();
    sandbox.put("file", "x");
    sandbox.put("s/f", "x");
    sandbox.run(["sync", "--delete", "file", "s"]).ends(2).tells("not a directory");
    sandbox.run(["sync", "--delete", "s", "file"]).ends(2).tells("file");
    assert_eq!((sandbox.read("file"), sandbox.read("s/f")), (b"x".to_vec(), b"x".to_vec()));
}

#[test]
fn an_empty_source_empties_only_on_request() {
    let sandbox = Sandbox::new();
    sandbox.mkdir("s");
    sandbox.put("d/f", "mine");
    sync(&sandbox, &["--delete"]).ends(2).tells("the source is empty");
    sync(&sandbox, &["--delete", "-n"]).ends(2);
    sync(&sandbox, &[]).ok();
    assert!(sandbox.exists("d/f"));
    sync(&sandbox, &["--delete", "--allow-empty-source"]).ok();
    assert!(!sandbox.exists("d/f") && sandbox.exists("d"), "the root itself stays");
}

/// What is hidden by the policy on links does not make a source less empty.
#[test]
fn a_source_of_skipped_links_is_empty() {
    let sandbox = Sandbox::new();
    sandbox.link("x", "s/link");
    sandbox.put("d/f", "mine");
    sync(&sandbox, &["--delete", "--links", "skip"]).ends(2).tells("the source is empty");
    assert!(sandbox.exists("d/f"));
}

#[test]
fn overlapping_places_are_refused() {
    let sandbox = source();
    sandbox.link("s", "alias");
    let before = tree(&sandbox.at("s"));
    let url = format!("file://{}/s/d", sandbox.path().display());
    for (from, to) in [
        ("s", "s"),
        ("s", "s/d"),
        ("s/d", "s"),
        ("s", "alias"),
        ("alias/d", "s"),
        ("s", "s/new/deep"),
        ("s", "d/../s/new"),
        ("s", "missing/../s/new"),
        ("s", &url),
        (".", "s"),
    ] {
        for more in [&["--delete"][..], &[]] {
            sandbox.run(["sync", from, to].iter().chain(more)).ends(2).tells("overlap");
        }
    }
    assert_eq!(tree(&sandbox.at("s")), before);
}

#[test]
fn names_that_begin_alike_do_not_overlap() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    sandbox.run(["sync", "s", "s2"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("s2"));
}

#[test]
fn a_directory_in_the_place_of_a_file() {
    let sandbox = source();
    sandbox.put("d/a/deep/file", "mine");
    sandbox.mkdir("d/dangling");
    let ran = sync(&sandbox, &[]).ends(1).tells("`a`").tells("stands in its place").tells("2 failed");
    assert!(!ran.stderr.contains("already exists: already exists"), "{ran:?}");
    assert_eq!(sandbox.read("d/a/deep/file"), b"mine");
    assert!(sandbox.at("d/dangling").is_dir(), "an obstacle stays unless --delete");
    assert_eq!(sandbox.read("d/d/b"), b"content of b", "the rest is done");
    sync(&sandbox, &["--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &["--delete"]);
}

#[test]
fn a_file_in_the_place_of_a_directory() {
    let sandbox = source();
    sandbox.put("kept/file", "outside");
    sandbox.put("d/d", "mine");
    sandbox.link("../kept", "d/empty");
    let ran = sync(&sandbox, &["--json"]).ends(1).tells("stands in its place");
    let failed = events(&ran, "failed");
    assert_eq!(failed, ["d/", "d/b", "d/e/", "d/e/c", "d/link", "empty/", "empty/below/"]);
    assert_eq!(sandbox.read("d/d"), b"mine");
    assert!(sandbox.at("d/empty").is_symlink());
    sync(&sandbox, &["--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(sandbox.read("kept/file"), b"outside");
    settled(&sandbox, &["--delete"]);
}

#[test]
fn a_dry_run_sees_conflicts() {
    let sandbox = source();
    sandbox.put("d/a/deep/file", "mine");
    sandbox.put("d/d", "mine");
    let before = tree(&sandbox.at("d"));
    sync(&sandbox, &["-n"]).ends(1).tells("stands in its place");
    let plan = sync(&sandbox, &["-n", "--delete"]).ok();
    assert_eq!(tree(&sandbox.at("d")), before);
    let deletions = plan.lines().iter().filter(|l| l.starts_with('-')).count();
    assert_eq!(deletions, 4, "{plan:?}");
}

#[test]
fn read_only_directories_are_copied_and_stay_so() {
    let sandbox = Sandbox::new();
    sandbox.put("s/locked/below/file", "x");
    set_mode(&sandbox.at("s/locked/below"), 0o555);
    set_mode(&sandbox.at("s/locked"), 0o555);
    sync(&sandbox, &[]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
    for side in ["s", "d"] {
        for name in ["locked", "locked/below"] {
            set_mode(&sandbox.at(side).join(name), 0o755);
        }
    }
}

#[test]
fn hard_links_become_files_of_their_own() {
    let sandbox = Sandbox::new();
    sandbox.put("s/a", "content");
    std::fs::hard_link(sandbox.at("s/a"), sandbox.at("s/b")).expect("a hard link");
    sync(&sandbox, &[]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
}

/// Replacing one name of a file leaves its other names alone.
#[test]
fn a_hard_link_at_the_destination_is_parted() {
    let sandbox = Sandbox::new();
    sandbox.put("s/a", "new content");
    sandbox.put("d/a", "old");
    std::fs::hard_link(sandbox.at("d/a"), sandbox.at("backup")).expect("a hard link");
    sync(&sandbox, &[]).ok();
    assert_eq!((sandbox.read("d/a"), sandbox.read("backup")), (b"new content".to_vec(), b"old".to_vec()));
}

#[test]
fn sparse_files_keep_their_content_and_on_request_their_holes() {
    let sandbox = Sandbox::new();
    sandbox.mkdir("s");
    let file = std::fs::File::create(sandbox.at("s/f")).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 5 << 20).expect("its middle");
    file.set_len(12 << 20).expect("its length");
    sync(&sandbox, &["--sparse"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    let blocks = sandbox.at("d/f").metadata().expect("it is there").blocks();
    assert!(blocks * 512 < 4 << 20, "{blocks} blocks");
    sandbox.run(["sync", "s", "dense", "--no-fsync"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("dense"));
}

#[test]
fn a_large_file_is_whole() {
    let sandbox = Sandbox::new();
    sandbox.put("s/large", noise(3, (30 << 20) + 17));
    let summary = sync(&sandbox, &["--json"]).ok().summary();
    assert_eq!(summary["verified"], json!(1));
    assert!(sandbox.read("s/large") == sandbox.read("d/large"));
    settled(&sandbox, &[]);
}

#[test]
fn many_small_files_in_one_directory() {
    let sandbox = Sandbox::new();
    for at in 0..2_500 {
        sandbox.put(format!("s/{at}"), at.to_string());
    }
    sandbox.put("d/extra", "x");
    sync(&sandbox, &["--delete"]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

#[test]
fn links_are_followed_or_skipped_on_request() {
    let sandbox = Sandbox::new();
    sandbox.put("s/d/f", "content");
    sandbox.link("d", "s/way");
    sandbox.link("d/f", "s/link");
    sync(&sandbox, &["--links", "follow"]).ok();
    assert_eq!(sandbox.read("d/way/f"), b"content");
    assert!(!sandbox.at("d/link").is_symlink() && !sandbox.at("d/way").is_symlink());
    settled(&sandbox, &["--links", "follow"]);
    sandbox.run(["sync", "s", "skipped", "--links", "skip"]).ok();
    assert!(!sandbox.exists("skipped/link") && !sandbox.exists("skipped/way"));
    assert_eq!(sandbox.read("skipped/d/f"), b"content");
}

#[test]
fn leftovers_of_a_killed_run_are_removed() {
    let sandbox = source();
    sandbox.put("d/.haul-0123456789abcdef.tmp", "half");
    sandbox.put("d/d/.haul-0123456789abcdef.tmp", "half");
    assert_eq!(sync(&sandbox, &["--json", "-n"]).ok().summary()["cleaned"], json!(0));
    assert_eq!(leftovers(&sandbox.at("d")).len(), 2, "a dry run removes nothing");
    assert_eq!(sync(&sandbox, &["--json"]).ok().summary()["cleaned"], json!(2));
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
}

/// Two runs into one destination do not take each other's unfinished files for leftovers. What one of them wrote and
/// the other replaced before it was verified is an error of that item, not a success.
#[test]
fn two_runs_at_once() {
    let sandbox = Sandbox::new();
    for at in 0..200 {
        sandbox.put(format!("s/{}/{at}", at % 7), noise(at, 20_000));
    }
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let mut command = sandbox.command(["sync", "s", "d", "--no-fsync", "--json"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().expect("the program runs")
        })
        .collect();
    for run in runs {
        let ran = Ran::from(run.wait_with_output().expect("it ends"));
        let failed = ran.summary()["failed"].as_u64().expect("a number");
        assert_eq!(ran.code, Some(i32::from(failed > 0)), "{ran:?}");
        assert_eq!(ran.stderr.matches("the ETag is another one").count() as u64, failed, "{ran:?}");
    }
    assert_eq!(leftovers(&sandbox.at("d")).len(), 0);
    sync(&sandbox, &[]).ok();
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    settled(&sandbox, &[]);
}

/// A directory that few may enter is never open to many, not even while it is filled.
#[test]
fn a_private_directory_is_private_from_the_start() {
    let sandbox = Sandbox::new();
    sandbox.put("s/private/secret", noise(1, 24 << 20));
    set_mode(&sandbox.at("s/private"), 0o700);
    let mut run = sandbox.command(["sync", "-q", "s", "d", "--no-fsync"]).spawn().expect("the program runs");
    let mut seen = std::collections::BTreeSet::new();
    while run.try_wait().expect("it runs").is_none() {
        if std::fs::read_dir(sandbox.at("d/private")).is_ok_and(|mut d| d.next().is_some())
            && let Ok(found) = sandbox.at("d/private").metadata()
        {
            seen.insert(found.mode() & 0o7777);
        }
    }
    assert_eq!(Vec::from_iter(seen), [0o700]);
}

/// A destination that is made is a copy of the source itself too; one that was there keeps its own permissions.
#[test]
fn a_destination_that_is_made_is_like_the_source() {
    let sandbox = Sandbox::new();
    sandbox.put("s/secret", "x");
    set_mode(&sandbox.at("s"), 0o700);
    set_modified(&sandbox.at("s"), 1_000_000_000_000_000_000);
    set_mode(&sandbox.mkdir("there"), 0o711);
    sync(&sandbox, &[]).ok();
    sandbox.run(["sync", "s", "there"]).ok();
    let stat = |name: &str| {
        let found = sandbox.at(name).metadata().expect("it is there");
        (found.mode() & 0o7777, found.mtime())
    };
    assert_eq!(stat("d"), stat("s"));
    assert_eq!(stat("there").0, 0o711);
}

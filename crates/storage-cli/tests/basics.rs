//! Every command: its happy path, its main errors, its output for programs.

mod common;

use common::{Sandbox, haul};
use serde_json::json;

/// A small tree: `t/a` (3 bytes), `t/d/b` (5 bytes), `t/d/link -> b`, `t/empty/`.
fn small() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.put("t/a", "one");
    sandbox.put("t/d/b", "three");
    sandbox.link("b", "t/d/link");
    sandbox.mkdir("t/empty");
    sandbox
}

fn names(objects: &[serde_json::Value], field: &str) -> Vec<String> {
    objects.iter().filter_map(|o| o[field].as_str().map(str::to_owned)).collect()
}

#[test]
fn version_and_help_are_data() {
    let ran = common::Ran::of(haul().arg("--version")).ok().silent();
    assert_eq!(ran.out(), format!("haul {}\n", env!("CARGO_PKG_VERSION")));
    let help = common::Ran::of(haul().arg("--help")).ok().silent();
    for command in ["ls", "sync", "check", "cleanup"] {
        assert!(help.out().contains(command), "{command} is missing in the help");
    }
}

#[test]
fn usage_errors_end_with_two() {
    for wrong in [
        &["nonsense"][..],
        &["ls", "--nonsense"],
        &["cp", "only-one"],
        &["cat", "-r", "9..3", "x"],
        &["cat", "-r", "x", "x"],
        &["hash", "-a", "rot13", "x"],
        &["sync", "only-one"],
        &["put", "--expect", "sha256:zz", "-", "x"],
        &[],
    ] {
        let ran = common::Ran::of(haul().args(wrong)).ends(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{wrong:?}: {ran:?}");
    }
}

#[test]
fn ls_lists_a_level_in_key_order() {
    let sandbox = small();
    assert_eq!(sandbox.run(["ls", "t"]).ok().silent().lines(), ["a", "d/", "empty/"]);
    assert_eq!(sandbox.run(["ls", "-r", "t"]).ok().lines(), ["a", "d/", "d/b", "d/link", "empty/"]);
    assert_eq!(sandbox.run(["ls", "-0", "t"]).ok().out(), "a\0d/\0empty/\0");
    assert_eq!(sandbox.run(["ls", "t/a"]).ok().lines(), ["t/a"]);
    let url = format!("file://{}", sandbox.at("t").display());
    assert_eq!(sandbox.run(["ls", &url]).ok().lines(), ["a", "d/", "empty/"]);
    let here = common::Ran::of(sandbox.command(["ls"]).current_dir(sandbox.at("t"))).ok();
    assert_eq!(here.lines(), ["a", "d/", "empty/"]);
}

#[test]
fn ls_follows_preserves_and_skips_links() {
    let sandbox = small();
    sandbox.link("d", "t/way");
    let ls = |links: &str| sandbox.run(["ls", "-r", "--links", links, "t"]).ok().out().to_owned();
    assert_eq!(ls("preserve"), "a\nd/\nd/b\nd/link\nempty/\nway\n");
    assert_eq!(ls("skip"), "a\nd/\nd/b\nempty/\n");
    assert_eq!(ls("follow"), "a\nd/\nd/b\nd/link\nempty/\nway/\nway/b\nway/link\n");
}

#[test]
fn ls_long_shows_modes_sizes_and_targets() {
    let sandbox = small();
    common::tree::set_mode(&sandbox.at("t/a"), 0o640);
    common::tree::set_modified(&sandbox.at("t/a"), 981_173_106_789_000_000);
    let ran = sandbox.run(["ls", "-l", "-r", "--bytes", "t"]).ok();
    let lines = ran.lines();
    assert!(lines[0].starts_with("-rw-r-----"), "{lines:?}");
    assert!(lines[0].contains("  2001-02-03 04:05:06  ") && lines[0].ends_with("  a"), "{lines:?}");
    assert!(lines[1].starts_with('d') && lines[3].starts_with('l'), "{lines:?}");
    assert!(lines[3].ends_with("d/link -> b"), "{lines:?}");
}

#[test]
fn ls_json_tells_kinds_sizes_and_times() {
    let sandbox = small();
    common::tree::set_mode(&sandbox.at("t/a"), 0o640);
    common::tree::set_modified(&sandbox.at("t/a"), 981_173_106_789_000_000);
    let objects = sandbox.run(["ls", "-r", "--json", "t"]).ok().json();
    assert_eq!(names(&objects, "key"), ["a", "d/", "d/b", "d/link", "empty/"]);
    assert_eq!(names(&objects, "type"), ["file", "directory", "file", "symlink", "directory"]);
    assert_eq!(objects[0]["size"], 3);
    assert_eq!(objects[0]["mode"], "0640");
    assert_eq!(objects[0]["modified"], "2001-02-03T04:05:06.789Z");
}

#[test]
fn ls_goes_on_after_a_missing_place() {
    let sandbox = small();
    let ran = sandbox.run(["ls", "missing", "t/d"]).ends(1).tells("missing").tells("not found");
    assert_eq!(ran.out(), "\nt/d:\nb\nlink\n");
}

#[test]
fn tree_draws_and_counts() {
    let sandbox = small();
    let expect = "t\n├── a\n├── d/\n│   ├── b\n│   └── link\n└── empty/\n\n2 directories, 3 files, 9 B\n";
    assert_eq!(sandbox.run(["tree", "t"]).ok().silent().out(), expect);
    let shallow = sandbox.run(["tree", "-d", "1", "t"]).ok();
    assert!(shallow.out().starts_with("t\n├── a\n├── d/\n└── empty/\n\n"), "{shallow:?}");
    let objects = sandbox.run(["tree", "--json", "t"]).ok().json();
    assert_eq!(names(&objects, "key"), ["a", "d/", "d/b", "d/link", "empty/"]);
    sandbox.run(["tree", "missing"]).ends(2).tells("not found");
}

#[test]
fn stat_tells_of_files_links_and_directories() {
    let sandbox = small();
    let objects = sandbox.run(["stat", "--json", "t/a", "t/d/link", "t/d"]).ok().silent().json();
    assert_eq!(names(&objects, "name"), ["t/a", "t/d/link", "t/d"]);
    assert_eq!(names(&objects, "type"), ["file", "symlink", "directory"]);
    assert_eq!(objects[0]["size"], 3);
    let table = sandbox.run(["stat", "t/a"]).ok();
    assert!(table.out().contains("size  3 (3 B)"), "{table:?}");
    let ran = sandbox.run(["stat", "missing", "t/a"]).ends(1).tells("missing");
    assert!(ran.out().contains("t/a"));
}

#[test]
fn cat_prints_ranges() {
    let sandbox = Sandbox::new();
    sandbox.put("f", "0123456789");
    sandbox.put("g", "abc");
    let check = |range: &str, expect: &str| {
        assert_eq!(sandbox.run(["cat", "-r", range, "f"]).ok().silent().out(), expect, "{range}");
    };
    check("0..4", "0123");
    check("7..", "789");
    check("..2", "01");
    check("-3", "789");
    check("-30", "0123456789");
    check("8..99", "89");
    check("4..4", "");
    assert_eq!(sandbox.run(["cat", "f", "g"]).ok().out(), "0123456789abc");
    sandbox.run(["cat", "-r", "10..", "f"]).ends(1).tells("range");
}

#[test]
fn cat_goes_on_after_what_cannot_be_read() {
    let sandbox = small();
    let ran = sandbox.run(["cat", "t/a", "missing", "t/d", "t/d/link"]).ends(1);
    assert_eq!(ran.out(), "onethree");
    ran.tells("missing").tells("this is a directory");
}

#[test]
fn cat_keeps_every_byte() {
    let sandbox = Sandbox::new();
    let content = common::tree::noise(7, 3_000_001);
    sandbox.put("f", &content);
    assert!(sandbox.run(["cat", "f"]).ok().stdout == content);
}

#[test]
fn put_takes_stdin_and_files() {
    let sandbox = Sandbox::new();
    let content = common::tree::noise(8, 2_500_000);
    let ran = sandbox.feed(["put", "-", "f"], &content).ok().tells("wrote");
    assert!(ran.stdout.is_empty());
    assert!(sandbox.read("f") == content);
    sandbox.run(["put", "f", "g"]).ok();
    assert!(sandbox.read("g") == content);
    let told = &sandbox.feed(["put", "--json", "-", "h"], b"").ok().silent().json()[0];
    assert_eq!((told["size"].as_u64(), told["name"].as_str()), (Some(0), Some("h")));
    assert_eq!(sandbox.read("h"), b"");
}

#[test]
fn put_refuses_what_was_not_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.put("f", "old");
    sandbox.feed(["put", "--if-absent", "-", "f"], b"new").ends(2).tells("already exists");
    let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    sandbox.feed(["put", "--expect", wrong, "-", "f"], b"new").ends(2).tells("sha256");
    assert_eq!(sandbox.read("f"), b"old");
    let right = "md5:22af645d1859cb5ca6da0c484f1f37ea";
    sandbox.feed(["put", "--expect", right, "-", "f"], b"new").ok();
    assert_eq!(sandbox.read("f"), b"new");
    sandbox.run(["put", "missing", "no/such/g"]).ends(2).tells("missing");
    assert_eq!(common::tree::tree(sandbox.path()).len(), 1, "nothing is left behind");
}

#[test]
fn put_keeps_user_metadata_or_refuses_it() {
    let sandbox = Sandbox::new();
    let ran = sandbox.feed(["put", "--meta", "colour=red", "--content-type", "text/plain", "-", "f"], b"x");
    if ran.code == Some(0) {
        let told = &sandbox.run(["stat", "--json", "f"]).ok().json()[0];
        assert_eq!((&told["user"]["colour"], &told["content_type"]), (&json!("red"), &json!("text/plain")));
    } else {
        // A volume without extended attributes.
        ran.ends(2).tells("unsupported");
        assert!(!sandbox.exists("f"));
    }
}

#[test]
fn cp_copies_files_and_trees() {
    let sandbox = small();
    common::tree::set_mode(&sandbox.at("t/a"), 0o600);
    common::tree::set_modified(&sandbox.at("t/a"), 981_173_106_789_000_000);
    sandbox.run(["cp", "t/a", "copy"]).ok().tells("1 file").tells("verified");
    assert_eq!(sandbox.read("copy"), b"one");
    sandbox.run(["cp", "t/a", "t/d/b", "t/empty"]).ok();
    assert_eq!(sandbox.read("t/empty/b"), b"three");
    common::tree::set_mode(&sandbox.at("t"), 0o750);
    common::tree::set_modified(&sandbox.at("t"), 981_173_106_789_000_000);
    sandbox.run(["cp", "-r", "t", "new"]).ok();
    common::tree::assert_same(&sandbox.at("t"), &sandbox.at("new"));
    let root = |name: &str| common::tree::tree(sandbox.path())[std::path::Path::new(name)].clone();
    assert_eq!(root("t"), root("new"), "the directory itself");
    sandbox.run(["cp", "-r", "t", "new"]).ok();
    common::tree::assert_same(&sandbox.at("t"), &sandbox.at("new/t"));
    let summary = sandbox.run(["cp", "-r", "--json", "t", "other"]).ok().silent().summary();
    assert_eq!((&summary["copied"], &summary["verified"]), (&json!(5), &json!(5)));
}

#[test]
fn cp_refuses_what_makes_no_sense() {
    let sandbox = small();
    sandbox.run(["cp", "t", "new"]).ends(1).tells("-r");
    sandbox.run(["cp", "t/a", "t/d/b", "file"]).ends(2).tells("directory");
    sandbox.run(["cp", "t/a", "t/../t/a"]).ends(1).tells("same");
    sandbox.run(["cp", "-r", "t", "t/d/inside"]).ends(1).tells("overlap");
    sandbox.run(["cp", "-r", "t", "missing/../t/inside"]).ends(1).tells("overlap");
    assert!(!sandbox.exists("new") && !sandbox.exists("t/d/inside") && !sandbox.exists("t/inside"));
    let ran = sandbox.run(["cp", "missing", "t/a", "t/empty"]).ends(1).tells("missing");
    assert!(ran.stdout.is_empty());
    assert_eq!(sandbox.read("t/empty/a"), b"one", "the rest is done");
}

#[test]
fn mv_moves_files_and_trees() {
    let sandbox = small();
    let before = common::tree::tree(&sandbox.at("t/d"));
    sandbox.run(["mv", "t/a", "b"]).ok();
    assert_eq!((sandbox.read("b"), sandbox.exists("t/a")), (b"one".to_vec(), false));
    sandbox.run(["mv", "t/d", "b", "t/empty"]).ok();
    assert_eq!(common::tree::tree(&sandbox.at("t/empty/d")), before);
    assert!(!sandbox.exists("t/d") && !sandbox.exists("b"));
}

#[test]
fn mv_loses_nothing_when_it_refuses() {
    let sandbox = small();
    sandbox.put("other", "other");
    sandbox.run(["mv", "-n", "t/a", "other"]).ends(1).tells("exists");
    sandbox.run(["mv", "t/a", "t/a"]).ends(1).tells("same");
    sandbox.run(["mv", "t", "t/d/inside"]).ends(1).tells("overlap");
    sandbox.run(["mv", "missing", "other"]).ends(1).tells("missing");
    sandbox.run(["mv", "t/d", "other"]).ends(1);
    sandbox.run(["mv", "t/a", "other", "nowhere"]).ends(2).tells("directory");
    assert_eq!((sandbox.read("t/a"), sandbox.read("other")), (b"one".to_vec(), b"other".to_vec()));
    assert_eq!(sandbox.read("t/d/b"), b"three");
}

#[test]
fn mv_of_two_names_of_one_file_leaves_the_new_one() {
    let sandbox = Sandbox::new();
    sandbox.put("a", "content");
    std::fs::hard_link(sandbox.at("a"), sandbox.at("b")).expect("a hard link");
    sandbox.run(["mv", "a", "b"]).ok();
    assert_eq!((sandbox.exists("a"), sandbox.read("b")), (false, b"content".to_vec()));
}

#[test]
fn rm_deletes_files_trees_and_links() {
    let sandbox = small();
    sandbox.mkdir("kept");
    sandbox.put("kept/x", "x");
    sandbox.link("kept", "way");
    sandbox.run(["rm", "way"]).ok();
    sandbox.run(["rm", "t/a"]).ok().silent();
    sandbox.run(["rm", "t"]).ends(1).tells("-r");
    assert!(sandbox.exists("t/d/b") && !sandbox.exists("t/a"));
    sandbox.link("../../kept", "t/d/out");
    sandbox.run(["rm", "-r", "t"]).ok();
    assert!(!sandbox.exists("t"));
    assert_eq!(sandbox.read("kept/x"), b"x", "what a link leads to is not ours");
    sandbox.run(["rm", "t"]).ends(1).tells("not found");
    sandbox.run(["rm", "-f", "t"]).ok().silent();
    let ran = sandbox.run(["rm", "missing", "kept/x"]).ends(1);
    assert!(!sandbox.exists("kept/x"), "{ran:?}");
}

#[test]
fn mkdir_makes_parents() {
    let sandbox = Sandbox::new();
    sandbox.put("file", "x");
    sandbox.run(["mkdir", "a/b/c", "d"]).ok().silent();
    sandbox.run(["mkdir", "a/b/c"]).ok();
    assert!(sandbox.at("a/b/c").is_dir() && sandbox.at("d").is_dir());
    sandbox.run(["mkdir", "file", "e"]).ends(1).tells("file");
    assert!(sandbox.at("e").is_dir(), "the rest is done");
}

#[test]
fn du_adds_up() {
    let sandbox = small();
    let objects = sandbox.run(["du", "--json", "-d", "1", "t", "t/a"]).ok().json();
    let rows: Vec<_> = objects.iter().map(|o| (o["name"].as_str(), o["bytes"].as_u64())).collect();
    let expect = [("t/d/", 6), ("t/empty/", 0), ("t", 9), ("t/a", 3)].map(|(n, b)| (Some(n), Some(b)));
    assert_eq!(rows, expect);
    let ran = sandbox.run(["du", "--bytes", "t"]).ok().silent();
    assert_eq!(ran.out().split_whitespace().collect::<Vec<_>>(), ["9", "3", "files", "t"]);
    sandbox.run(["du", "missing", "t"]).ends(1).tells("missing");
}

#[test]
fn hash_gives_the_known_digests() {
    let sandbox = Sandbox::new();
    sandbox.put("f", "abc");
    let check = |algorithm: &str, expect: &str| {
        let ran = sandbox.run(["hash", "-a", algorithm, "f"]).ok().silent();
        assert_eq!(ran.out(), format!("{expect}  f\n"), "{algorithm}");
    };
    check("blake3", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
    check("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check("md5", "900150983cd24fb0d6963f7d28e17f72");
    check("crc32c", "364b3fb7");
    let long = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    check("sha512", long);
    let both = &sandbox.run(["hash", "--json", "-a", "md5,crc32c", "f"]).ok().json()[0];
    assert_eq!((&both["name"], &both["crc32c"]), (&json!("f"), &json!("364b3fb7")));
}

#[test]
fn hash_of_a_tree_goes_on_after_errors() {
    let sandbox = small();
    sandbox.link("nowhere", "t/dangling");
    sandbox.run(["hash", "t"]).ends(1).tells("-r");
    let ran = sandbox.run(["hash", "-r", "-a", "md5", "t"]).ends(1).tells("dangling");
    let names: Vec<_> = ran.lines().into_iter().filter_map(|l| l.split_once("  ").map(|l| l.1)).collect();
    assert_eq!(names, ["t/a", "t/d/b", "t/d/link"]);
    sandbox.run(["hash", "missing"]).ends(1).tells("missing");
}

/// As `sha256sum` does: a line that starts with a backslash has an escaped name.
#[test]
fn hash_lines_stay_lines_whatever_the_name() {
    let sandbox = Sandbox::new();
    sandbox.put("new\nline", "abc");
    sandbox.put("back\\slash", "abc");
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    let ran = sandbox.run(["hash", "-a", "md5", "new\nline", "back\\slash"]).ok();
    assert_eq!(ran.out(), format!("\\{md5}  new\\nline\n\\{md5}  back\\\\slash\n"));
}

#[test]
fn glob_finds() {
    let sandbox = small();
    assert_eq!(sandbox.run(["glob", "t/**/b*"]).ok().silent().lines(), ["t/d/b"]);
    assert_eq!(sandbox.run(["glob", "t/[a-c]"]).ok().lines(), ["t/a"]);
    assert_eq!(sandbox.run(["glob", "t/nothing*"]).ok().out(), "");
    assert_eq!(sandbox.run(["glob", "-0", "t/a*"]).ok().out(), "t/a\0");
    assert_eq!(names(&sandbox.run(["glob", "--json", "t/*"]).ok().json(), "key")[0], "a");
    sandbox.run(["glob", "missing/*"]).ends(2).tells("missing");
    sandbox.run(["glob", "t/[a"]).ends(2);
}

#[test]
fn check_tells_every_difference() {
    let sandbox = Sandbox::new();
    for side in ["s", "d"] {
        sandbox.put(format!("{side}/same"), "same");
        sandbox.put(format!("{side}/differs"), format!("in {side}"));
        sandbox.put(format!("{side}/only-{side}"), "x");
    }
    let ran = sandbox.run(["check", "--all", "s", "d"]).ends(1);
    let mut lines = ran.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["* differs", "+ only-s", "- only-d", "= same"]);
    assert!(!sandbox.run(["check", "s", "d"]).ends(1).out().contains("= same"));
    let summary = sandbox.run(["check", "--json", "s", "d"]).ends(1).summary();
    let counts = ["equal", "only_source", "only_destination", "different", "errors"];
    assert_eq!(counts.map(|c| summary[c].as_u64()), [1, 1, 1, 1, 0].map(Some));
    sandbox.run(["check", "s", "missing"]).ends(2).tells("missing");
}

/// Same size, same time: only content tells.
#[test]
fn check_compares_content() {
    let sandbox = Sandbox::new();
    for (side, content) in [("s", "aaaa"), ("d", "aaab")] {
        let path = sandbox.put(format!("{side}/f"), content);
        common::tree::set_modified(&path, 1_000_000_000);
    }
    assert_eq!(sandbox.run(["check", "s", "d"]).ends(1).out(), "* f\n");
    sandbox.put("d/f", "aaaa");
    assert_eq!(sandbox.run(["check", "s", "d"]).ok().out(), "");
}

#[test]
fn check_reports_what_it_cannot_read() {
    let sandbox = Sandbox::new();
    sandbox.put("s/f", "x");
    sandbox.put("d/f", "x");
    sandbox.link("nowhere", "s/dangling");
    let ran = sandbox.run(["check", "--links", "follow", "s", "d"]).ends(1).tells("dangling");
    assert_eq!(ran.out(), "! dangling\n");
}

#[test]
fn backends_tell_what_they_can() {
    let ran = common::Ran::of(haul().arg("backends")).ok().silent();
    assert!(ran.out().contains("file://"), "{ran:?}");
    let objects = common::Ran::of(haul().args(["backends", "--json"])).ok().json();
    assert_eq!(names(&objects, "name"), ["azure", "fs", "gcs", "memory", "s3", "sftp"]);
    assert_eq!(objects[1]["capabilities"]["publish"], "atomic");
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = common::Ran::of(haul().args(["completions", shell])).ok().silent();
        assert!(ran.out().contains("cleanup"), "{shell}");
    }
    common::Ran::of(haul().args(["completions", "tcsh"])).ends(2);
}

#[test]
fn cleanup_removes_leftovers_and_nothing_else() {
    let sandbox = small();
    sandbox.put("t/.haul-0123456789abcdef.tmp", "half");
    sandbox.put("t/d/.haul-fedcba9876543210.tmp", "half of it");
    sandbox.put("t/.haul-mine.tmp", "mine");
    sandbox.put("outside/.haul-0123456789abcdef.tmp", "not below");
    sandbox.link("../outside", "t/way");
    let told = &sandbox.run(["cleanup", "--json", "t"]).ok().silent().json()[0];
    assert_eq!((&told["removed"], &told["bytes"], &told["in_use"]), (&json!(2), &json!(14), &json!(0)));
    assert!(sandbox.exists("t/.haul-mine.tmp") && sandbox.exists("outside/.haul-0123456789abcdef.tmp"));
    assert!(sandbox.run(["cleanup", "t"]).ok().out().contains("removed 0 leftovers"));
    sandbox.run(["cleanup", "missing"]).ends(2).tells("missing");
}

#[test]
fn an_unknown_scheme_is_an_error() {
    let ran = common::Ran::of(haul().args(["tree", "gopher://host/x"])).ends(2);
    ran.tells("gopher");
    common::Ran::of(haul().args(["ls", ""])).ends(1).tells("empty path");
}

/// As a shell's `<(command)` gives it: a pipe has no size.
#[test]
fn put_takes_pipes() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.at("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).expect("a FIFO");
    let content = common::tree::noise(9, 2_000_003);
    let writer = std::thread::spawn({
        let content = content.clone();
        move || std::fs::write(pipe, content)
    });
    sandbox.run(["put", "pipe", "f"]).ok();
    writer.join().expect("the writer").expect("its pipe");
    assert!(sandbox.read("f") == content);
}

/// A slash at the end leads through a link; what it leads to must not be emptied before anybody sees that.
#[test]
fn rm_does_not_go_through_a_link() {
    let sandbox = Sandbox::new();
    sandbox.put("kept/f", "x");
    sandbox.link("kept", "way");
    sandbox.run(["rm", "-r", "way/"]).ends(1).tells("link");
    assert_eq!(sandbox.read("kept/f"), b"x");
    assert!(sandbox.exists("way"));
}

#[test]
fn rm_spares_what_one_stands_on() {
    let sandbox = small();
    for place in [".", "..", "/", "./"] {
        sandbox.run(["rm", "-r", place]).ends(1).tells("it is not deleted");
    }
    let above = sandbox.path().display().to_string();
    sandbox.run(["rm", "-r", &above]).ends(1).tells("it is not deleted");
    assert!(sandbox.exists("t/d/b"));
}

#[test]
fn a_slash_behind_means_a_directory() {
    let sandbox = small();
    sandbox.run(["cp", "t/a", "new/"]).ok();
    assert_eq!(sandbox.read("new/a"), b"one");
    sandbox.run(["put", "t/a", "new/"]).ends(2).tells("say what the new object is called");
    sandbox.run(["put", "t/a", "made/on/the/way"]).ok();
    assert_eq!(sandbox.read("made/on/the/way"), b"one");
}

#[test]
fn errors_name_the_place_as_it_was_written() {
    let sandbox = small();
    sandbox.run(["cat", "t/../t/missing"]).ends(1).tells("`t/../t/missing`");
    sandbox.run(["hash", "t/missing"]).ends(1).tells("`t/missing`");
}

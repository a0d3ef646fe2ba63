//! How copies are told what to take and how fast, and what they tell while they go.

mod common;

use common::Sandbox;
use common::tree::{assert_same, leftovers, noise};
use serde_json::Value;

#[test]
fn wildcards_move_and_delete_files_alone() {
    let sandbox = Sandbox::new();
    for name in ["d/a.tmp", "d/b.tmp", "d/c", "d/e.tmp/f", "d/deeper/a.tmp"] {
        sandbox.put(name, name);
    }
    sandbox.link("nowhere", "d/l.tmp");
    sandbox.mkdir("to");
    // Two that would go to one place: the second stays where it is.
    sandbox.run(["mv", "d/**/a.tmp", "to"]).ends(1).tells("another source went to");
    assert_eq!(sandbox.exists("d/a.tmp") as u8 + sandbox.exists("d/deeper/a.tmp") as u8, 1);
    assert!(sandbox.exists("to/a.tmp"));
    sandbox.run(["mv", "d/*.tmp", "new"]).ends(1).tells("several sources need a directory");
    sandbox.run(["rm", "d/*.none"]).ends(1).tells("nothing matches");
    sandbox.run(["rm", "-f", "d/*.none"]).ok();
    sandbox.run(["rm", "d/**/*.tmp"]).ok();
    assert!(!sandbox.exists("d/b.tmp") && !sandbox.exists("d/deeper/a.tmp"));
    assert!(std::fs::symlink_metadata(sandbox.at("d/l.tmp")).is_err());
    assert!(sandbox.exists("d/c") && sandbox.exists("d/e.tmp/f"));
}

#[test]
fn a_quoted_wildcard_is_what_it_matches() {
    let sandbox = Sandbox::new();
    for name in ["s/a.txt", "s/b.txt", "s/c.log", "s/sub/d.txt"] {
        sandbox.put(name, name);
    }
    sandbox.mkdir("d");
    sandbox.run(["cp", "s/*.txt", "d"]).ok().tells("copied 2 files").tells("all verified");
    assert_eq!(sandbox.read("d/a.txt"), b"s/a.txt");
    assert!(!sandbox.exists("d/c.log") && !sandbox.exists("d/d.txt"));
    sandbox.run(["cp", "s/**/d.*", "s/[c]*", "e/"]).ok().tells("copied 2 files");
    assert!(sandbox.exists("e/d.txt") && sandbox.exists("e/c.log"));
    sandbox.run(["cp", "s/*.pdf", "d"]).ends(1).tells("nothing matches").tells("`s/*.pdf`");
}

#[test]
fn a_name_with_a_star_in_it_is_a_name() {
    let sandbox = Sandbox::new();
    sandbox.put("s/a*", "the star");
    sandbox.put("s/ab", "another");
    sandbox.mkdir("d");
    sandbox.run(["cp", "s/a*", "d"]).ok().tells("copied 1 file");
    assert_eq!(sandbox.read("d/a*"), b"the star");
    assert!(!sandbox.exists("d/ab"));
}

#[test]
fn several_sources_need_a_directory_and_names_of_their_own() {
    let sandbox = Sandbox::new();
    for name in ["a/x", "b/x", "b/y"] {
        sandbox.put(name, name);
    }
    sandbox.run(["cp", "*/x", "new"]).ends(1).tells("need a directory").tells("end its name with `/`");
    assert!(!sandbox.exists("new"));
    sandbox.run(["cp", "*/x", "new/"]).ends(1).tells("`x` too").tells("copied 1 file");
    assert_eq!(sandbox.read("new/x"), b"a/x");
    sandbox.run(["cp", "b/x", "a/x", "b/y", "two/"]).ends(1).tells("another source went to");
    assert_eq!((sandbox.read("two/x"), sandbox.read("two/y")), (b"b/x".to_vec(), b"b/y".to_vec()));
}

#[test]
fn progress_for_programs_adds_up() {
    let sandbox = Sandbox::new();
    for at in 0..20 {
        sandbox.put(format!("s/{at}"), noise(at, 10_000));
    }
    let ran = sandbox.run(["cp", "-r", "-q", "--progress=json", "s", "d"]).ok();
    let lines: Vec<Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let last = lines.last().expect("a last line");
    assert_eq!(last["event"], "finished");
    assert_eq!((&last["bytes"], &last["bytes_planned"]), (&200_000.into(), &200_000.into()), "{last}");
    assert_eq!((&last["files"], &last["files_planned"]), (&20.into(), &20.into()), "{last}");
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    // Without being asked for, there is none where nobody watches.
    let ran = sandbox.run(["sync", "s", "e"]).ok();
    assert!(!ran.stderr.contains("finished"), "{ran:?}");
}

#[test]
fn odd_sizes_and_numbers_of_parts_make_the_same_file() {
    let sandbox = Sandbox::new();
    sandbox.put("s", noise(7, 9_000_001));
    for args in [&["--part-size", "1"][..], &["--part-size", "3M", "--streams", "1"], &["--streams", "50"]] {
        let args = ["cp", "-q", "s", "d"].iter().chain(args);
        sandbox.run(args).ok();
        assert!(sandbox.read("s") == sandbox.read("d"));
        std::fs::remove_file(sandbox.at("d")).expect("it is there");
    }
    for wrong in ["0", "x", "1Q"] {
        sandbox.run(["cp", "s", "d", "--part-size", wrong]).ends(2).tells("such as 64M");
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.put("s", "x");
    for wrong in ["fast", "1.5M", "08:00", "25:00,1M", ""] {
        sandbox.run(["cp", "s", "d", "--limit-rate", wrong].as_slice()).ends(2).tells("is no limit");
    }
    assert!(!sandbox.exists("d"));
    // What moves between two disks of this machine is no traffic.
    sandbox.run(["cp", "s", "d", "--limit-rate", "0", "--limit-requests", "0"]).ok();
}

#[test]
fn holes_in_the_data_are_verified_too() {
    let sandbox = Sandbox::new();
    let mut content = noise(3, 300_000);
    content[70_000..250_000].fill(0);
    content.extend(vec![0; 500_000]);
    sandbox.put("s/f", &content);
    sandbox.put("s/zeros", vec![0; 400_000]);
    sandbox.put("s/few", [0; 9]);
    sandbox.run(["cp", "-r", "--sparse", "s", "d"]).ok().tells("all verified");
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(leftovers(&sandbox.at("d")).len(), 0);
}

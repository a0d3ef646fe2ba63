//! Compressing and decompressing, between files and through pipes.

mod common;

use common::Sandbox;

const CODECS: [(&str, &str); 6] =
    [("bzip2", "bz2"), ("gzip", "gz"), ("lz4", "lz4"), ("snappy", "sz"), ("xz", "xz"), ("zstd", "zst")];

fn text() -> Vec<u8> {
    (0..40_000).flat_map(|n| format!("line {n} of some text\n").into_bytes()).collect()
}

#[test]
fn every_codec_there_and_back() {
    let sandbox = Sandbox::new();
    sandbox.put("plain", text());
    for (codec, ending) in CODECS {
        let name = format!("plain.{ending}");
        sandbox.run(["compress", "plain", &name]).ok();
        let size = sandbox.read(&name).len();
        assert!(size > 100 && size < text().len() / 2, "{codec}: {size} bytes");
        // By its content alone.
        sandbox.put("nameless", sandbox.read(&name));
        sandbox.run(["decompress", "nameless", "back"]).ok();
        assert!(sandbox.read("back") == text(), "{codec}");
        assert!(sandbox.run(["cat", "--decode", "nameless"]).ok().silent().stdout == text(), "{codec}");
        let forced = format!("--decode={codec}");
        assert!(sandbox.run(["cat", &forced, &name]).ok().stdout == text(), "{codec}");
    }
}

#[test]
fn pipes_at_both_ends() {
    let sandbox = Sandbox::new();
    let packed = sandbox.feed(["compress", "--codec", "zst", "-", "-"], &text()).ok();
    assert!(!packed.stdout.is_empty());
    let back = sandbox.feed(["decompress", "-", "-"], &packed.stdout).ok();
    assert!(back.stdout == text());
    let empty = sandbox.feed(["compress", "--codec", "gzip", "-", "-"], b"").ok();
    assert!(sandbox.feed(["decompress", "-", "-"], &empty.stdout).ok().stdout.is_empty());
}

#[test]
fn a_directory_keeps_the_name() {
    let sandbox = Sandbox::new();
    sandbox.put("a/report.csv", text());
    sandbox.mkdir("b");
    sandbox.run(["compress", "--codec", "xz", "a/report.csv", "b"]).ok();
    assert!(sandbox.exists("b/report.csv.xz"));
    sandbox.run(["decompress", "b/report.csv.xz", "c/"]).ok();
    assert!(sandbox.read("c/report.csv") == text());
    sandbox.put("b/nameless", sandbox.read("b/report.csv.xz"));
    let refused = sandbox.run(["decompress", "b/nameless", "b/"]).ends(2);
    assert!(refused.stderr.contains("no ending of a codec"), "{refused:?}");
}

#[test]
fn what_is_damaged_is_not_published() {
    let sandbox = Sandbox::new();
    sandbox.put("plain", text());
    for (codec, ending) in CODECS {
        let name = format!("plain.{ending}");
        sandbox.run(["compress", "plain", &name]).ok();
        let whole = sandbox.read(&name);
        let damaged = [&whole[..whole.len() - 3], b"\0\0\0"].concat();
        for (what, bad) in [
            ("cut", &whole[..whole.len() - 3]),
            ("trailing", &[&whole[..], b"???"].concat()),
            ("damaged", &damaged),
        ] {
            sandbox.put("bad", bad);
            sandbox.put("there", "before");
            for destination in ["there", "new"] {
                let ran = sandbox.run(["decompress", "--codec", codec, "bad", destination]).ends(2);
                assert!(
                    ran.stderr.contains("at byte") && ran.stderr.contains("bad"),
                    "{codec}, {what}: {ran:?}"
                );
            }
            assert_eq!(sandbox.read("there"), b"before", "{codec}, {what}");
            assert!(!sandbox.exists("new"), "{codec}, {what}");
            let ran = sandbox.run(["cat", "--decode", "bad"]).ends(1);
            assert!(ran.stderr.contains("at byte"), "{codec}, {what}: {ran:?}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::new();
    sandbox.put("plain", text());
    for (words, said) in [
        (&["compress", "plain", "plain.xyz"][..], "--codec"),
        (&["compress", "--codec", "gzop", "plain", "x"], "did you mean `gzip`"),
        (&["compress", "--level", "99", "plain", "x.gz"], "levels 0 to 9"),
        (&["compress", "missing", "x.gz"], "missing"),
        (&["decompress", "plain", "x"], "--codec"),
        (&["decompress", "--codec", "zstd", "plain", "x"], "not of this format"),
        (&["decompress", "missing.gz", "x"], "missing.gz"),
    ] {
        let ran = sandbox.run(words).ends(2);
        assert!(ran.stderr.contains(said), "{words:?}: {ran:?}");
        assert!(!sandbox.exists("x") && !sandbox.exists("x.gz"), "{words:?}");
    }
}

#[test]
fn limits_and_conditions() {
    let sandbox = Sandbox::new();
    sandbox.put("plain", text());
    sandbox.run(["compress", "--level", "9", "--member-size", "100K", "plain", "p.gz"]).ok();
    let refused = sandbox.run(["decompress", "--output-max", "100K", "p.gz", "x"]).ends(2);
    assert!(refused.stderr.contains("more than allowed"), "{refused:?}");
    sandbox.put("x", "there");
    sandbox.run(["decompress", "--if-absent", "p.gz", "x"]).ends(2);
    assert_eq!(sandbox.read("x"), b"there");
    let told = sandbox.run(["decompress", "--json", "p.gz", "y"]).ok().json();
    assert_eq!((&told[0]["codec"], &told[0]["written"]), (&"gzip".into(), &text().len().into()));
    assert!(
        sandbox.run(["cat", "--decode", "plain"]).ok().stdout == text(),
        "what is not compressed is printed as it is"
    );
}

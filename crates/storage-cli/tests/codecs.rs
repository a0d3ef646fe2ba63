//! Compressing and decompressing, between files and through pipes.

mod common;

use common::Sandbox;

const CODECS: [(&str, &str); 7] = [
    ("brotli", "br"),
    ("bzip2", "bz2"),
    ("gzip", "gz"),
    ("lz4", "lz4"),
    ("snappy", "sz"),
    ("xz", "xz"),
    ("zstd", "zst"),
];

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
        if codec == "brotli" {
            // Nothing marks it: its name tells it, or whoever reads it.
            sandbox.run(["decompress", &name, "back"]).ok();
            assert!(sandbox.read("back") == text());
            assert!(sandbox.run(["cat", "--decode=brotli", &name]).ok().stdout == text());
            continue;
        }
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
    for (codec, _) in CODECS {
        for plain in [&b""[..], b"short", &text()] {
            let packed = sandbox.feed(["compress", "--threads", "3", "--codec", codec, "-", "-"], plain).ok();
            let back = sandbox.feed(["decompress", "--codec", codec, "-", "-"], &packed.stdout).ok();
            assert!(back.stdout == plain, "{codec}, {} bytes", plain.len());
        }
    }
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
            // By its content; what has no mark is told.
            let decode = if codec == "brotli" { "--decode=brotli" } else { "--decode" };
            let ran = sandbox.run(["cat", decode, "bad"]).ends(1);
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

#[test]
fn several_threads_write_the_same_however_many_they_are() {
    let sandbox = Sandbox::new();
    sandbox.put("plain", text());
    for (codec, ending) in CODECS {
        let name = |threads: &str| format!("by-{threads}.{ending}");
        for threads in ["2", "5"] {
            sandbox.run(["compress", "--threads", threads, "plain", &name(threads)]).ok();
            sandbox.run(["decompress", "--threads", threads, &name(threads), "back"]).ok();
            assert!(sandbox.read("back") == text(), "{codec}");
        }
        assert!(sandbox.read(name("2")) == sandbox.read(name("5")), "{codec}");
    }
}

#[test]
fn a_part_of_what_is_compressed() {
    let sandbox = Sandbox::new();
    let text = text();
    sandbox.put("plain", &text);
    for (name, seekable) in [
        ("a.gz", true),
        ("a.zst", true),
        ("b.gz", false),
        ("b.zst", false),
        ("b.br", false),
        ("plain", false),
    ] {
        if seekable {
            sandbox.run(["compress", "--seekable", "--member-size", "20000", "plain", name]).ok();
        } else if name != "plain" {
            sandbox.run(["compress", "plain", name]).ok();
        }
        let end = text.len();
        for (range, meant) in
            [("0..10", 0..10), ("19995..60000", 19_995..60_000), ("700000..", 700_000..end), ("5..5", 5..5)]
        {
            let found = sandbox.run(["cat", "--decode", "--range", range, name]).ok();
            assert!(found.stdout == text[meant], "{name} {range}");
        }
        assert!(sandbox.run(["cat", "--decode", name]).ok().stdout == text, "{name}");
    }
    assert!(
        sandbox.run(["cat", "--decode", "--range=-100", "a.zst"]).ok().stdout == text[text.len() - 100..]
    );
    assert!(sandbox.exists("a.gz.gzi"), "the index beside");
    let refused = sandbox.run(["cat", "--decode", "--range=-100", "a.gz"]).ends(1);
    assert!(refused.stderr.contains("how long its content is"), "{refused:?}");
    let refused = sandbox.run(["compress", "--seekable", "plain", "a.xz"]).ends(2);
    assert!(refused.stderr.contains("xz has no index"), "{refused:?}");
}

/// What is damaged costs only those who read it.
#[test]
fn a_part_does_not_read_the_rest() {
    let sandbox = Sandbox::new();
    let text = text();
    sandbox.put("plain", &text);
    for name in ["a.gz", "a.zst"] {
        sandbox.run(["compress", "--seekable", "--member-size", "60000", "plain", name]).ok();
        let mut data = sandbox.read(name);
        data[100] ^= 0xff;
        let index = sandbox.exists("a.gz.gzi").then(|| sandbox.read("a.gz.gzi"));
        sandbox.put(name, data);
        if let Some(index) = index {
            // Not older than the data.
            sandbox.put("a.gz.gzi", index);
        }
        let found = sandbox.run(["cat", "--decode", "--range", "300000..300100", name]).ok();
        assert!(found.stdout == text[300_000..300_100], "{name}");
        sandbox.run(["cat", "--decode", "--range", "0..100", name]).ends(1);
    }
}

//! Files of records: looked into, mended, and written in another format.

mod common;

use common::Sandbox;

const LINES: &str = "{\"id\":1}\n\n{\"id\":2, \"big\":123456789012345678901234567890}\r\n{\"id\":3}";

fn counted(sandbox: &Sandbox, name: &str) -> String {
    sandbox.run(["records", "count", name]).ok().silent().out().trim().to_owned()
}

#[test]
fn formats_and_codecs_come_from_names() {
    let sandbox = Sandbox::new();
    sandbox.put("a.ndjson", LINES);
    for name in ["b.tfrecord", "b.lp", "b.varint", "b.jsonl.gz", "b.lp.zst", "b.tfrecord.lz4"] {
        sandbox.run(["convert", "a.ndjson", name]).ok();
        assert_eq!(counted(&sandbox, name), "3", "{name}");
        sandbox.run(["convert", name, "back.ndjson"]).ok();
        let back = "{\"id\":1}\n{\"id\":2, \"big\":123456789012345678901234567890}\n{\"id\":3}\n";
        assert_eq!(sandbox.read("back.ndjson"), back.as_bytes(), "{name}");
    }
    assert_eq!(&sandbox.read("b.lp")[..12], b"\0\0\0\x08{\"id\":1}");
    sandbox.run(["convert", "--to", "u16le", "a.ndjson", "raw"]).ok();
    assert_eq!(&sandbox.read("raw")[..10], b"\x08\0{\"id\":1}");
    assert_eq!(sandbox.run(["records", "count", "-f", "u16le", "raw"]).ok().out(), "3\n");
}

#[test]
fn what_cannot_be_written_is_told_by_its_place() {
    let sandbox = Sandbox::new();
    sandbox.put("a.lp", b"\0\0\0\x02{}\0\0\0\x03{\n}");
    sandbox.put("b.ndjson", "before");
    let ran = sandbox.run(["convert", "a.lp", "b.ndjson"]).ends(2);
    assert!(ran.stderr.contains("line feed") && ran.stderr.contains("byte 6"), "{ran:?}");
    assert_eq!(sandbox.read("b.ndjson"), b"before");
}

#[test]
fn the_first_and_some() {
    let sandbox = Sandbox::new();
    let lines: String = (0..1000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    sandbox.put("a.ndjson", &lines);
    assert_eq!(sandbox.run(["records", "head", "-n", "2", "a.ndjson"]).ok().out(), "{\"n\":0}\n{\"n\":1}\n");
    assert_eq!(sandbox.run(["records", "head", "-n", "5000", "a.ndjson"]).ok().out(), lines);
    let some = sandbox.run(["records", "sample", "-n", "20", "--seed", "7", "a.ndjson"]).ok();
    let again = sandbox.run(["records", "sample", "-n", "20", "--seed", "7", "a.ndjson"]).ok();
    assert_eq!(some.out(), again.out());
    assert_eq!(some.lines().len(), 20);
    assert!(some.lines().iter().all(|line| lines.contains(&format!("{line}\n"))));
    sandbox.put("b.lp", b"\0\0\0\x02\xff\0");
    assert_eq!(sandbox.run(["records", "head", "b.lp"]).ok().out(), "\"\u{fffd}\\u0000\"\n");
}

#[test]
fn validate_tells_every_flaw() {
    let sandbox = Sandbox::new();
    sandbox.put("good.ndjson", LINES);
    sandbox.run(["records", "validate", "good.ndjson"]).ok();
    sandbox.put("bad.ndjson", "{}\n{\"a\":\n[]\nnope\n");
    let ran = sandbox.run(["records", "validate", "bad.ndjson"]).ends(1);
    assert!(ran.stderr.contains("at byte 8") && ran.stderr.contains("at byte 13"), "{ran:?}");
    let long = format!("{{}}\n\"{}\"\n{{}}\n", "x".repeat(3000));
    sandbox.put("long.ndjson", long);
    let ran = sandbox.run(["records", "validate", "--json", "--record-max", "1K", "long.ndjson"]).ends(1);
    let told = ran.json();
    assert_eq!(
        (&told[0]["event"], &told[0]["offset"], &told[0]["bytes"]),
        (&"flaw".into(), &3.into(), &3003.into())
    );
    assert_eq!((&told[1]["records"], &told[1]["flaws"]), (&2.into(), &1.into()));
}

#[test]
fn recover_keeps_what_is_whole() {
    let sandbox = Sandbox::new();
    let lines: String = (0..100).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    sandbox.put("a.ndjson", &lines);
    sandbox.run(["convert", "a.ndjson", "a.tfrecord"]).ok();
    let mut bytes = sandbox.read("a.tfrecord");
    // In the content of the third, and then the end is cut off.
    let record = 12 + 7 + 4;
    bytes[2 * record + 14] ^= 0x20;
    bytes.truncate(bytes.len() - 5);
    sandbox.put("bad.tfrecord", &bytes);
    let ran = sandbox.run(["records", "recover", "--json", "bad.tfrecord", "good.tfrecord"]).ends(1);
    let summary = ran.summary();
    assert_eq!((&summary["records"], &summary["lost"]), (&98.into(), &2.into()), "{ran:?}");
    assert_eq!(counted(&sandbox, "good.tfrecord"), "98");
    let ran = sandbox.run(["records", "recover", "bad.tfrecord", "good.ndjson"]).ends(1);
    assert!(ran.stderr.contains("at byte"), "{ran:?}");
    assert!(!String::from_utf8(sandbox.read("good.ndjson")).expect("text").contains("{\"n\":2}\n"));
}

#[test]
fn recover_takes_care() {
    let sandbox = Sandbox::new();
    sandbox.put("a.ndjson", "{}\n{\"cut\":");
    let ran = sandbox.run(["records", "recover", "a.ndjson", "b.ndjson"]).ends(1);
    assert!(ran.stderr.contains("unexpected end"), "{ran:?}");
    assert_eq!(sandbox.read("b.ndjson"), b"{}\n");
    // What cannot be written is lost, and nothing else.
    sandbox.put("c.lp", b"\0\0\0\x02{}\0\0\0\x03{\n}\0\0\0\x02[]");
    sandbox.run(["records", "recover", "c.lp", "c.ndjson"]).ends(1);
    assert_eq!(sandbox.read("c.ndjson"), b"{}\n[]\n");
    let same = sandbox.run(["records", "recover", "c.lp", "./c.lp"]).ends(2);
    assert!(same.stderr.contains("the same"), "{same:?}");
    // A mistake does not cost what is there.
    sandbox.put("good.ndjson", "{}\n");
    sandbox.put("no.tfrecord", "this is none of it, as anybody can see");
    let none = sandbox.run(["records", "recover", "no.tfrecord", "good.ndjson"]).ends(2);
    assert!(none.stderr.contains("no record is whole"), "{none:?}");
    assert_eq!(sandbox.read("good.ndjson"), b"{}\n");
    // Data and events do not mix.
    let piped = sandbox.run(["records", "recover", "--json", "a.ndjson", "-"]);
    assert_eq!(piped.ends(1).out(), "{}\n");
}

#[test]
fn what_is_compressed_and_damaged_is_read_as_far_as_it_goes() {
    let sandbox = Sandbox::new();
    let lines: String = (0..50_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    sandbox.put("a.ndjson", &lines);
    sandbox.run(["compress", "a.ndjson", "a.ndjson.gz"]).ok();
    let whole = sandbox.read("a.ndjson.gz");
    sandbox.put("cut.ndjson.gz", &whole[..whole.len() / 2]);
    sandbox.run(["records", "count", "cut.ndjson.gz"]).ends(2);
    let ran = sandbox.run(["records", "validate", "cut.ndjson.gz"]).ends(1);
    assert!(ran.stderr.contains("gzip: unexpected end"), "{ran:?}");
    sandbox.run(["records", "recover", "cut.ndjson.gz", "some.ndjson"]).ends(1);
    let some = sandbox.read("some.ndjson");
    assert!(some.len() > 100_000 && lines.as_bytes().starts_with(&some), "{} bytes", some.len());
    for (name, content) in [("empty.ndjson.gz", &b""[..]), ("foreign.ndjson.gz", b"{}\n")] {
        sandbox.put(name, content);
        for words in
            [["records", "count", name].as_slice(), &["convert", name, "x.lp"], &["decompress", name, "x"]]
        {
            sandbox.run(words).ends(2);
        }
        assert!(!sandbox.exists("x.lp") && !sandbox.exists("x"));
    }
    // By chance it begins like gzip.
    let record = [&[0x1f, 0x8b][..], &[b'x'; 0x8b1f]].concat();
    sandbox.put("odd", [&[0x1f, 0x8b][..], &record[..0x8b1f]].concat());
    assert_eq!(sandbox.run(["records", "count", "-f", "u16le", "odd"]).ok().out(), "1\n");
}

#[test]
fn a_link_is_what_it_points_to() {
    let sandbox = Sandbox::new();
    sandbox.put("far/away.ndjson", LINES);
    sandbox.link(sandbox.at("far/away.ndjson"), "here.ndjson");
    assert_eq!(counted(&sandbox, "here.ndjson"), "3");
    sandbox.run(["compress", "here.ndjson", "here.gz"]).ok();
    let refused = sandbox.run(["convert", "--to", "lp", "here.ndjson", "far/"]).ends(2);
    assert!(refused.stderr.contains("this is a directory"), "{refused:?}");
}

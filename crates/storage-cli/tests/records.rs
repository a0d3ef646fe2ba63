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

#[test]
fn rows_and_their_names() {
    let sandbox = Sandbox::new();
    sandbox.put("a.csv", "id,said\r\n007,\"yes, no\"\r\n8,\r\n");
    sandbox.run(["convert", "a.csv", "b.ndjson.gz"]).ok();
    let lines = sandbox.run(["cat", "--decode", "b.ndjson.gz"]).ok();
    assert_eq!(lines.out(), "{\"id\":\"007\",\"said\":\"yes, no\"}\n{\"id\":\"8\",\"said\":\"\"}\n");
    sandbox.run(["convert", "b.ndjson.gz", "c.tsv"]).ok();
    assert_eq!(sandbox.read("c.tsv"), b"id\tsaid\n007\tyes, no\n8\t\n");
    sandbox.put("d.ndjson", "{\"n\":1.50,\"deep\":[1]}\n{\"n\":2,\"more\":3}\n");
    let refused = sandbox.run(["convert", "d.ndjson", "d.csv"]).ends(2);
    assert!(refused.stderr.contains("`more`") && refused.stderr.contains("byte 22"), "{refused:?}");
    assert!(!sandbox.exists("d.csv"));
    sandbox.put("cut.csv", "a,b\n1,\"x");
    let cut = sandbox.run(["records", "count", "cut.csv"]).ends(2);
    assert!(cut.stderr.contains("a quoted field has no end"), "{cut:?}");
}

#[test]
fn a_record_file_tells_what_was_lost() {
    let sandbox = Sandbox::new();
    let lines: String = (0..200_000).map(|n| format!("{{\"n\":{n},\"text\":\"some text\"}}\n")).collect();
    sandbox.put("a.ndjson", &lines);
    sandbox.run(["convert", "a.ndjson", "a.hrec"]).ok();
    assert!(sandbox.read("a.hrec").len() < lines.len() / 4, "blocks are compressed");
    assert_eq!(counted(&sandbox, "a.hrec"), "200000");
    sandbox.run(["convert", "a.hrec", "back.ndjson"]).ok();
    assert!(sandbox.read("back.ndjson") == lines.as_bytes());

    let mut data = sandbox.read("a.hrec");
    let middle = data.len() / 2;
    data[middle] ^= 1;
    sandbox.put("bad.hrec", &data);
    sandbox.run(["convert", "bad.hrec", "none.ndjson"]).ends(2);
    assert!(!sandbox.exists("none.ndjson"));
    let recovered = sandbox.run(["records", "recover", "bad.hrec", "good.ndjson"]).ends(1);
    let kept = sandbox.read("good.ndjson").iter().filter(|byte| **byte == b'\n').count();
    assert!(recovered.stderr.contains(&format!("lost: {}", 200_000 - kept)), "{recovered:?}");
    assert!(kept > 100_000 && kept < 200_000);

    sandbox.put("cut.hrec", &data[..middle]);
    let cut = sandbox.run(["records", "validate", "cut.hrec"]).ends(1);
    assert!(cut.stderr.contains("unexpected end"), "{cut:?}");
}

#[test]
fn files_of_so_many_records() {
    let sandbox = Sandbox::new();
    let lines: String = (0..25).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    sandbox.put("a.ndjson", &lines);
    for name in ["a.ndjson", "b.ndjson.gz", "b.hrec", "b.tfrecord.zst"] {
        if name != "a.ndjson" {
            sandbox.run(["convert", "a.ndjson", name]).ok();
        }
        let ending = &name[1..];
        let directory = format!("parts{ending}");
        sandbox.run(["records", "split", "--number", "10", name, &directory]).ok();
        let part = |at: u32| format!("{directory}/part-0000{at}{ending}");
        let counts: Vec<String> = (0..3).map(|at| counted(&sandbox, &part(at))).collect();
        assert_eq!(counts, ["10", "10", "5"], "{name}");
        assert!(!sandbox.exists(part(3)));
        let mut back = Vec::new();
        for at in 0..3 {
            sandbox.run(["convert", &part(at), "back.ndjson"]).ok();
            back.extend(sandbox.read("back.ndjson"));
        }
        assert!(back == lines.as_bytes(), "{name}");
    }
    sandbox.run(["records", "split", "--size", "100", "a.ndjson", "sized"]).ok();
    assert!(sandbox.exists("sized/part-00001.ndjson"));
    sandbox.run(["records", "split", "a.ndjson", "none"]).ends(2);
    // Nothing is written over: neither the source nor a part of another run.
    let again =
        sandbox.run(["records", "split", "--number", "5", "sized/part-00001.ndjson", "sized"]).ends(2);
    assert!(again.stderr.contains("part-00000.ndjson"), "{again:?}");
    sandbox.put("bad.lp", b"\0\0\0\x02{}\0\0\0\x09{}");
    sandbox.run(["records", "split", "--number", "5", "bad.lp", "bad"]).ends(2);
    assert!(!sandbox.exists("bad/part-00000.lp"), "what is not whole is not published");
}

#[test]
fn columns_of_parquet() {
    let sandbox = Sandbox::new();
    let lines: String = (0..5000)
        .map(|n| format!("{{\"n\":{n},\"name\":\"row {n}\",\"at\":{{\"x\":{}.5}}}}\n", n % 9))
        .collect();
    sandbox.put("a.ndjson", &lines);
    sandbox.run(["convert", "a.ndjson", "a.ndjson.gz"]).ok();
    sandbox.run(["convert", "a.ndjson.gz", "b.parquet"]).ok();
    assert_eq!(counted(&sandbox, "b.parquet"), "5000");
    sandbox.run(["convert", "b.parquet", "back.ndjson"]).ok();
    assert_eq!(sandbox.read("back.ndjson"), lines.as_bytes());
    sandbox.run(["convert", "--columns", "name,at.x", "b.parquet", "c.ndjson"]).ok();
    assert!(sandbox.read("c.ndjson").starts_with(b"{\"name\":\"row 0\",\"at\":{\"x\":0.5}}\n"));
    sandbox.run(["convert", "--columns", "n,name", "b.parquet", "c.csv"]).ok();
    assert!(sandbox.read("c.csv").starts_with(b"n,name\n0,row 0\n1,row 1\n"));

    // From a pipe, and compressed around.
    let piped = sandbox.read("b.parquet");
    assert_eq!(sandbox.feed(["records", "count", "-f", "parquet", "-"], &piped).ok().out(), "5000\n");
    sandbox.run(["convert", "b.parquet", "b.parquet.zst"]).ok();
    assert_eq!(counted(&sandbox, "b.parquet.zst"), "5000");

    let unknown = sandbox.run(["convert", "--columns", "nam", "b.parquet", "d.csv"]).ends(2);
    assert!(unknown.stderr.contains("no column is called `nam`, did you mean `name`?"), "{unknown:?}");
    let text = sandbox.run(["records", "head", "--columns", "n", "a.ndjson"]).ends(2);
    assert!(text.stderr.contains("of parquet alone"), "{text:?}");
    sandbox.put("odd.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\n");
    sandbox.put("kept.parquet", "before");
    let odd = sandbox.run(["convert", "odd.ndjson", "kept.parquet"]).ends(2);
    assert!(odd.stderr.contains("`n` was an integer before, and here is text"), "{odd:?}");
    assert_eq!(sandbox.read("kept.parquet"), b"before");
}

#[test]
fn damaged_parquet_is_told_and_what_is_whole_is_saved() {
    let sandbox = Sandbox::new();
    sandbox.put("a.ndjson", (0..9).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>());
    sandbox.run(["convert", "a.ndjson", "a.parquet"]).ok();
    sandbox.run(["records", "validate", "a.parquet"]).ok();
    let mut data = sandbox.read("a.parquet");
    sandbox.put("cut.parquet", &data[..data.len() - 9]);
    let cut = sandbox.run(["records", "validate", "cut.parquet"]).ends(1);
    assert!(cut.stderr.contains("cut"), "{cut:?}");
    data[10..30].fill(0xff);
    sandbox.put("bad.parquet", &data);
    let bad = sandbox.run(["records", "validate", "bad.parquet"]).ends(1);
    assert!(bad.stderr.contains("byte 4"), "{bad:?}");
    sandbox.run(["records", "recover", "bad.parquet", "good.ndjson"]).ends(2);
}

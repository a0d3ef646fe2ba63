//! Rows in any pieces, of any dialect, cut and odd.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use storage_core::format::{Format, OnFlaw, Record, Skipped, SplitOptions};
use storage_core::{Error, Flaw, FlawKind, Result};
use storage_format_csv::Csv;

struct Found {
    records: Vec<Record>,
    skipped: Vec<Skipped>,
    ended: Result<()>,
}

impl Found {
    fn rows(&self) -> Vec<&str> {
        self.records.iter().map(|record| std::str::from_utf8(&record.content).expect("text")).collect()
    }

    #[track_caller]
    fn flaw(&self) -> &Flaw {
        Flaw::of(self.ended.as_ref().expect_err("an error")).expect("a flaw")
    }
}

fn read_in(csv: &Csv, data: &[u8], step: usize, options: SplitOptions) -> Found {
    let mut reader = csv.reader(options).expect("a reader");
    let mut found = Found { records: Vec::new(), skipped: Vec::new(), ended: Ok(()) };
    let mut pieces = data.chunks(step.max(1));
    let mut at_end = false;
    loop {
        let next = reader.next();
        found.skipped.extend(reader.skipped());
        match next {
            Ok(Some(record)) => found.records.push(record),
            Ok(None) if at_end => return found,
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(Bytes::copy_from_slice(piece)),
                None => {
                    reader.end();
                    at_end = true;
                }
            },
            Err(error) => {
                found.ended = Err(error);
                return found;
            }
        }
    }
}

fn read(data: &str) -> Found {
    read_in(&Csv::new(), data.as_bytes(), usize::MAX, SplitOptions::new())
}

fn written(csv: &Csv, records: &[&str]) -> std::result::Result<String, Error> {
    let (mut writer, mut output) = (csv.writer()?, BytesMut::new());
    for record in records {
        writer.write(record.as_bytes(), &mut output)?;
    }
    writer.finish(&mut output)?;
    Ok(String::from_utf8(output.to_vec()).expect("text"))
}

#[test]
fn any_pieces_give_the_same() {
    let data = "\u{feff}a,b\r\n1,\"x, y\"\r\n\r\n\"two\nlines\",\"say \"\"hi\"\"\"\n,\n\u{e9},last";
    let meant = [
        r#"{"a":"1","b":"x, y"}"#,
        r#"{"a":"two\nlines","b":"say \"hi\""}"#,
        r#"{"a":"","b":""}"#,
        "{\"a\":\"\u{e9}\",\"b\":\"last\"}",
    ];
    for step in 1..=data.len() {
        let found = read_in(&Csv::new(), data.as_bytes(), step, SplitOptions::new());
        found.ended.as_ref().expect("an end");
        assert_eq!(found.rows(), meant, "by {step}");
        assert_eq!(found.records.iter().map(|record| record.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let second = data.find("\"two").expect("it is there") as u64;
        assert_eq!(found.records[1].offset, second, "by {step}");
    }
}

#[test]
fn nothing_and_names_alone_are_no_rows() {
    for data in ["", "\n\n", "a,b", "a,b\n", "a,b\r\n\r\n"] {
        let found = read(data);
        assert!(found.ended.is_ok() && found.records.is_empty(), "{data:?}");
    }
}

#[test]
fn a_row_of_another_length_tells_where_it_is() {
    let data = "a,b\n1,2\n1,2,3\n4\n5,6\n";
    let found = read(data);
    assert_eq!((found.flaw().kind(), found.flaw().offset(), found.flaw().part()), (FlawKind::Damaged, 8, 1));
    assert!(found.flaw().to_string().contains("3 fields"), "{}", found.flaw());
    for step in 1..data.len() {
        let options = SplitOptions::new().on_flaw(OnFlaw::Skip(2));
        let found = read_in(&Csv::new(), data.as_bytes(), step, options);
        assert_eq!(found.rows(), [r#"{"a":"1","b":"2"}"#, r#"{"a":"5","b":"6"}"#]);
        let lost: Vec<(u64, u64)> =
            found.skipped.iter().map(|lost| (lost.flaw.offset(), lost.bytes)).collect();
        assert_eq!(lost.len(), 2, "by {step}: {lost:?}");
        assert_eq!((lost[0].0, lost[1].0), (8, 14), "by {step}");
    }
    let found = read_in(&Csv::new(), data.as_bytes(), 100, SplitOptions::new().on_flaw(OnFlaw::Skip(1)));
    assert_eq!(found.flaw().offset(), 14);
}

#[test]
fn quotes_that_stay_open_are_an_unexpected_end() {
    for data in ["a,b\n1,\"x", "a,b\n1,\"x\n2,y\n", "a,b\n1,\"x\"\"", "\"a", "a,b\n\""] {
        for step in 1..=data.len() {
            let found = read_in(&Csv::new(), data.as_bytes(), step, SplitOptions::new());
            assert!(found.ended.is_err(), "{data:?} by {step}: {:?}", found.records);
            assert_eq!(found.flaw().kind(), FlawKind::UnexpectedEnd, "{data:?} by {step}");
        }
    }
    // These are closed, and quotes inside of a plain field mean themselves.
    for data in ["a,b\n1,\"x\"", "a,b\n1,5\"", "a,b\n1,\"\"\"\"", "a,b\n1,"] {
        for step in 1..=data.len() {
            let found = read_in(&Csv::new(), data.as_bytes(), step, SplitOptions::new());
            assert!(found.ended.is_ok() && found.records.len() == 1, "{data:?} by {step}");
        }
    }
}

#[test]
fn a_long_row_is_left_out_alone() {
    let long = "x".repeat(100_000);
    let data = format!("a,b\n1,2\n{long},\"{long}\n\"\n3,4\n");
    let options = SplitOptions::new().record_max(1000);
    for step in [1, 100, 7000, data.len()] {
        let found = read_in(&Csv::new(), data.as_bytes(), step, options.clone());
        assert_eq!(
            (found.flaw().kind(), found.flaw().offset(), found.records.len()),
            (FlawKind::TooLarge, 8, 1)
        );
        let found = read_in(&Csv::new(), data.as_bytes(), step, options.clone().on_flaw(OnFlaw::Skip(1)));
        found.ended.as_ref().expect("to go on");
        assert_eq!(found.rows(), [r#"{"a":"1","b":"2"}"#, r#"{"a":"3","b":"4"}"#], "by {step}");
    }
    // Many fields are long, too.
    let found = read_in(&Csv::new(), format!("a\n{}\n", ",".repeat(10_000)).as_bytes(), 100, options);
    assert_eq!(found.flaw().kind(), FlawKind::TooLarge);
}

#[test]
fn what_is_no_text_is_damaged() {
    let data = b"a,b\n1,\xff\n2,x\n";
    let found = read_in(&Csv::new(), data, 100, SplitOptions::new());
    assert_eq!((found.flaw().kind(), found.flaw().offset()), (FlawKind::Damaged, 4));
    let found = read_in(&Csv::new(), data, 100, SplitOptions::new().on_flaw(OnFlaw::Skip(1)));
    assert_eq!(found.rows(), [r#"{"a":"2","b":"x"}"#]);
    // Names that are none cannot be left out.
    let options = SplitOptions::new().on_flaw(OnFlaw::Skip(9));
    assert_eq!(read_in(&Csv::new(), b"a,\xff\n1,2\n", 100, options.clone()).flaw().kind(), FlawKind::Damaged);
    assert_eq!(read_in(&Csv::new(), b"a,a\n1,2\n", 100, options).flaw().kind(), FlawKind::Damaged);
}

#[test]
fn dialects() {
    let one = |csv: Csv, data: &str| {
        let found = read_in(&csv, data.as_bytes(), 3, SplitOptions::new());
        found.ended.as_ref().expect("an end");
        found.rows().join(" ")
    };
    let meant = r#"{"a":"1","b":"x"}"#;
    assert_eq!(one(Csv::tabs(), "a\tb\n1\tx\n"), meant);
    assert_eq!(one(Csv::new().delimiter(b';'), "a;b\n1;x\n"), meant);
    assert_eq!(one(Csv::new().columns(["a", "b"]), "1,x\n"), meant);
    assert_eq!(one(Csv::new().comment(b'#'), "# said\na,b\n#,\n1,x\n# end"), meant);
    assert_eq!(one(Csv::new().quote(b'\''), "a,b\n1,'x'\n"), meant);
    assert_eq!(one(Csv::new().escape(b'\\'), "a,b\n1,\"x\\\"\"\n"), r#"{"a":"1","b":"x\""}"#);
    assert_eq!((Csv::new().about().name, Csv::tabs().about().name), ("csv", "tsv"));
}

#[test]
fn what_is_written_reads_back_as_text() {
    let records = [
        r#"{"b":1.50,"a":"x, \"y\"\n","c":null}"#,
        r#"{"a":"\u00e9","c":[1, 2],"b":12345678901234567890.0}"#,
        r#"{}"#,
    ];
    let text = written(&Csv::new(), &records).expect("to be written");
    assert_eq!(text, "b,a,c\n1.50,\"x, \"\"y\"\"\n\",\n12345678901234567890.0,\u{e9},\"[1, 2]\"\n,,\n");
    assert_eq!(
        read(&text).rows(),
        [
            r#"{"b":"1.50","a":"x, \"y\"\n","c":""}"#,
            "{\"b\":\"12345678901234567890.0\",\"a\":\"\u{e9}\",\"c\":\"[1, 2]\"}",
            r#"{"b":"","a":"","c":""}"#,
        ]
    );
    let named = Csv::new().columns(["a"]);
    assert_eq!(written(&named, &[r#"{"a":"1"}"#]).expect("to be written"), "1\n");
}

#[test]
fn what_would_not_read_back_is_refused_and_nothing_is_written() {
    let csv = Csv::new().comment(b'#');
    for record in [
        "1",
        "[]",
        "{}",
        r#"{"a":1,"a":2}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1"#,
        r##"{"#a":"x"}"##,
        r##"{"a":"#x"}"##,
        "{\"\u{feff}a\":1}",
    ] {
        let (mut writer, mut output) = (csv.writer().expect("a writer"), BytesMut::new());
        let refused = writer.write(record.as_bytes(), &mut output);
        assert!(refused.is_err_and(|error| Flaw::of(&error).is_some()), "{record}");
        assert!(output.is_empty(), "{record}");
        writer.write(br#"{"x":"good"}"#, &mut output).expect("another record is taken");
        assert_eq!(&output[..], b"x\ngood\n");
        assert!(writer.write(br#"{"y":1}"#, &mut output).is_err(), "a field that is no column");
        assert_eq!(&output[..], b"x\ngood\n");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(
        rows in prop::collection::vec(prop::collection::vec("[ -~\\n\\r\\t\u{e9}\"',;]{0,12}", 3), 1..12),
        step in 1usize..60,
    ) {
        for csv in [Csv::new(), Csv::tabs(), Csv::new().delimiter(b';').escape(b'\\').quote(b'\'')] {
            let (mut writer, mut output) = (csv.writer().expect("a writer"), BytesMut::new());
            let object = |row: &Vec<String>| {
                let text = |text: &String| serde_json::to_string(text).expect("text");
                format!("{{\"x\":{},\"y\":{},\"z\":{}}}", text(&row[0]), text(&row[1]), text(&row[2]))
            };
            let objects: Vec<String> = rows.iter().map(object).collect();
            for object in &objects {
                writer.write(object.as_bytes(), &mut output).expect("to be taken");
            }
            let found = read_in(&csv, &output, step, SplitOptions::new());
            prop_assert!(found.ended.is_ok(), "{:?}", found.ended);
            prop_assert_eq!(found.rows(), objects.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

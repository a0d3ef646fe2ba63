//! Rows into files and back, through stores and as streams.

use std::sync::{Arc, Mutex};

use arrow_array::builder::{Int64Builder, MapBuilder};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use serde_json::{Value, json};
use storage_core::format::{Format, OnFlaw, Record, Skipped, SplitOptions};
use storage_core::pipeline::Pipeline;
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Key, ReadOptions, Result, Store, WriteOptions};
use storage_format_parquet::{Compression, Parquet};
use storage_memory::Memory;

/// A file of these rows.
fn file(format: &Parquet, rows: &[Value]) -> Result<Bytes> {
    let (mut writer, mut output) = (format.writer()?, BytesMut::new());
    rows.iter().try_for_each(|row| writer.write(row.to_string().as_bytes(), &mut output))?;
    writer.finish(&mut output)?;
    Ok(output.freeze())
}

/// Row groups of about a thousand rows.
fn groups() -> Parquet {
    Parquet::new().row_group_bytes(16 << 10)
}

fn many() -> Vec<Value> {
    (0..10_000).map(|n| json!({"n": n, "text": format!("row {n}, {}", n * 7919 % 10_007)})).collect()
}

/// All that a stream gives up to its end or its first error.
fn stream(
    format: &Parquet,
    data: &Bytes,
    piece: usize,
    options: SplitOptions,
) -> (Vec<Record>, Option<Error>) {
    let mut reader = match format.reader(options) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let (mut pieces, mut records) = (data.chunks(piece.max(1)), Vec::new());
    loop {
        match reader.next() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(Bytes::copy_from_slice(piece)),
                None => {
                    reader.end();
                    match reader.next() {
                        Ok(Some(record)) => records.push(record),
                        Ok(None) => return (records, None),
                        Err(error) => return (records, Some(error)),
                    }
                }
            },
            Err(error) => return (records, Some(error)),
        }
    }
}

fn values(records: &[Record]) -> Vec<Value> {
    records.iter().map(|record| serde_json::from_slice(&record.content).expect("JSON")).collect()
}

async fn stored(data: Bytes) -> (Store, Key) {
    let (store, key) = (Store::new(Memory::new()), Key::new("a.parquet").expect("a key"));
    store.write(&key, data, WriteOptions::new()).await.expect("written");
    (store, key)
}

async fn read(format: Parquet, data: &Bytes, on_flaw: OnFlaw) -> (Result<Vec<Record>>, Vec<Skipped>) {
    let (store, key) = stored(data.clone()).await;
    let lost = Arc::new(Mutex::new(Vec::new()));
    let told = lost.clone();
    let pipeline = Pipeline::new(format)
        .split_options(SplitOptions::new().on_flaw(on_flaw))
        .on_lost(move |skipped| told.lock().expect("whole").push(skipped));
    let read = match pipeline.read(&store, &key, ReadOptions::new()).await {
        Ok(records) => records.try_collect().await,
        Err(error) => Err(error),
    };
    (read, std::mem::take(&mut *lost.lock().expect("whole")))
}

#[tokio::test]
async fn rows_come_back_by_ranges_and_as_a_stream() {
    let rows = many();
    for format in
        [groups(), groups().compression(Compression::None), groups().compression(Compression::Snappy)]
    {
        let data = file(&format, &rows).expect("a file");
        let (read, lost) = read(format.clone(), &data, OnFlaw::Fail).await;
        let read = read.expect("rows");
        assert_eq!((values(&read), lost.len()), (rows.clone(), 0));
        let numbers: Vec<u64> = read.iter().map(|record| record.number).collect();
        assert_eq!(numbers, (0..10_000).collect::<Vec<u64>>());
        // The offset is that of the row group, of which there are several.
        let mut offsets: Vec<u64> = read.iter().map(|record| record.offset).collect();
        assert!(offsets.is_sorted());
        offsets.dedup();
        assert!(offsets.len() > 5 && offsets[0] == 4, "{offsets:?}");
        let (streamed, error) = stream(&format, &data, 1 << 12, SplitOptions::new());
        assert!(error.is_none() && streamed == read);
    }
}

#[tokio::test]
async fn only_asked_columns_travel() {
    let wide: Vec<Value> = (0..2000)
        .map(|n| json!({"n": n, "o": {"x": n % 7, "y": "z"}, "wide": format!("{n:0>500}")}))
        .collect();
    let data = file(&Parquet::new().compression(Compression::None), &wide).expect("a file");
    let (narrow, _) = read(Parquet::new().columns(["n", "o.x"]), &data, OnFlaw::Fail).await;
    let expected: Vec<Value> = (0..2000).map(|n| json!({"n": n, "o": {"x": n % 7}})).collect();
    assert_eq!(values(&narrow.expect("rows")), expected);

    let (store, key) = stored(data.clone()).await;
    let counted = Arc::new(Mutex::new(0));
    let store = store.with_progress(Arc::new(Counted(counted.clone())));
    let pipeline = Pipeline::new(Parquet::new().columns(["n"]));
    let records = pipeline.read(&store, &key, ReadOptions::new()).await.expect("opened");
    assert_eq!(records.try_collect::<Vec<_>>().await.expect("rows").len(), 2000);
    let read = *counted.lock().expect("whole");
    assert!(read < 100 << 10, "{read} bytes of {}", data.len());

    let (unknown, _) = read_one(Parquet::new().columns(["N"]), &data).await;
    let unknown = unknown.expect_err("no such column");
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    assert!(unknown.to_string().contains("there are n, o, wide"), "{unknown}");
}

async fn read_one(format: Parquet, data: &Bytes) -> (Result<Vec<Record>>, Vec<Skipped>) {
    read(format, data, OnFlaw::Fail).await
}

#[derive(Debug)]
struct Counted(Arc<Mutex<u64>>);

impl storage_core::Progress for Counted {
    fn event(&self, event: storage_core::Event<'_>) {
        if let storage_core::Event::Bytes { count, .. } = event {
            *self.0.lock().expect("whole") += count;
        }
    }
}

/// Clause FORMAT-2: what is refused is told by its place, and what follows it is written.
#[test]
fn a_refused_row_is_not_written_and_the_next_one_is() {
    let (mut writer, mut output) = (Parquet::new().writer().expect("a writer"), BytesMut::new());
    writer.write(br#"{"a":1,"b":{"c":[true]}}"#, &mut output).expect("taken");
    for wrong in [
        &br#"{"new":1,"a":"text"}"#[..],
        br#"{"a":1,"a":2}"#,
        br#"{"b":{"c":[1]}}"#,
        br#"{"a":99999999999999999999}"#,
        br#"{"a":9007199254740993,"b":0.5}"#,
        br#"[1]"#,
        br#"{"a":1"#,
        b"",
        b"\xff",
        br#"{"a":"\ud800"}"#,
    ] {
        let refused = writer.write(wrong, &mut output).expect_err("refused");
        let flaw = Flaw::of(&refused).expect("a flaw");
        assert_eq!(flaw.part(), 1, "{refused}");
    }
    writer.write(br#"{"a":2,"d":"x"}"#, &mut output).expect("taken");
    writer.finish(&mut output).expect("finished");
    let (records, error) = stream(&Parquet::new(), &output.freeze(), usize::MAX, SplitOptions::new());
    assert!(error.is_none());
    let expected = [json!({"a": 1, "b": {"c": [true]}, "d": null}), json!({"a": 2, "b": null, "d": "x"})];
    // A refused row leaves nothing behind, not even the name of a column.
    assert_eq!(values(&records), expected);
}

#[test]
fn after_the_first_row_group_the_columns_stand() {
    let format = Parquet::new().row_group_bytes(100);
    let (mut writer, mut output) = (format.writer().expect("a writer"), BytesMut::new());
    let mut rows = Vec::new();
    for n in 0..100 {
        rows.push(json!({"n": n, "f": 0.5, "never": null, "list": []}));
        writer.write(rows[n].to_string().as_bytes(), &mut output).expect("taken");
    }
    for (wrong, why) in [
        (json!({"m": 1}), "`m` was in none"),
        (json!({"n": 1.5}), "`n` has integers"),
        (json!({"never": 1}), "`never` was null"),
        (json!({"list": [1]}), "`list[]` was null"),
    ] {
        let refused = writer.write(wrong.to_string().as_bytes(), &mut output).expect_err("refused");
        assert!(refused.to_string().contains(why) || format!("{refused:?}").contains(why), "{refused}");
    }
    rows.push(json!({"n": 7, "f": 3, "never": null, "list": null}));
    writer.write(br#"{"f":3,"n":7}"#, &mut output).expect("an integer that is a float");
    writer.finish(&mut output).expect("finished");
    let (records, error) = stream(&format, &output.freeze(), 100, SplitOptions::new());
    assert!(error.is_none(), "{error:?}");
    rows[100]["f"] = json!(3.0);
    assert_eq!(values(&records), rows);
}

#[tokio::test]
async fn no_rows_are_a_file() {
    let data = file(&Parquet::new(), &[]).expect("a file");
    let (records, lost) = read(Parquet::new(), &data, OnFlaw::Fail).await;
    assert!(records.expect("none").is_empty() && lost.is_empty());
    let nothing = file(&Parquet::new(), &[json!({})]).expect_err("rows without fields");
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn what_is_no_parquet_or_half_of_it_is_told() {
    let data = file(&groups(), &many()).expect("a file");
    let encrypted = Bytes::from([&data[..data.len() - 4], b"PARE"].concat());
    for (wrong, kind) in [
        (Bytes::new(), FlawKind::Foreign),
        (Bytes::from_static(b"PAR"), FlawKind::Foreign),
        (Bytes::from_static(b"PAR1"), FlawKind::UnexpectedEnd),
        (Bytes::from_static(b"{\"a\":1}\n{\"a\":2}\n"), FlawKind::Foreign),
        (data.slice(..data.len() - 1), FlawKind::UnexpectedEnd),
        (data.slice(..1000), FlawKind::UnexpectedEnd),
        (Bytes::from([&data[..], b"\n"].concat()), FlawKind::UnexpectedEnd),
        (encrypted, FlawKind::Unsupported),
        (Bytes::from([&b"PAR1"[..], &[0xff; 4], b"PAR1"].concat()), FlawKind::Damaged),
    ] {
        let (by_ranges, _) = read(Parquet::new(), &wrong, OnFlaw::Skip(u64::MAX)).await;
        let by_ranges = by_ranges.expect_err("refused");
        assert_eq!(Flaw::of(&by_ranges).map(Flaw::kind), Some(kind), "{by_ranges}");
        let (records, error) = stream(&Parquet::new(), &wrong, 77, SplitOptions::new());
        let error = error.expect("refused");
        assert!(records.is_empty() && Flaw::of(&error).map(Flaw::kind) == Some(kind), "{error}");
    }
    let held = Parquet::new().collect_max(1000);
    let (records, error) = stream(&held, &data, 100, SplitOptions::new());
    let error = error.expect("too much");
    assert!(records.is_empty() && Flaw::of(&error).map(Flaw::kind) == Some(FlawKind::TooLarge), "{error}");
    assert!(held.reader(SplitOptions::new().inside(Bytes::new())).is_err());
}

#[tokio::test]
async fn a_damaged_row_group_is_left_out_by_policy() {
    let format = groups();
    let data = file(&format, &many()).expect("a file");
    let (whole, _) = read(format.clone(), &data, OnFlaw::Fail).await;
    let whole = whole.expect("rows");
    let third = whole.iter().map(|record| record.offset).find(|offset| *offset > data.len() as u64 / 3);
    let begin = third.expect("several row groups") as usize;
    let mut damaged = data.to_vec();
    damaged[begin..begin + 200].fill(0xaa);
    let damaged = Bytes::from(damaged);

    let (failed, _) = read(format.clone(), &damaged, OnFlaw::Fail).await;
    let failed = failed.expect_err("damaged");
    let flaw = Flaw::of(&failed).expect("a flaw");
    assert_eq!(flaw.offset(), begin as u64);
    let first = whole.iter().position(|record| record.offset == begin as u64).expect("a row");
    assert_eq!(flaw.part(), first as u64);

    let (left, lost) = read(format.clone(), &damaged, OnFlaw::Skip(1)).await;
    let left = left.expect("the others");
    let expected: Vec<Record> =
        whole.iter().filter(|record| record.offset != begin as u64).cloned().collect();
    assert!(left == expected, "{} of {}", left.len(), expected.len());
    assert_eq!((lost.len(), lost[0].records), (1, (whole.len() - expected.len()) as u64));
    let (streamed, error) = stream(&format, &damaged, 999, SplitOptions::new().on_flaw(OnFlaw::Skip(1)));
    assert!(error.is_none() && streamed == expected);
}

#[tokio::test]
async fn an_object_that_changes_is_not_mixed_with_the_new_one() {
    // Larger than the end that is read first.
    let format = groups().compression(Compression::None);
    let data = file(&format, &many()).expect("a file");
    assert!(data.len() > 200 << 10, "{}", data.len());
    // Where versions are kept, the old one is read to its end.
    let (store, key) = (Store::new(Memory::unversioned()), Key::new("a.parquet").expect("a key"));
    store.write(&key, data, WriteOptions::new()).await.expect("written");
    let pipeline = Pipeline::new(format.clone());
    let mut records = pipeline.read(&store, &key, ReadOptions::new()).await.expect("opened");
    assert!(records.try_next().await.expect("a row").is_some());
    store
        .write(&key, file(&format, &[json!({"n": 1})]).expect("a file"), WriteOptions::new())
        .await
        .expect("written");
    let ended = records.try_fold(1, |count, _| std::future::ready(Ok(count + 1))).await;
    assert_eq!(ended.expect_err("another object").kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn any_damage_ends_in_rows_or_in_an_error() {
    let rows: Vec<Value> = (0..50).map(|n| json!({"n": n, "t": format!("{n}"), "l": [n, n + 1]})).collect();
    let data = file(&Parquet::new().compression(Compression::None), &rows).expect("a file");
    for at in 0..data.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = data.to_vec();
            damaged[at] ^= change;
            let damaged = Bytes::from(damaged);
            let (read, _) = read(Parquet::new(), &damaged, OnFlaw::Skip(3)).await;
            let (streamed, error) =
                stream(&Parquet::new(), &damaged, 500, SplitOptions::new().on_flaw(OnFlaw::Skip(3)));
            match (read, error) {
                (Ok(read), None) => assert!(read == streamed, "{at}"),
                (Err(one), Some(other)) => {
                    for error in [&one, &other] {
                        assert!(Flaw::of(error).is_some(), "{at} ^ {change}: {error}");
                    }
                    assert_eq!(one.kind(), other.kind(), "{at} ^ {change}");
                }
                (read, error) => panic!("{at} ^ {change}: {read:?}, and as a stream {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_too_long_are_left_out_alone() {
    let rows: Vec<Value> =
        (0..100).map(|n| json!({"n": n, "t": "x".repeat(if n % 40 == 7 { 5000 } else { 5 })})).collect();
    let data = file(&Parquet::new(), &rows).expect("a file");
    let options = SplitOptions::new().record_max(1000);
    let (records, error) = stream(&Parquet::new(), &data, 1000, options.clone());
    let error = error.expect("too long");
    assert_eq!(Flaw::of(&error).map(|flaw| (flaw.kind(), flaw.part())), Some((FlawKind::TooLarge, 7)));
    assert_eq!(values(&records), rows[..7]);
    let (records, error) = stream(&Parquet::new(), &data, 1000, options.on_flaw(OnFlaw::Skip(3)));
    assert!(error.is_none(), "{error:?}");
    let fine = |n: &usize| n % 40 != 7;
    assert_eq!(values(&records), (0..100).filter(fine).map(|n| rows[n].clone()).collect::<Vec<_>>());
    assert_eq!(records.last().map(|record| record.number), Some(99));
}

/// A dictionary makes little of the same text again and again: what comes out is not held at a time.
#[tokio::test]
async fn long_text_that_repeats_comes_back() {
    let row = |n: usize| json!({"n": n, "t": "y".repeat(400_000)}).to_string();
    let (mut writer, mut output) = (Parquet::new().writer().expect("a writer"), BytesMut::new());
    (0..1500).for_each(|n| writer.write(row(n).as_bytes(), &mut output).expect("taken"));
    writer.finish(&mut output).expect("finished");
    assert!(output.len() < 4 << 20, "{}", output.len());
    let (store, key) = stored(output.freeze()).await;
    let mut records =
        Pipeline::new(Parquet::new()).read(&store, &key, ReadOptions::new()).await.expect("opened");
    let mut sum = 0;
    while let Some(record) = records.try_next().await.expect("whole") {
        assert!(record.content == row(sum), "{sum}");
        sum += 1;
    }
    assert_eq!(sum, 1500);
}

#[test]
fn what_cannot_be_stored_is_not_published_later() {
    let (mut writer, mut output) =
        (Parquet::new().row_group_bytes(1).writer().expect("a writer"), BytesMut::new());
    let refused = writer.write(br#"{"a":{}}"#, &mut output).expect_err("no columns");
    assert!(refused.to_string().contains("`a` has no field"), "{refused}");
    assert!(writer.write(br#"{"a":{"b":1}}"#, &mut output).is_err() && writer.finish(&mut output).is_err());
    assert!(output.is_empty());
}

#[test]
fn there_are_not_more_columns_than_can_be_held() {
    let (mut writer, mut output) = (Parquet::new().writer().expect("a writer"), BytesMut::new());
    let row = |from: usize, to: usize| {
        let fields: Vec<String> = (from..to).map(|n| format!("\"c{n}\":1")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let wide = writer.write(row(0, 10_001).as_bytes(), &mut output).expect_err("too many");
    assert!(wide.to_string().contains("10000"), "{wide}");
    writer.write(row(0, 9_990).as_bytes(), &mut output).expect("taken");
    let many = writer.write(row(9_990, 10_001).as_bytes(), &mut output).expect_err("too many in all");
    assert!(many.to_string().contains("10000 columns"), "{many}");
    writer.write(row(9_980, 10_000).as_bytes(), &mut output).expect("taken");
}

/// A file as others write it.
fn of_others(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns");
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    file.into()
}

#[tokio::test]
async fn times_with_and_without_a_zone_are_text() {
    let time = || TimestampMicrosecondArray::from(vec![Some(1_763_791_262_345_678), None]);
    let zones: [(&str, ArrayRef); 3] = [
        ("none", Arc::new(time())),
        ("utc", Arc::new(time().with_timezone("UTC"))),
        ("named", Arc::new(time().with_timezone("Europe/Berlin"))),
    ];
    let (read, _) = read(Parquet::new(), &of_others(zones.to_vec()), OnFlaw::Fail).await;
    let read = values(&read.expect("rows"));
    assert_eq!(read[0]["none"], "2025-11-22T06:01:02.345678");
    // The file itself says no more than that it is universal time.
    assert_eq!(read[0]["utc"], "2025-11-22T06:01:02.345678Z");
    assert_eq!(read[0]["named"], "2025-11-22T06:01:02.345678Z");
    assert_eq!(read[1], json!({"none": null, "utc": null, "named": null}));
}

#[tokio::test]
async fn what_json_cannot_have_is_refused_and_no_row_is_left_out() {
    let numbers = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let twice = of_others(vec![("a", numbers()), ("a", numbers())]);
    let mut keys = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
    keys.keys().append_value(1);
    keys.values().append_value(2);
    keys.append(true).expect("an entry");
    let keys = of_others(vec![("m", Arc::new(keys.finish()))]);
    for (data, why) in [(twice, "two columns are called `a`"), (keys, "UTF8 keys")] {
        for on_flaw in [OnFlaw::Fail, OnFlaw::Skip(u64::MAX)] {
            let (refused, lost) = read(Parquet::new(), &data, on_flaw).await;
            let refused = refused.expect_err("refused");
            assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
            assert!(refused.to_string().contains(why) && lost.is_empty(), "{refused}");
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let text = || "[a-zäß\"\\\\\n😀]{0,12}";
    let row = (
        prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from)],
        prop_oneof![Just(Value::Null), any::<u64>().prop_map(Value::from)],
        any::<i32>().prop_map(|n| f64::from(n) + 0.25),
        prop_oneof![Just(Value::Null), text().prop_map(Value::from)],
        prop::collection::vec(prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from)], 0..4),
        prop::option::of(text()),
    );
    row.prop_map(
        |(i, u, f, t, l, n)| json!({"i": i, "u": u, "f": f, "t": t, "l": l, "o": {"n": n, "äß": [[1]]}}),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_come_back(rows in prop::collection::vec(value(), 1..60), group in 1usize..4000) {
        // The types of all rows are known from one that has everything.
        let first = json!({"i": 1, "u": u64::MAX, "f": 0.5, "t": "", "l": [true], "o": {"n": "", "äß": [[1]]}});
        let rows: Vec<Value> = std::iter::once(first).chain(rows).collect();
        let data = file(&Parquet::new().row_group_bytes(group), &rows).unwrap();
        let (records, error) = stream(&Parquet::new(), &data, 1000, SplitOptions::new());
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert_eq!(values(&records), rows);
    }
}

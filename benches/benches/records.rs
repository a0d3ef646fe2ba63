//! What splitting and framing cost, beside the plainest code that does the same, and beside copying the bytes.

use bstr::ByteSlice;
use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box, counter::BytesCount};
use storage_core::format::{Format, SplitOptions, Splitter};
use storage_format_length_prefix::{LengthPrefix, TfRecord, Width};
use storage_format_ndjson::Ndjson;

/// More than caches hold.
const LENGTH: usize = 64 << 20;
/// What comes at a time.
const PIECE: usize = 1 << 20;
const RECORD: usize = 4 << 10;

fn main() {
    divan::main();
}

/// Lines of so many bytes, with their line feed.
fn lines(length: usize) -> Bytes {
    let line = [vec![b'x'; length - 1], vec![b'\n']].concat();
    line.repeat(LENGTH / length).into()
}

fn split(data: &Bytes, format: &dyn Format) -> (u64, u64) {
    let mut reader = format.reader(SplitOptions::new()).expect("options");
    let (mut records, mut bytes) = (0, 0);
    for start in (0..data.len()).step_by(PIECE) {
        reader.push(data.slice(start..data.len().min(start + PIECE)));
        while let Some(record) = reader.next().expect("whole") {
            records += 1;
            bytes += black_box(record.content).len() as u64;
        }
    }
    reader.end();
    while let Some(record) = reader.next().expect("whole") {
        records += 1;
        bytes += black_box(record.content).len() as u64;
    }
    (records, bytes)
}

const LENGTHS: [usize; 3] = [128, 1 << 10, 16 << 10];

#[divan::bench(args = LENGTHS)]
fn ndjson_split_ours(bencher: Bencher<'_, '_>, length: usize) {
    let data = lines(length);
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        let (records, bytes) = split(&data, &Ndjson);
        assert_eq!(
            (records as usize, bytes as usize),
            (data.len() / length, data.len() - data.len() / length)
        );
    });
}

/// Without `dyn`, as whoever knows the format can.
#[divan::bench(args = LENGTHS)]
fn ndjson_split_ours_static(bencher: Bencher<'_, '_>, length: usize) {
    let data = lines(length);
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        let mut splitter = Splitter::new(Ndjson, SplitOptions::new());
        let mut records = 0;
        for start in (0..data.len()).step_by(PIECE) {
            splitter.push(data.slice(start..data.len().min(start + PIECE)));
            while let Some(record) = splitter.next().expect("whole") {
                records += 1;
                black_box(record.content);
            }
        }
        records
    });
}

#[divan::bench(args = LENGTHS)]
fn ndjson_split_bstr(bencher: Bencher<'_, '_>, length: usize) {
    let data = lines(length);
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        let mut records = 0;
        for piece in data.chunks(PIECE) {
            for line in piece.lines() {
                records += 1;
                black_box(line);
            }
        }
        records
    });
}

#[divan::bench]
fn framed_write_tfrecord(bencher: Bencher<'_, '_>) {
    written(bencher, &TfRecord);
}

#[divan::bench]
fn framed_write_u32be(bencher: Bencher<'_, '_>) {
    written(bencher, &LengthPrefix::big_endian(Width::U32));
}

#[divan::bench]
fn framed_write_memcpy(bencher: Bencher<'_, '_>) {
    let data = vec![7u8; LENGTH];
    let mut output = BytesMut::with_capacity(2 * PIECE);
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        for record in data.chunks(RECORD) {
            if output.len() >= PIECE {
                black_box(&output);
                output.clear();
            }
            output.extend_from_slice(record);
        }
    });
}

fn written(bencher: Bencher<'_, '_>, format: &dyn Format) {
    let data = vec![7u8; LENGTH];
    let mut output = BytesMut::with_capacity(2 * PIECE);
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let mut writer = format.writer().expect("options");
        for record in data.chunks(RECORD) {
            if output.len() >= PIECE {
                black_box(&output);
                output.clear();
            }
            writer.write(record, &mut output).expect("fits");
        }
    });
}

#[divan::bench]
fn framed_read_tfrecord(bencher: Bencher<'_, '_>) {
    read(bencher, &TfRecord);
}

#[divan::bench]
fn framed_read_u32be(bencher: Bencher<'_, '_>) {
    read(bencher, &LengthPrefix::big_endian(Width::U32));
}

fn read(bencher: Bencher<'_, '_>, format: &dyn Format) {
    let (mut writer, mut output) = (format.writer().expect("options"), BytesMut::new());
    for record in vec![7u8; LENGTH].chunks(RECORD) {
        writer.write(record, &mut output).expect("fits");
    }
    let data = output.freeze();
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        assert_eq!(split(&data, format).0 as usize, LENGTH / RECORD);
    });
}

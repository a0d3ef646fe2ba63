//! The record file: whole, in any pieces, cut, damaged, mixed up.

mod support;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use proptest::prelude::*;
use storage_conformance::fault::{Call, Fault, FaultLayer, Plan};
use storage_core::codec::{Codec, Codecs, EncodeOptions};
use storage_core::format::{Format, OnFlaw, Record, Skipped, SplitOptions, records_within, shares};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Key, ReadOptions, Store, WriteOptions};
use storage_format_length_prefix::RecordFile;
use storage_memory::Memory;
use support::{KNOWN, NAME, Runs, UNKNOWN};

const HEAD: usize = 64;
const PAGE: &str = include_str!("../../../docs/record-file.md");

fn runs() -> Arc<dyn Codec> {
    Arc::new(Runs(&KNOWN))
}

fn plain() -> RecordFile {
    RecordFile::new(Codecs::new([runs()])).id(std::array::from_fn(|at| at as u8))
}

fn compressed() -> RecordFile {
    plain().compressed(runs(), EncodeOptions::new()).expect("because it has a number")
}

fn written<R: AsRef<[u8]>>(file: &RecordFile, records: impl IntoIterator<Item = R>) -> Vec<u8> {
    let (mut writer, mut output) = (file.writer().expect("a writer"), BytesMut::new());
    for record in records {
        writer.write(record.as_ref(), &mut output).expect("to be taken");
    }
    writer.finish(&mut output).expect("an end");
    output.to_vec()
}

struct Found {
    records: Vec<Record>,
    skipped: Vec<Skipped>,
    ended: Result<(), Error>,
}

impl Found {
    fn contents(&self) -> Vec<&[u8]> {
        self.records.iter().map(|record| &record.content[..]).collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.records.iter().map(|record| record.number).collect()
    }

    fn lost(&self) -> u64 {
        self.skipped.iter().map(|skipped| skipped.records).sum()
    }

    #[track_caller]
    fn flaw(&self) -> &Flaw {
        Flaw::of(self.ended.as_ref().expect_err("an error")).expect("a flaw")
    }
}

fn read(data: &[u8], step: usize, options: SplitOptions) -> Found {
    let mut reader = plain().reader(options).expect("a reader");
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

fn strictly(data: &[u8]) -> Found {
    read(data, usize::MAX, SplitOptions::new())
}

fn forgiving(data: &[u8], step: usize) -> Found {
    read(data, step, SplitOptions::new().on_flaw(OnFlaw::Skip(u64::MAX)))
}

/// Thirty records in blocks of about a hundred bytes, and where those begin.
fn sample(file: &RecordFile) -> (Vec<Vec<u8>>, Vec<u8>, Vec<usize>) {
    let records: Vec<Vec<u8>> = (0..30u8).map(|n| vec![n; usize::from(n) * 7 % 50]).collect();
    let data = written(&file.clone().block_size(100), &records);
    let begins =
        data.windows(8).enumerate().filter(|(_, bytes)| *bytes == b"\x1eHRECBLK").map(|(at, _)| at).collect();
    (records, data, begins)
}

#[test]
fn the_vectors_of_the_page() {
    let vectors: Vec<Vec<u8>> = PAGE
        .split("```")
        .filter(|block| block.trim_start().starts_with("8948"))
        .map(|block| {
            let digits: Vec<u8> = block.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| {
                u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte")
            };
            digits.chunks(2).map(byte).collect()
        })
        .collect();
    let none: [&[u8]; 0] = [];
    assert_eq!(vectors, [written(&plain(), none), written(&plain(), ["one", "", "three"])]);
    assert_eq!(strictly(&vectors[1]).contents(), [&b"one"[..], b"", b"three"]);
    assert!(strictly(&vectors[0]).ended.is_ok());
}

#[test]
fn any_pieces_give_the_same() {
    for file in [plain(), compressed()] {
        let (records, data, _) = sample(&file);
        for step in (1..140).chain([1000, usize::MAX]) {
            let found = read(&data, step, SplitOptions::new());
            found.ended.as_ref().expect("a clean end");
            assert_eq!(found.contents(), records, "by {step}");
            assert_eq!(found.numbers(), (0..30).collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_compresses_is_compressed_and_what_does_not_stays() {
    let record = vec![b'a'; 100_000];
    let data = written(&compressed(), [&record]);
    assert!(data.len() < 2000, "{} bytes", data.len());
    assert_eq!(strictly(&data).contents(), [&record[..]]);
    let mut random: u32 = 1;
    let noise: Vec<u8> = (0..10_000)
        .map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        })
        .collect();
    let data = written(&compressed(), [&noise]);
    assert_eq!(data.len(), written(&plain(), [&noise]).len());
    // Without the codec the blocks that need it are told, and those that do not are read.
    let data = written(&compressed().block_size(1), [&record, &noise]);
    let mut reader = RecordFile::new(Codecs::default())
        .reader(SplitOptions::new().on_flaw(OnFlaw::Skip(1)))
        .expect("a reader");
    reader.push(data.into());
    reader.end();
    let found = reader.next().expect("to go on").expect("the second");
    assert_eq!((&found.content[..], found.number), (&noise[..], 1));
    assert!(reader.next().expect("an end").is_none());
    let skipped = reader.skipped();
    assert_eq!(skipped[0].flaw.kind(), FlawKind::Unsupported);
    assert!(skipped[0].flaw.to_string().contains(NAME), "{}", skipped[0].flaw);
}

#[test]
fn every_cut_is_an_unexpected_end() {
    for file in [plain(), compressed()] {
        let (records, data, begins) = sample(&file);
        for cut in 0..data.len() {
            let found = strictly(&data[..cut]);
            assert_eq!(found.flaw().kind(), FlawKind::UnexpectedEnd, "cut after {cut}");
            assert_eq!(found.contents(), records[..found.records.len()], "cut after {cut}");
            let found = forgiving(&data[..cut], 13);
            assert!(found.ended.is_ok() && !found.skipped.is_empty(), "cut after {cut}");
            let bytes: u64 = found.skipped.iter().map(|skipped| skipped.bytes).sum();
            let whole = begins.iter().rfind(|begin| **begin <= cut).copied().unwrap_or(0);
            assert!(bytes <= (cut - whole) as u64, "cut after {cut}: {bytes} bytes left out");
        }
    }
}

#[test]
fn every_byte_that_is_damaged_costs_one_block_and_is_told() {
    for file in [plain(), compressed()] {
        let (records, data, begins) = sample(&file);
        for at in 0..data.len() {
            for change in [1, 0x80, 0xff] {
                let mut bad = data.clone();
                bad[at] ^= change;
                let strict = strictly(&bad);
                let what = format!("byte {at} changed by {change:#x}");
                assert!(strict.ended.is_err(), "{what}");
                assert_eq!(strict.contents(), records[..strict.records.len()], "{what}");
                for step in [1, 50, usize::MAX] {
                    let found = forgiving(&bad, step);
                    found.ended.as_ref().expect(&what);
                    assert!(!found.skipped.is_empty(), "{what}");
                    let (kept, lost): (Vec<u64>, u64) = (found.numbers(), found.lost());
                    assert_eq!(kept.len() as u64 + lost, 30, "{what}, by {step}: kept {kept:?}, lost {lost}");
                    let hit = begins.iter().rposition(|begin| *begin <= at);
                    let is_data = hit.is_some_and(|hit| hit + 1 < begins.len());
                    assert_eq!(lost > 0, is_data, "{what}, by {step}");
                    for record in &found.records {
                        assert_eq!(record.content, records[record.number as usize], "{what}");
                        let block = begins.iter().rposition(|begin| *begin as u64 <= record.offset);
                        assert!(!is_data || block != hit, "{what}: a record of the damaged block");
                    }
                }
            }
        }
    }
}

#[test]
fn bytes_that_are_missing_or_come_between_cost_the_block_that_they_hit() {
    let (records, data, begins) = sample(&compressed());
    let whole = strictly(&data);
    let held =
        |block: usize| whole.records.iter().filter(|r| r.offset == begins[block] as u64).count() as u64;
    for at in HEAD..begins[begins.len() - 1] {
        let block = begins.iter().rposition(|begin| *begin <= at).expect("behind the head of the file");
        let missing = [&data[..at], &data[at + 1..]].concat();
        let between = [&data[..at], b"xyz", &data[at..]].concat();
        let splits_none = begins[block] == at;
        for (bad, lost) in [(missing, held(block)), (between, if splits_none { 0 } else { held(block) })] {
            assert!(strictly(&bad).ended.is_err(), "at {at}");
            for step in [1, 77, usize::MAX] {
                let found = forgiving(&bad, step);
                found.ended.as_ref().expect("to go on");
                assert_eq!(
                    (found.records.len() as u64, found.lost()),
                    (30 - lost, lost),
                    "at {at} by {step}"
                );
                assert!(found.records.iter().all(|record| record.content == records[record.number as usize]));
            }
        }
    }
}

#[test]
fn blocks_of_another_file_or_another_place_are_refused() {
    let (records, data, begins) = sample(&plain());
    let (_, other, _) = sample(&plain().id([9; 16]));
    let block = |data: &[u8], n: usize| data[begins[n]..begins[n + 1]].to_vec();
    let foreign = [&data[..begins[2]], &block(&other, 2), &data[begins[3]..]].concat();
    let swapped = [&data[..begins[2]], &block(&data, 3), &block(&data, 2), &data[begins[4]..]].concat();
    let twice = [&data[..begins[3]], &data[begins[2]..]].concat();
    let dropped = [&data[..begins[2]], &data[begins[3]..]].concat();
    for (what, bad) in [("foreign", foreign), ("swapped", swapped), ("twice", twice), ("dropped", dropped)] {
        let found = strictly(&bad);
        assert_eq!(found.flaw().kind(), FlawKind::Damaged, "{what}");
        assert!(found.flaw().offset() <= begins[3] as u64, "{what}");
        let found = forgiving(&bad, 100);
        found.ended.as_ref().expect(what);
        for record in &found.records {
            assert_eq!(record.content, records[record.number as usize], "{what}");
        }
        let numbers = found.numbers();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{what}: {numbers:?}");
        assert_eq!(numbers.len() as u64 + found.lost(), 30, "{what}");
    }
}

#[test]
fn a_file_inside_a_record_is_no_part_of_the_file_around_it() {
    let (_, inner, _) = sample(&plain().id([7; 16]));
    let records: Vec<Vec<u8>> = vec![b"before".to_vec(), inner, b"after".to_vec()];
    let data = written(&plain().block_size(1), &records);
    assert_eq!(strictly(&data).contents(), records);
    // Even where the block around it is damaged.
    let mut bad = data.clone();
    let begin =
        bad.windows(8).enumerate().filter(|(_, bytes)| *bytes == b"\x1eHRECBLK").nth(1).expect("a block").0;
    bad[begin] ^= 1;
    let found = forgiving(&bad, 1000);
    assert_eq!(found.numbers(), [0, 2]);
    assert_eq!(found.lost(), 1);
}

#[test]
fn what_follows_is_trailing_data() {
    let (records, data, _) = sample(&plain());
    let found = strictly(&[&data[..], b"x"].concat());
    assert_eq!((found.flaw().kind(), found.flaw().offset()), (FlawKind::TrailingData, data.len() as u64));
    assert_eq!(found.contents(), records);
    let found = strictly(&data.repeat(2));
    assert_eq!(found.flaw().kind(), FlawKind::TrailingData);
}

#[test]
fn another_format_is_foreign_and_a_later_version_unsupported() {
    assert_eq!(strictly(&[b'x'; 100]).flaw().kind(), FlawKind::Foreign);
    let (_, mut data, _) = sample(&plain());
    data[8] = 2;
    let crc = storage_core::Algorithm::Crc32c.digest(&data[..60]);
    let mut crc = crc.as_bytes().to_vec();
    crc.reverse();
    data[60..64].copy_from_slice(&crc);
    assert_eq!(strictly(&data).flaw().kind(), FlawKind::Unsupported);
    assert_eq!(forgiving(&data, 100).flaw().kind(), FlawKind::Unsupported);
}

#[test]
fn a_record_that_is_too_long_is_left_out_alone() {
    let records = [vec![1; 10], vec![2; 500], vec![3; 10]];
    let data = written(&plain(), &records);
    let options = SplitOptions::new().record_max(100);
    let found = read(&data, 100, options.clone());
    assert_eq!((found.flaw().kind(), found.flaw().part()), (FlawKind::TooLarge, 1));
    let found = read(&data, 100, options.on_flaw(OnFlaw::Skip(1)));
    assert_eq!((found.numbers(), found.lost()), (vec![0, 2], 1));
}

#[test]
fn a_long_block_that_is_announced_is_not_waited_for() {
    let record = vec![0; 17 << 20];
    let data = written(&plain(), [&record]);
    let options = SplitOptions::new().record_max(1000);
    // Its head alone.
    let found = read(&data[..128], 128, options.clone());
    assert_eq!(found.flaw().kind(), FlawKind::TooLarge);
    let found = read(&data, 1 << 20, options.on_flaw(OnFlaw::Skip(1)));
    assert_eq!((found.records.len(), found.lost()), (0, 1));
    found.ended.expect("a clean end");
    assert_eq!(strictly(&data).contents(), [&record[..]]);
}

/// What several readers give that share data, which comes in pieces of so many bytes.
async fn shared(data: &[u8], count: u64, step: usize) -> Result<Vec<Record>, Error> {
    let trickle = Fault::Trickle { step, pause: std::time::Duration::ZERO };
    let store = Store::new(Memory::new()).layer(&FaultLayer::new(Plan::new().each(Call::Read, .., trickle)));
    let (key, file) = (Key::new("data.hrec")?, plain());
    store.write(&key, data.to_vec(), WriteOptions::new()).await?;
    let mut all = Vec::new();
    for range in shares(data.len() as u64, count) {
        let options = SplitOptions::new();
        let found = records_within((&store, &key), &file, range, options, ReadOptions::new()).await?;
        all.extend(found.try_collect::<Vec<Record>>().await?);
    }
    Ok(all)
}

#[tokio::test]
async fn readers_that_share_a_file_read_each_record_once() {
    let (records, data, _) = sample(&compressed());
    for (count, step) in [(1, 7), (2, 1000), (3, 63), (7, 64), (50, 200), (data.len() as u64, 1000)] {
        let all = shared(&data, count, step).await.expect("all records");
        let numbers: Vec<u64> = all.iter().map(|record| record.number).collect();
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{count} by {step}");
        assert!(all.iter().zip(&records).all(|(record, meant)| record.content == meant[..]));
    }
}

#[tokio::test]
async fn readers_that_share_a_file_tell_that_it_is_not_whole() {
    let (_, data, begins) = sample(&compressed());
    let places =
        begins.iter().flat_map(|begin| [*begin, begin + 10, begin + 64]).filter(|at| *at < data.len());
    for at in places {
        for (count, step) in [(1, 100), (3, 64), (9, 1000)] {
            let cut = shared(&data[..at], count, step).await.expect_err("a cut");
            assert_eq!(
                Flaw::of(&cut).map(Flaw::kind),
                Some(FlawKind::UnexpectedEnd),
                "cut at {at}, {count} by {step}"
            );
            let mut bad = data.clone();
            bad[at] ^= 1;
            assert!(shared(&bad, count, step).await.is_err(), "byte {at} changed, {count} by {step}");
        }
    }
}

#[tokio::test]
async fn readers_that_share_a_file_are_not_taken_in_by_one_in_a_record() {
    let (_, inner, _) = sample(&plain().id([7; 16]));
    let records: Vec<Vec<u8>> = (0..5).map(|_| inner.clone()).collect();
    let data = written(&plain(), &records);
    let all = shared(&data, 40, 1000).await.expect("all records");
    assert_eq!(all.iter().map(|record| &record.content[..]).collect::<Vec<_>>(), records);
    let (store, key, file) = (Store::new(Memory::new()), Key::new("x").expect("a key"), plain());
    let options = SplitOptions::new().on_flaw(OnFlaw::Skip(1));
    let refused = records_within((&store, &key), &file, 5..9, options, ReadOptions::new()).await;
    assert_eq!(refused.err().expect("to be refused").kind(), ErrorKind::Unsupported);
}

#[test]
fn after_an_error_nothing_more_comes() {
    let data = written(&plain(), [vec![1; 10], vec![2; 500], vec![3; 10]]);
    let mut reader = plain().reader(SplitOptions::new().record_max(100)).expect("a reader");
    reader.push(data.into());
    reader.end();
    assert!(reader.next().is_ok_and(|record| record.is_some()));
    assert!(reader.next().is_err());
    assert!(reader.next().is_err());
}

#[test]
fn what_follows_is_one_flaw_whatever_its_pieces() {
    let (records, data, _) = sample(&plain());
    let data = [&data[..], &[b'x'; 5000]].concat();
    for step in [1, 100, usize::MAX] {
        let found = read(&data, step, SplitOptions::new().on_flaw(OnFlaw::Skip(1)));
        found.ended.as_ref().expect("one flaw");
        assert_eq!((found.records.len(), found.skipped.len()), (records.len(), 1), "by {step}");
        assert_eq!(found.skipped[0].bytes, 5000, "by {step}");
    }
}

#[test]
fn options_that_a_reader_would_need_are_refused() {
    for options in [
        EncodeOptions::new().dictionary(&b"words"[..]),
        EncodeOptions::new().window_log(28),
        EncodeOptions::new().level(99),
    ] {
        let refused = plain().compressed(runs(), options.clone());
        assert_eq!(refused.expect_err("to be refused").kind(), ErrorKind::InvalidInput, "{options:?}");
    }
}

#[test]
fn a_codec_without_a_number_is_refused() {
    let refused = plain().compressed(Arc::new(Runs(&UNKNOWN)), EncodeOptions::new());
    assert_eq!(refused.expect_err("to be refused").kind(), ErrorKind::InvalidInput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_come_back(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..60),
        size in 1usize..2000,
        step in 1usize..3000,
    ) {
        for file in [plain(), compressed()] {
            let data = written(&file.block_size(size), &records);
            let found = read(&data, step, SplitOptions::new());
            prop_assert!(found.ended.is_ok());
            prop_assert_eq!(found.contents(), records.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }

    /// However it is mutilated: nothing comes out that was not written, and what is lost is told.
    #[test]
    fn any_damage_is_found(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (records, mut data, _) = sample(&compressed());
        let before = data.clone();
        for (place, byte) in places {
            let at = place.index(data.len());
            data[at] = byte;
        }
        if is_cut {
            data.truncate(cut.index(data.len()));
        }
        for found in [strictly(&data), forgiving(&data, 64)] {
            for record in &found.records {
                prop_assert_eq!(&record.content[..], &records[record.number as usize][..]);
            }
            if found.records.len() < records.len() {
                prop_assert!(found.ended.is_err() || !found.skipped.is_empty());
            }
        }
        prop_assert!(before == data || strictly(&data).ended.is_err());
    }
}

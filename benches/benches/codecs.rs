//! What a codec costs behind the core's streams, beside its library alone on the same pieces.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use futures_util::{StreamExt, TryStreamExt, stream};
use storage_codec_gzip::Gzip;
use storage_codec_zstd::Zstd;
use storage_core::ByteStream;
use storage_core::codec::{self, Codec, DecodeOptions, EncodeOptions};

/// Bytes before they are compressed.
const LENGTH: usize = 32 << 20;
/// What comes at a time.
const PIECE: usize = 128 << 10;

fn main() {
    divan::main();
}

/// Lines of a log as they are: most of each has been seen before, and a part has not.
fn text() -> Vec<u8> {
    let (mut text, mut seed) = (Vec::with_capacity(LENGTH + 256), 0x9e37_79b9_7f4a_7c15_u64);
    while text.len() < LENGTH {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (user, took) = (seed % 10_007, seed >> 52);
        let line = format!(
            "{{\"time\":\"2026-11-22T06:{:02}:{:02}Z\",\"level\":\"info\",\"user\":{user},\"path\":\"/items/{}\",\"took_ms\":{took},\"trace\":\"{seed:016x}\"}}\n",
            seed % 60,
            (seed >> 8) % 60,
            seed % 997
        );
        text.extend_from_slice(line.as_bytes());
    }
    text.truncate(LENGTH);
    text
}

fn pieces(data: &[u8]) -> Vec<Bytes> {
    data.chunks(PIECE).map(Bytes::copy_from_slice).collect()
}

fn stream(pieces: &[Bytes]) -> ByteStream {
    stream::iter(pieces.to_vec()).map(Ok).boxed()
}

/// How many bytes come out.
fn drain(bytes: ByteStream) -> usize {
    let all = bytes.try_fold(0, |length, piece| std::future::ready(Ok(length + black_box(piece).len())));
    futures_util::future::FutureExt::now_or_never(all).expect("because everything is there").expect("whole")
}

fn encoded(codec: impl Codec) -> Vec<Bytes> {
    let options = EncodeOptions::new();
    let encoded = codec::encode(stream(&pieces(&text())), Arc::new(codec), &options).expect("options");
    let encoded: Vec<Bytes> = futures_util::future::FutureExt::now_or_never(encoded.try_collect::<Vec<_>>())
        .expect("because everything is there")
        .expect("encoded");
    pieces(&encoded.concat())
}

fn ours_encode(bencher: Bencher<'_, '_>, codec: Arc<dyn Codec>) {
    let pieces = pieces(&text());
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        drain(codec::encode(stream(&pieces), codec.clone(), &EncodeOptions::new()).expect("options"))
    });
}

fn ours_decode(bencher: Bencher<'_, '_>, codec: impl Codec + Clone) {
    let (encoded, codec): (_, Arc<dyn Codec>) = (encoded(codec.clone()), Arc::new(codec));
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let length =
            drain(codec::decode(stream(&encoded), codec.clone(), DecodeOptions::new()).expect("options"));
        assert_eq!(length, LENGTH);
    });
}

/// Takes pieces, and what comes out of them in a buffer of its own, again and again.
#[derive(Default)]
struct Sink(Vec<u8>, usize);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.clear();
        self.0.extend_from_slice(bytes);
        black_box(&self.0);
        self.1 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn pour(pieces: &[Bytes], mut to: impl Write) {
    pieces.iter().try_for_each(|piece| to.write_all(piece)).expect("into memory");
    to.flush().expect("into memory");
}

#[divan::bench]
fn gzip_encode_ours(bencher: Bencher<'_, '_>) {
    ours_encode(bencher, Arc::new(Gzip));
}

#[divan::bench]
fn gzip_encode_library(bencher: Bencher<'_, '_>) {
    let pieces = pieces(&text());
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let mut encoder = flate2::write::GzEncoder::new(Sink::default(), flate2::Compression::new(6));
        pour(&pieces, &mut encoder);
        encoder.finish().expect("into memory").1
    });
}

#[divan::bench]
fn gzip_decode_ours(bencher: Bencher<'_, '_>) {
    ours_decode(bencher, Gzip);
}

#[divan::bench]
fn gzip_decode_library(bencher: Bencher<'_, '_>) {
    let encoded = encoded(Gzip);
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let mut decoder = flate2::write::MultiGzDecoder::new(Sink::default());
        pour(&encoded, &mut decoder);
        assert_eq!(decoder.finish().expect("whole").1, LENGTH);
    });
}

#[divan::bench]
fn zstd_encode_ours(bencher: Bencher<'_, '_>) {
    ours_encode(bencher, Arc::new(Zstd));
}

#[divan::bench]
fn zstd_encode_library(bencher: Bencher<'_, '_>) {
    let pieces = pieces(&text());
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let mut encoder = zstd::stream::write::Encoder::new(Sink::default(), 3).expect("a level");
        encoder.include_checksum(true).expect("an option");
        pour(&pieces, &mut encoder);
        encoder.finish().expect("into memory").1
    });
}

#[divan::bench]
fn zstd_decode_ours(bencher: Bencher<'_, '_>) {
    ours_decode(bencher, Zstd);
}

#[divan::bench]
fn zstd_decode_library(bencher: Bencher<'_, '_>) {
    let encoded = encoded(Zstd);
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| {
        let mut decoder = zstd::stream::write::Decoder::new(Sink::default()).expect("a decoder");
        pour(&encoded, &mut decoder);
        assert_eq!(decoder.into_inner().1, LENGTH);
    });
}

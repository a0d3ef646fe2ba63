//! What the core costs by itself: hashing, keys, listings side by side, and a request on a store in memory.

use std::future::Future;

use divan::{Bencher, black_box, counter::BytesCount};
use storage_core::{Algorithm, Key, ListOptions, Prefix, ReadOptions, StatOptions, Store, WriteOptions};
use storage_memory::Memory;
use storage_sync::{SyncOptions, sync};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

#[divan::bench(args = Algorithm::ALL, consts = [4 << 10, 1 << 20])]
fn hash<const LENGTH: usize>(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let data = vec![7u8; LENGTH];
    bencher.counter(BytesCount::new(LENGTH)).bench(|| algorithm.digest(black_box(&data)));
}

#[divan::bench(args = ["a", "reports/2026/november.txt", "über/größe/δοκιμή/测试.txt"])]
fn key(name: &str) -> Key {
    Key::new(black_box(name)).expect("because these are keys")
}

#[divan::bench]
fn key_of_1024_bytes(bencher: Bencher<'_, '_>) {
    let name = "directory/".repeat(102) + "file";
    bencher.bench(|| Key::new(black_box(&name)));
}

/// Two listings side by side, of which nothing differs.
#[divan::bench(args = [100, 10_000])]
fn sync_unchanged(bencher: Bencher<'_, '_>, objects: usize) {
    let runtime = runtime();
    let (source, destination) = (filled(&runtime, objects), filled(&runtime, objects));
    bencher.bench_local(|| {
        done(&runtime, sync(&source, &destination, SyncOptions::new().dry_run(true), |_| {}))
    });
}

#[divan::bench(args = [100, 10_000])]
fn list(bencher: Bencher<'_, '_>, objects: usize) {
    let runtime = runtime();
    let store = filled(&runtime, objects);
    bencher.bench_local(|| {
        runtime.block_on(async {
            let mut listing = store.list(&Prefix::root(), ListOptions::new());
            let mut count = 0;
            while let Some(entry) = next(&mut listing).await {
                count += usize::from(entry.is_ok());
            }
            count
        })
    });
}

#[divan::bench(consts = [16, 64 << 10])]
fn write<const LENGTH: usize>(bencher: Bencher<'_, '_>) {
    let (runtime, store, key) = (runtime(), Store::new(Memory::unversioned()), object());
    let body = bytes(LENGTH);
    bencher.bench_local(|| done(&runtime, store.write(&key, body.clone(), WriteOptions::new())));
}

#[divan::bench(consts = [16, 64 << 10])]
fn read<const LENGTH: usize>(bencher: Bencher<'_, '_>) {
    let (runtime, store, key) = (runtime(), Store::new(Memory::unversioned()), object());
    done(&runtime, store.write(&key, bytes(LENGTH), WriteOptions::new()));
    bencher.bench_local(|| done(&runtime, store.read(&key, ReadOptions::new())));
}

#[divan::bench]
fn stat(bencher: Bencher<'_, '_>) {
    let (runtime, store, key) = (runtime(), Store::new(Memory::unversioned()), object());
    done(&runtime, store.write(&key, "x", WriteOptions::new()));
    bencher.bench_local(|| done(&runtime, store.stat(&key, StatOptions::new())));
}

fn bytes(length: usize) -> bytes::Bytes {
    vec![7u8; length].into()
}

fn object() -> Key {
    Key::new("reports/2026/november.txt").expect("because it is a key")
}

fn filled(runtime: &Runtime, objects: usize) -> Store {
    let store = Store::new(Memory::unversioned());
    for at in 0..objects {
        let key = Key::new(format!("{:03}/{at:06}", at / 1000)).expect("because it is a key");
        done(runtime, store.write(&key, "x", WriteOptions::new()));
    }
    store
}

async fn next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("because a runtime of one thread needs nothing")
}

fn done<T>(runtime: &Runtime, work: impl Future<Output = storage_core::Result<T>>) -> T {
    runtime.block_on(work).expect("because memory does not fail")
}

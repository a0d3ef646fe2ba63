//! Futures dropped before, while and after the blocking pool gets to their work (clause CXL-1).

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};

use common::{Root, get, key, prefix, put};
use storage_core::{Change, CopyOptions, RenameOptions, WriteOptions};
use storage_fs::Symlinks;
use tokio::runtime::{Builder, Runtime};

/// Polls a future once and drops it.
fn begin_and_drop<T>(future: impl Future<Output = T>) {
    let mut future = pin!(future);
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the pool is busy, so nothing can be done yet");
}

/// A runtime whose pool does one thing at a time, in order.
fn one_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Work that waits for a thread while its future is dropped never begins. A delete that came late would take away
/// what was written since.
#[test]
fn work_dropped_in_the_queue_never_begins() {
    let root = Root::new(Symlinks::Preserve);
    root.file("a", "old");
    root.file("from", "content");
    root.file("mode", "content");
    root.file("empty/x", "");
    std::fs::remove_file(root.at("empty/x")).expect("an empty directory");
    root.file(".haul-0123456789abcdef.tmp", "left behind");
    let runtime = one_thread();
    let (free, wait) = mpsc::channel::<()>();
    let busy = runtime.spawn_blocking(move || wait.recv());
    runtime.block_on(async {
        let change = Change::new().modified(std::time::UNIX_EPOCH);
        begin_and_drop(root.store.delete(key("a")));
        begin_and_drop(root.store.write(&key("new"), "new", WriteOptions::new()));
        begin_and_drop(root.store.copy(&key("from"), &key("copied"), CopyOptions::new()));
        begin_and_drop(root.store.rename(&key("from"), &key("moved"), RenameOptions::new()));
        begin_and_drop(root.store.update(&key("mode"), change));
        begin_and_drop(root.store.create_dir(&prefix("made/")));
        begin_and_drop(root.store.remove_dir(&prefix("empty/")));
        begin_and_drop(root.store.cleanup(&prefix("")));
        free.send(()).expect("it waits");
        busy.await.expect("it ends").expect("it was told");
        // The pool works in order: after this, whatever was queued before it is over.
        put(&root.store, "last", "last").await.expect("written");
        assert_eq!(get(&root.store, "a").await.expect("it is there"), b"old");
    });
    for there in ["from", "empty", ".haul-0123456789abcdef.tmp"] {
        assert!(root.at(there).exists(), "{there}");
    }
    for absent in ["new", "copied", "moved", "made"] {
        assert!(!root.at(absent).exists(), "{absent}");
    }
    let modified = root.at("mode").metadata().expect("it is there").modified().expect("a time");
    assert_ne!(modified, std::time::UNIX_EPOCH);
}

/// Dropping a listing stops its work, also where the next page is far away (clause LIST-4): this tree of links has
/// more ways than can be walked, and no object.
#[test]
fn a_dropped_listing_stops_on_its_way_to_the_next_page() {
    let root = Root::new(Symlinks::Follow);
    for level in 0..40 {
        std::fs::create_dir(root.at(&format!("{level}"))).expect("a directory");
        for name in ["a", "b"] {
            root.link(format!("../{}", level + 1), &format!("{level}/{name}"));
        }
    }
    std::fs::create_dir(root.at("40")).expect("a directory");
    let runtime = one_thread();
    runtime.block_on(async {
        {
            let mut listing = root.store.list(&prefix("0/"), storage_core::ListOptions::new());
            begin_and_drop(futures_util::StreamExt::next(&mut listing));
        }
        // The only thread of the pool is free again.
        put(&root.store, "last", "last").await.expect("written");
    });
}

/// A large copy or write that is dropped half-way ends, and leaves the old object and nothing beside it.
#[test]
fn large_work_that_is_dropped_leaves_nothing() {
    const SIZE: usize = 200 << 20;
    let root = Root::new(Symlinks::Follow);
    root.file("from", vec![7; SIZE]);
    root.file("to", "old");
    let runtime = one_thread();
    runtime.block_on(async {
        for large in [false, true] {
            let (from, to) = (key("from"), key("to"));
            let mut copy = pin!(async {
                if large {
                    root.store.write(&to, vec![8; SIZE], WriteOptions::new()).await
                } else {
                    root.store.copy(&from, &to, CopyOptions::new()).await
                }
            });
            // Until it has begun to write, or was faster than that.
            while root.leftovers().is_empty() {
                let ended = copy.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                if ended {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // The pool works in order, but a writer aborts in the background.
        while !root.leftovers().is_empty() {
            put(&root.store, "last", "last").await.expect("written");
        }
    });
    let size = root.at("to").metadata().expect("it is there").len() as usize;
    assert!(size == 3 || size == SIZE, "neither old nor new: {size} bytes");
}

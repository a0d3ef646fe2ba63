//! Read-only volumes, volumes without attributes, and a second volume below the root.

use libtest_mimic::Trial;
use storage_core::{
    Attributes, Change, CopyOptions, ErrorKind, ListOptions, RenameOptions, StatOptions, WriteOptions,
};
use storage_fs::Symlinks;

use crate::common::{Root, get, key, list, prefix, put, store};
use crate::mount::Mount;
use crate::{Outcome, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("volumes/read-only", read_only),
        trial("volumes/without-attributes", without_attributes),
        trial("volumes/two", two),
        trial("volumes/two-without-attributes", two_without_attributes),
        trial("volumes/an-etag-does-not-come-back", etags),
        trial("volumes/a-copy-of-a-file-being-written", written_meanwhile),
    ]
}

async fn read_only() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let mount = Mount::memory("tmpfs", "size=1m", &root.at("v"))?;
    let store = store(&root.at("v"), Symlinks::Follow);
    put(&store, "d/a", "old").await.expect("written");
    mount.freeze()?;
    let refused = [
        put(&store, "d/a", "new").await,
        put(&store, "new/a", "new").await,
        store.delete(key("d/a")).await,
        store.copy(&key("d/a"), &key("b"), CopyOptions::new()).await.map(drop),
        store.rename(&key("d/a"), &key("b"), RenameOptions::new()).await,
        store.rename(&key("d/a"), &key("b"), RenameOptions::new().if_absent()).await,
        store.update(&key("d/a"), Change::new().modified(std::time::UNIX_EPOCH)).await,
        store.create_dir(&prefix("new/")).await,
        store.remove_dir(&prefix("d/")).await,
    ];
    for (at, result) in refused.into_iter().enumerate() {
        assert_eq!(result.expect_err("read-only").kind(), ErrorKind::PermissionDenied, "operation {at}");
    }
    assert_eq!(get(&store, "d/a").await.expect("readable"), b"old");
    assert_eq!(list(&store, "", ListOptions::new()).await.0, ["d/a"]);
    store.cleanup(&prefix("")).await.expect("nothing to do");
    Ok(())
}

/// Where nothing keeps them, attributes are refused before a byte is written.
async fn without_attributes() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let _mount = Mount::memory("ramfs", "mode=755", &root.at("v"))?;
    let store = store(&root.at("v"), Symlinks::Follow);
    let can = store.capabilities();
    if can.user_metadata || can.content_headers {
        return Err("this kernel's ramfs has attributes".to_owned());
    }
    put(&store, "a", "content").await.expect("plain content");
    for options in
        [WriteOptions::new().user_metadata("a", "b"), WriteOptions::new().content_type("text/plain")]
    {
        let refused = store.write(&key("new/a"), "x", options).await.expect_err("nothing keeps them");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
    assert!(!root.at("v/new").exists());
    assert_eq!(get(&store, "a").await.expect("readable"), b"content");
    Ok(())
}

/// A second volume below the root: everything works on each, and a rename between them says that it does not.
async fn two() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let _mount = Mount::memory("tmpfs", "size=8m", &root.at("v"))?;
    let store = &root.store;
    let body = "x".repeat(1_500_000);
    store.write(&key("a"), body.clone(), WriteOptions::new().user_metadata("k", "v")).await.expect("written");
    for options in [WriteOptions::new(), WriteOptions::new().if_absent()] {
        store.write(&key("v/d/b"), body.clone(), options).await.expect("written");
        store.delete(key("v/d/b")).await.expect("deleted");
    }
    for condition in [RenameOptions::new(), RenameOptions::new().if_absent()] {
        let refused = store.rename(&key("a"), &key("v/a"), condition).await.expect_err("two volumes");
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        assert!(!refused.may_have_been_applied());
        assert_eq!(get(store, "a").await.expect("still there").len(), body.len());
        assert!(!root.at("v/a").exists());
    }
    for (from, to) in [("a", "v/a"), ("v/a", "back")] {
        store.copy(&key(from), &key(to), CopyOptions::new()).await.expect("copied");
        assert_eq!(get(store, to).await.expect("there"), body.as_bytes());
        let found = store.stat(&key(to), StatOptions::new()).await.expect("there");
        assert_eq!(found.attributes.user.get("k").map(String::as_str), Some("v"), "{to}");
    }
    let (names, errors) = list(store, "", ListOptions::new()).await;
    assert_eq!((names, errors.len()), (["a", "back", "v/a"].map(str::to_owned).to_vec(), 0));
    let busy = store.remove_dir(&prefix("v/")).await;
    assert!(busy.is_err());
    assert!(root.leftovers().is_empty());
    Ok(())
}

/// The store's own volume has attributes, the one below has none: refused, with the old object untouched.
async fn two_without_attributes() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let _mount = Mount::memory("ramfs", "mode=755", &root.at("v"))?;
    let store = &root.store;
    if !store.capabilities().user_metadata {
        return Err("the volume of temporary files has no attributes".to_owned());
    }
    put(store, "v/a", "old").await.expect("written");
    let options = WriteOptions::new().user_metadata("k", "v");
    store.write(&key("a"), "new", options.clone()).await.expect("written");
    let refused = [
        store.write(&key("v/a"), "new", options).await,
        store.copy(&key("a"), &key("v/a"), CopyOptions::new()).await,
    ];
    for result in refused {
        assert_eq!(result.expect_err("nothing keeps them").kind(), ErrorKind::Unsupported);
        assert_eq!(get(store, "v/a").await.expect("there"), b"old");
    }
    let bare = CopyOptions::new().attributes(Attributes::new());
    store.copy(&key("a"), &key("v/a"), bare).await.expect("without attributes it works");
    assert!(root.leftovers().is_empty());
    Ok(())
}

/// A copy of a file that is written into is of one version, or an error. Needs time stamps as fine as the writes.
async fn written_meanwhile() -> Outcome {
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    const SIZE: usize = 4 << 20;
    needs_fine_time_stamps()?;
    let root = Root::new(Symlinks::Follow);
    root.file("a", vec![0; SIZE]);
    put(&root.store, "to", "old").await.expect("written");
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (path, stop) = (root.at("a"), stop.clone());
        move || {
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("it opens");
            let mut byte = 0u8;
            while !stop.load(Ordering::Relaxed) {
                byte = byte.wrapping_add(1);
                file.write_all_at(&vec![byte; SIZE], 0).expect("written");
                std::thread::yield_now();
            }
        }
    });
    for _ in 0..50 {
        match root.store.copy(&key("a"), &key("to"), CopyOptions::new()).await {
            Ok(_) => {
                let copied = root.content("to").expect("there");
                assert!(copied.iter().all(|byte| *byte == copied[0]), "a copy of two versions");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("no panic");
    assert!(root.leftovers().is_empty());
    Ok(())
}

/// An ETag names one content, also where the volume gives the number of a removed file to the next one.
async fn etags() -> Outcome {
    needs_fine_time_stamps()?;
    let root = Root::new(Symlinks::Follow);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let mut seen = std::collections::BTreeMap::new();
    for round in 100..200 {
        let options = WriteOptions::new().modified(time);
        let written = root.store.write(&key("a"), round.to_string(), options).await.expect("written");
        let etag = written.etag.expect("an ETag").as_str().to_owned();
        let earlier = seen.insert(etag.clone(), round);
        assert_eq!(earlier, None, "{etag} was that of another content");
    }
    Ok(())
}

fn needs_fine_time_stamps() -> Outcome {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(6), Some(13)) {
        return Err("this kernel's time stamps are as coarse as its ticks".to_owned());
    }
    Ok(())
}

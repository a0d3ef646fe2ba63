//! Full volumes: the old file stays, the temporary one goes, and the kind says what is wrong (WRITE-2 and WRITE-9).

use std::io::Write;

use libtest_mimic::Trial;
use storage_core::{CopyOptions, Error, ErrorKind, Store, WriteOptions};
use storage_fs::Symlinks;

use crate::common::{Root, get, key, prefix, put, store};
use crate::mount::Mount;
use crate::{Outcome, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("full/one-shot", one_shot),
        trial("full/parts", parts),
        trial("full/a-failed-write-stays-failed", stays_failed),
        trial("full/copy", copy),
        trial("full/no-more-files", no_more_files),
        trial("full/attributes", attributes),
    ]
}

/// A small volume with an object `a` and room for less than two MiB.
async fn small(root: &Root) -> Result<(Mount, Store), String> {
    let mount = Mount::memory("tmpfs", "size=2m", &root.at("v"))?;
    let store = store(&root.at("v"), Symlinks::Follow);
    put(&store, "a", "old").await.expect("there is room");
    Ok((mount, store))
}

async fn untouched(root: &Root, store: &Store) {
    assert_eq!(get(store, "a").await.expect("it is there"), b"old");
    let report = store.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (0, 0));
    assert!(root.leftovers().is_empty());
}

fn is_full(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(!error.may_have_been_applied(), "{error}");
}

async fn one_shot() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let (_mount, store) = small(&root).await?;
    let body = vec![b'n'; 3 << 20];
    is_full(&store.write(&key("a"), body, WriteOptions::new()).await.expect_err("no room"));
    untouched(&root, &store).await;
    Ok(())
}

async fn parts() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let (_mount, store) = small(&root).await?;
    let mut writer = store.writer(&key("a"), WriteOptions::new().part_size(100_000)).await.expect("a writer");
    let mut failed = None;
    for _ in 0..40 {
        if let Err(error) = writer.write(vec![b'n'; 100_000]).await {
            failed = Some(error);
            break;
        }
    }
    is_full(&failed.expect("no room"));
    assert!(writer.finish().await.is_err(), "a failed write was published");
    // A writer is gone, and so is what it wrote, once its abort is over.
    while !root.leftovers().is_empty() {
        tokio::task::yield_now().await;
    }
    untouched(&root, &store).await;
    Ok(())
}

async fn stays_failed() -> Outcome {
    use storage_core::{Backend, Part, Payload, WriteRequest};
    let root = Root::new(Symlinks::Follow);
    let (_mount, store) = small(&root).await?;
    let backend = storage_fs::Fs::open(storage_fs::Config::new(root.at("v"))).expect("it opens");
    put(&store, "ballast", &"x".repeat(1 << 20)).await.expect("there is room");
    let (name, request) = (key("a"), WriteRequest::default());
    let upload = backend.upload(&name, &request).await.expect("an upload");
    let part = Part::new(0, 0, Payload::from(vec![b'n'; 3 << 19]));
    is_full(&upload.part(part.clone()).await.expect_err("no room"));
    store.delete(key("ballast")).await.expect("deleted");
    // There is room now; what was lost is lost all the same.
    let _ = upload.part(part).await;
    assert!(upload.finish(3 << 19).await.is_err(), "a failed write was published");
    upload.abort().await.expect("gone");
    upload.abort().await.expect("gone already");
    untouched(&root, &store).await;
    Ok(())
}

async fn copy() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let (_mount, store) = small(&root).await?;
    put(&store, "from", &"x".repeat(1_200_000)).await.expect("there is room");
    is_full(&store.copy(&key("from"), &key("a"), CopyOptions::new()).await.expect_err("no room"));
    untouched(&root, &store).await;
    Ok(())
}

async fn no_more_files() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let _mount = Mount::memory("tmpfs", "size=2m,nr_inodes=8", &root.at("v"))?;
    let store = store(&root.at("v"), Symlinks::Follow);
    put(&store, "a", "old").await.expect("there is room");
    for at in 0..8 {
        if std::fs::write(root.at(&format!("v/{at}")), "").is_err() {
            break;
        }
    }
    for name in ["a", "b", "new/directory/b"] {
        is_full(&put(&store, name, "x").await.expect_err("no file can be made"));
    }
    is_full(&store.create_dir(&prefix("new/")).await.expect_err("no directory can be made"));
    untouched(&root, &store).await;
    Ok(())
}

/// Attributes that do not fit into a file are the caller's affair, a full volume is not.
async fn attributes() -> Outcome {
    let root = Root::new(Symlinks::Follow);
    let _mount = Mount::ext4(&root.outside().join("image"), &root.at("v"))?;
    let store = store(&root.at("v"), Symlinks::Follow);
    put(&store, "a", "old").await.expect("there is room");
    for size in [5_000, 100_000] {
        let options = WriteOptions::new().user_metadata("large", "x".repeat(size));
        let refused = store.write(&key("a"), "new", options).await.expect_err("too large an attribute");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
        untouched(&root, &store).await;
    }
    // Fill it to the last block; an empty file still fits, its attributes do not.
    let mut ballast = std::fs::File::create(root.at("v/ballast")).expect("a file");
    while ballast.write_all(&[0; 1024]).is_ok() {}
    let options = WriteOptions::new().user_metadata("name", "x".repeat(500));
    is_full(&store.write(&key("a"), "", options).await.expect_err("no room"));
    untouched(&root, &store).await;
    Ok(())
}

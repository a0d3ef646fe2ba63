//! What no suite can know: that it is one file, and what a process leaves in it.

use std::path::Path;

use storage_core::{ErrorKind, Key, Options, Prefix, ReadOptions, Registry, Result, Store, WriteOptions};
use storage_redb::{PROVIDER, Redb};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("because tests may make temporary directories")
}

/// Opens the file as soon as the last store on it is gone, whose threads may take a moment.
async fn open(path: &Path) -> Result<Store> {
    loop {
        match Redb::open(path).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::task::yield_now().await,
            opened => return opened.map(Store::new),
        }
    }
}

#[tokio::test]
async fn objects_outlive_the_store() -> Result<()> {
    let directory = directory();
    let path = directory.path().join("a.redb");
    let key = Key::new("photos/a")?;
    let options = WriteOptions::new().content_type("text/plain").user_metadata("content-type", "mine");
    let told = open(&path).await?.write(&key, "content", options).await?;

    let url = format!("redb://{}/photos", path.display());
    let store = Registry::new([PROVIDER]).open(&url, Options::new().set("cache_mib", "16")).await?;
    let found = store.read(&Key::new("a")?, ReadOptions::new()).await?;
    assert_eq!((&found.bytes[..], found.metadata), (&b"content"[..], told));
    Ok(())
}

#[tokio::test]
async fn a_reader_keeps_its_version() -> Result<()> {
    let directory = directory();
    let store = open(&directory.path().join("a.redb")).await?;
    let key = Key::new("a")?;
    store.write(&key, vec![1; 3 << 20], WriteOptions::new()).await?;
    let reader = store.reader(&key, ReadOptions::new()).await?;
    store.write(&key, "shorter", WriteOptions::new()).await?;
    assert_eq!(reader.collect().await?, vec![1; 3 << 20]);
    Ok(())
}

#[tokio::test]
async fn a_clean_up_finds_what_a_process_left() -> Result<()> {
    let directory = directory();
    let path = directory.path().join("a.redb");
    {
        // A runtime that is gone cannot abort in the background, as in a process that died.
        let path = path.clone();
        let dying = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("because tests may start threads");
            runtime.block_on(async {
                let store = open(&path).await?;
                let mut writer =
                    store.writer(&Key::new("a")?, WriteOptions::new().part_size(1 << 20)).await?;
                writer.write(vec![1; 5 << 20]).await?;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                store.write(&Key::new("b")?, "makes the parts durable", WriteOptions::new()).await?;
                std::mem::forget(writer);
                Ok(())
            })
        });
        dying.join().expect("no panic")?;
    }
    let copy = directory.path().join("copy.redb");
    std::fs::copy(&path, &copy).expect("because both are in our directory");
    let store = open(&copy).await?;
    let photos = store.cleanup(&Prefix::new("photos/")?).await?;
    assert_eq!((photos.removed, photos.in_use), (0, 0));
    let report = store.cleanup(&Prefix::root()).await?;
    assert_eq!((report.removed, report.bytes, report.in_use), (1, 4 << 20, 0));
    Ok(())
}

#[tokio::test]
async fn errors_of_opening() {
    let directory = directory();
    let path = directory.path().join("a.redb");
    let check = async |path: &Path, kind| {
        let error = Redb::open(path).await.expect_err("cannot be opened");
        assert_eq!(error.kind(), kind, "{error:?}");
    };
    let first = Redb::open(&path).await;
    check(&path, ErrorKind::Unavailable).await;
    drop(first);
    check(&directory.path().join("no/directory.redb"), ErrorKind::NotFound).await;
    let garbage = directory.path().join("garbage.redb");
    std::fs::write(&garbage, "no database".repeat(1000)).expect("because it is our directory");
    check(&garbage, ErrorKind::InvalidData).await;
}

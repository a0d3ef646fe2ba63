//! What a write leaves on the server: the old file or the new one, and nothing beside it (clauses WRITE-1 to WRITE-9).

mod common;

use std::future::Future;
use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, ExitCode, Stdio};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Outcome, Root, get, key, list, prefix, put, run, trial};
use storage_core::{
    CopyOptions, Error, ErrorKind, ListOptions, ReadOptions, RenameOptions, StatOptions, UnixAttributes,
    WriteOptions,
};

const MIB: usize = 1 << 20;

fn main() -> ExitCode {
    if let Some(root) = std::env::var_os("TEST_CHILD_ROOT") {
        return writer_that_waits(&PathBuf::from(root));
    }
    run(vec![
        trial("nothing-is-left-behind", nothing_left),
        trial("dropped-futures-leave-nothing", dropped_futures),
        trial("dropped-reads-leave-no-open-files", dropped_reads),
        trial("killed-writers-are-cleaned-up", killed),
        trial("a-time-in-the-past-is-no-sign-of-a-write-left-behind", dated_and_in_use),
        trial("a-reader-keeps-the-old-file", old_file_stays),
        trial("a-rename-replaces", rename_replaces),
        trial("new-files-follow-the-umask", umask),
        trial("what-replaces-a-private-file-is-as-private", private),
        trial("modes-and-times-are-kept", attributes),
        trial("overwrites-within-a-second-have-etags-of-their-own", etags),
        trial("a-full-volume", full),
        trial("a-full-volume-for-a-copy", full_copy),
        trial("one-of-many-writers-wins", races),
        trial("directories-made-side-by-side", directories),
        trial("many-entries", many_entries),
        trial("empty-and-sparse-files", sizes),
    ])
}

fn parts() -> WriteOptions {
    WriteOptions::new().part_size(10)
}

async fn nothing_left() -> Outcome {
    let root = Root::new().await;
    let store = &root.store;
    put(store, "d/a", "old").await.expect("written");
    put(store, "d/a", "old").await.expect("written");
    let mut writer = store.writer(&key("d/b"), parts()).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    assert_eq!(root.leftovers().len(), 1);
    writer.finish().await.expect("finished");
    assert!(root.leftovers().is_empty());
    store.write(&key("d/c"), "new", WriteOptions::new().if_absent()).await.expect("absent");
    assert!(root.leftovers().is_empty());

    let refused = store.write(&key("d/a"), "new", WriteOptions::new().if_absent()).await;
    assert_eq!(refused.expect_err("there").kind(), ErrorKind::AlreadyExists);
    let mut writer = store.writer(&key("d/a"), parts().if_absent()).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    assert_eq!(writer.finish().await.expect_err("there").kind(), ErrorKind::AlreadyExists);
    root.is_clean().await;
    let mut writer = store.writer(&key("d/a"), parts()).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    writer.abort().await.expect("aborted");
    assert!(root.leftovers().is_empty());
    let mut writer = store.writer(&key("d/a"), parts()).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    drop(writer);
    root.is_clean().await;
    store.copy(&key("gone"), &key("d/a"), CopyOptions::new()).await.expect_err("no source");
    root.file("d/directory/x", "");
    for result in [
        put(store, "d/directory", "x").await,
        store.copy(&key("d/a"), &key("d/directory"), CopyOptions::new()).await.map(drop),
        store.write(&key("d/directory"), "x", WriteOptions::new().if_absent()).await.map(drop),
        put(store, "d/a/below", "x").await,
    ] {
        assert_eq!(result.expect_err("in the way").kind(), ErrorKind::InvalidKey);
    }
    root.is_clean().await;
    assert_eq!(root.content("d/a").as_deref(), Some(&b"old"[..]));
    Ok(())
}

/// Polls a future `polls` times, with the server's answers in between, and drops it.
async fn begin_and_drop<T>(future: impl Future<Output = T>, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn dropped_futures() -> Outcome {
    let root = Root::new().await;
    let store = &root.store;
    let (old, new) = (vec![b'o'; MIB], vec![b'n'; 3 * MIB]);
    root.file("d/a", &old);
    root.file("from", &new);
    for polls in 0..16 {
        begin_and_drop(store.write(&key("d/a"), new.clone(), WriteOptions::new()), polls).await;
        root.is_clean().await;
        let stands = root.content("d/a").expect("it is there");
        assert!(stands == old || stands == new, "after {polls} polls: {} bytes", stands.len());
        begin_and_drop(store.copy(&key("from"), &key("d/b"), CopyOptions::new()), polls).await;
        root.is_clean().await;
        assert!(root.content("d/b").is_none_or(|stands| stands == new), "after {polls} polls");
        let writing = async {
            let mut writer =
                store.writer(&key("d/c"), WriteOptions::new().part_size(MIB as u64)).await.expect("a writer");
            writer.write(new.clone()).await.expect("taken");
            writer.finish().await
        };
        begin_and_drop(writing, polls).await;
        root.is_clean().await;
        assert!(root.content("d/c").is_none_or(|stands| stands == new), "after {polls} polls");
    }
    // The connections are none the worse for it.
    put(store, "last", "last").await.expect("written");
    assert_eq!(get(store, "d/a").await.expect("read"), root.content("d/a").expect("there"));
    Ok(())
}

/// Open files of the server below `root`, by its processes here.
fn open_files(root: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let files =
        processes.flat_map(|process| std::fs::read_dir(process.path().join("fd")).into_iter().flatten());
    files
        .flatten()
        .filter(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.starts_with(root)))
        .count()
}

/// A server has a bounded number of open files, and a connection lives long.
async fn dropped_reads() -> Outcome {
    let root = Root::new().await;
    root.file("a", vec![b'x'; 4 * MIB]);
    for at in 0..100 {
        begin_and_drop(root.store.read(&key("a"), ReadOptions::new()), at % 8).await;
        let reader = root.store.reader(&key("a"), ReadOptions::new()).await.expect("a reader");
        begin_and_drop(reader.collect(), at % 4).await;
        begin_and_drop(root.store.stat(&key("a"), StatOptions::new()), at % 4).await;
    }
    assert_eq!(get(&root.store, "a").await.expect("read").len(), 4 * MIB);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(open_files(&root.path()), 0, "files that nobody will close");
    Ok(())
}

/// Not a test: a process that begins a write and then waits to be killed.
fn writer_that_waits(root: &Path) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let open = storage_sftp::Sftp::open(common::config(root)).await.expect("it opens");
        let store = storage_core::Store::new(open);
        let mut writer = store.writer(&key("deep/a"), parts()).await.expect("a writer");
        writer.write("more than one part").await.expect("taken");
        std::fs::write(root.join("ready"), "").expect("told");
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    ExitCode::FAILURE
}

async fn killed() -> Outcome {
    let root = Root::new().await;
    root.file("deep/a", "old");
    let mut child = Command::new(std::env::current_exe().expect("a program"))
        .env("TEST_CHILD_ROOT", root.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process");
    while !root.at("ready").exists() {
        assert_eq!(child.try_wait().expect("its state"), None, "the writer ended early");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(root.leftovers().len(), 1);
    assert_eq!(list(&root.store, "deep/", ListOptions::new()).await.0, ["deep/a"]);
    // A write of this process goes on meanwhile.
    let mut own = root.store.writer(&key("deep/b"), parts()).await.expect("a writer");
    own.write("more than one part").await.expect("taken");
    let patient =
        storage_sftp::Sftp::open(common::config(&root.path()).cleanup_age(Duration::from_secs(3600)));
    let patient = storage_core::Store::new(patient.await.expect("it opens"));
    let report = patient.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (0, 2), "they were written to a moment ago");
    let report = root.store.cleanup(&prefix("de")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (1, 1));
    own.finish().await.expect("finished");
    assert_eq!(get(&root.store, "deep/a").await.expect("the old one"), b"old");
    assert_eq!(get(&root.store, "deep/b").await.expect("the new one"), b"more than one part");
    root.is_clean().await;
    Ok(())
}

/// A file gets its modification time before its name: between the two it is as old as that time says.
async fn dated_and_in_use() -> Outcome {
    let root = Root::new().await;
    let name = ".haul-0123456789abcdef.tmp";
    root.file(name, "of another process");
    let times = std::fs::FileTimes::new().set_accessed(SystemTime::now()).set_modified(UNIX_EPOCH);
    let file = std::fs::File::options().write(true).open(root.at(name)).expect("it opens");
    file.set_times(times).expect("the times");
    let patient =
        storage_sftp::Sftp::open(common::config(&root.path()).cleanup_age(Duration::from_secs(3600)));
    let patient = storage_core::Store::new(patient.await.expect("it opens"));
    let report = patient.cleanup(&prefix("")).await.expect("cleaned");
    assert_eq!((report.removed, report.in_use), (0, 1), "somebody gave it its time a moment ago");
    Ok(())
}

async fn old_file_stays() -> Outcome {
    let root = Root::new().await;
    root.file("a", vec![b'o'; MIB]);
    let mut open = std::fs::File::open(root.at("a")).expect("it opens");
    put(&root.store, "a", "new").await.expect("written");
    let mut old = Vec::new();
    open.rewind().expect("at the start");
    open.read_to_end(&mut old).expect("read");
    assert!(old.len() == MIB && old.iter().all(|byte| *byte == b'o'));
    assert_eq!(root.content("a").as_deref(), Some(&b"new"[..]));
    Ok(())
}

async fn rename_replaces() -> Outcome {
    let root = Root::new().await;
    root.file("a", "new");
    root.file("b", "old");
    let mut open = std::fs::File::open(root.at("b")).expect("it opens");
    let refused = root.store.rename(&key("a"), &key("b"), RenameOptions::new().if_absent()).await;
    assert_eq!(refused.expect_err("there").kind(), ErrorKind::AlreadyExists);
    root.store.rename(&key("a"), &key("b"), RenameOptions::new()).await.expect("renamed");
    let mut old = String::new();
    open.read_to_string(&mut old).expect("read");
    assert_eq!((old.as_str(), root.content("a")), ("old", None));
    assert_eq!(root.content("b").as_deref(), Some(&b"new"[..]));
    root.store.rename(&key("b"), &key("c/d/e"), RenameOptions::new().if_absent()).await.expect("renamed");
    assert_eq!((root.content("b"), root.content("c/d/e").as_deref()), (None, Some(&b"new"[..])));
    Ok(())
}

fn mode(root: &Root, name: &str) -> u32 {
    root.at(name).metadata().expect("it is there").mode() & 0o7777
}

async fn umask() -> Outcome {
    let root = Root::new().await;
    // The server's umask is not ours; a file made by its own program shows it.
    put(&root.store, "d/a", "x").await.expect("written");
    let (file, directory) = (mode(&root, "d/a"), mode(&root, "d"));
    assert_eq!(file & 0o111, 0, "{file:o}");
    assert_eq!(file, directory & 0o666, "one umask for both: {file:o} and {directory:o}");
    let mut writer = root.store.writer(&key("b"), parts()).await.expect("a writer");
    writer.write("more than one part").await.expect("taken");
    writer.finish().await.expect("finished");
    assert_eq!(mode(&root, "b"), file);
    Ok(())
}

/// What replaces a private object is as private.
async fn private() -> Outcome {
    let root = Root::new().await;
    let hide = |name: &str| {
        root.file(name, "secret");
        std::fs::set_permissions(root.at(name), PermissionsExt::from_mode(0o600)).expect("private");
    };
    hide("a");
    put(&root.store, "a", "secret, too").await.expect("written");
    assert_eq!(mode(&root, "a"), 0o600);
    hide("b");
    let mut writer = root.store.writer(&key("b"), parts()).await.expect("a writer");
    writer.write("secret in more than one part").await.expect("taken");
    let unfinished = || root.leftovers()[0].metadata().expect("there").mode() & 0o7777;
    assert_eq!(unfinished(), 0o600);
    writer.finish().await.expect("finished");
    assert_eq!(mode(&root, "b"), 0o600);
    let unix = UnixAttributes { mode: 0o400, uid: 0, gid: 0 };
    let mut writer = root.store.writer(&key("c"), parts().unix(unix, false)).await.expect("a writer");
    writer.write("secret in more than one part").await.expect("taken");
    assert_eq!(unfinished(), 0o600);
    writer.finish().await.expect("finished");
    assert_eq!(mode(&root, "c"), 0o400);
    Ok(())
}

async fn attributes() -> Outcome {
    let root = Root::new().await;
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let unix = UnixAttributes { mode: 0o640, uid: 0, gid: 0 };
    let options = WriteOptions::new().modified(time).unix(unix, false);
    let told = root.store.write(&key("a"), "content", options).await.expect("written");
    let found = root.at("a").metadata().expect("there");
    assert_eq!((found.mode() & 0o7777, found.modified().expect("a time")), (0o640, time));
    let stat = root.store.stat(&key("a"), StatOptions::new()).await.expect("there");
    assert_eq!((told.modified, told.etag, told.size), (stat.modified, stat.etag, stat.size));
    assert_eq!(stat.modified, Some(time));
    root.store.copy(&key("a"), &key("b"), CopyOptions::new()).await.expect("copied");
    assert_eq!(mode(&root, "b"), 0o640);
    for wrong in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 33)] {
        let refused = root.store.write(&key("a"), "x", WriteOptions::new().modified(wrong)).await;
        assert_eq!(refused.expect_err("no such time").kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(root.content("a").as_deref(), Some(&b"content"[..]));
    root.is_clean().await;
    Ok(())
}

async fn etags() -> Outcome {
    let root = Root::new().await;
    let mut seen = Vec::new();
    for at in 0..20 {
        let told =
            root.store.write(&key("a"), format!("{at:03}"), WriteOptions::new()).await.expect("written");
        let stat = root.store.stat(&key("a"), StatOptions::new()).await.expect("there");
        assert_eq!(told.etag, stat.etag);
        assert!(!seen.contains(&stat.etag), "overwrite {at} looks like one before");
        seen.push(stat.etag);
    }
    root.file("from", "999");
    root.store.copy(&key("from"), &key("a"), CopyOptions::new()).await.expect("copied");
    let stat = root.store.stat(&key("a"), StatOptions::new()).await.expect("there");
    assert!(!seen.contains(&stat.etag), "the copy looks like what it replaced");
    Ok(())
}

/// A volume that is unmounted when this goes.
struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&at).map_err(|e| e.to_string())?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(done) if done.status.success() => Ok(Self(at)),
            Ok(done) => {
                Err(format!("no volume of its own: {}", String::from_utf8_lossy(&done.stderr).trim()))
            }
            Err(error) => Err(format!("no volume of its own: {error}")),
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn is_full(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(!error.may_have_been_applied(), "{error}");
}

async fn full() -> Outcome {
    let root = Root::new().await;
    let _mount = Mount::new(root.at("v"))?;
    put(&root.store, "v/a", "old").await.expect("there is room");
    let body = vec![b'n'; 4 * MIB];
    let options = WriteOptions::new().part_size(500_000);
    is_full(&root.store.write(&key("v/a"), body.clone(), WriteOptions::new()).await.expect_err("no room"));
    root.is_clean().await;
    let mut writer = root.store.writer(&key("v/a"), options).await.expect("a writer");
    let mut failed = None;
    for _ in 0..20 {
        if let Err(error) = writer.write(vec![b'n'; 500_000]).await {
            failed = Some(error);
            break;
        }
    }
    is_full(&failed.expect("no room"));
    writer.finish().await.expect_err("a failed write is not published");
    root.is_clean().await;
    assert_eq!(root.content("v/a").as_deref(), Some(&b"old"[..]));
    Ok(())
}

async fn full_copy() -> Outcome {
    let root = Root::new().await;
    let _mount = Mount::new(root.at("v"))?;
    put(&root.store, "v/a", "old").await.expect("there is room");
    root.file("from", vec![b'x'; 5 * MIB]);
    let copied = root.store.copy(&key("from"), &key("v/a"), CopyOptions::new()).await;
    is_full(&copied.expect_err("no room"));
    root.is_clean().await;
    assert_eq!(root.content("v/a").as_deref(), Some(&b"old"[..]));
    Ok(())
}

async fn races() -> Outcome {
    let root = Root::new().await;
    let writes = (0..24).map(|at| {
        let store = root.store.clone();
        let options = WriteOptions::new().if_absent();
        async move { store.write(&key("d/e/a"), format!("{at:02}"), options).await.map(|_| at) }
    });
    let results = futures_util::future::join_all(writes).await;
    let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(root.content("d/e/a"), Some(format!("{:02}", winners[0]).into_bytes()));
    for result in results {
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        }
    }
    root.is_clean().await;
    Ok(())
}

async fn directories() -> Outcome {
    let root = Root::new().await;
    let names: Vec<String> = (0..32).map(|at| format!("a/b/c/d{}/e", at % 4)).collect();
    let made = names.iter().map(|name| {
        let directory = prefix(&format!("{name}/"));
        let store = root.store.clone();
        async move { store.create_dir(&directory).await }
    });
    for result in futures_util::future::join_all(made).await {
        result.expect("made by somebody");
    }
    assert!(names.iter().all(|name| root.at(name).is_dir()));
    Ok(())
}

async fn many_entries() -> Outcome {
    let root = Root::new().await;
    std::fs::create_dir(root.at("many")).expect("a directory");
    for at in 0..10_000 {
        std::fs::write(root.at(&format!("many/{at:05}")), "").expect("a file");
    }
    let begun = std::time::Instant::now();
    let (names, errors) = list(&root.store, "many/", ListOptions::new()).await;
    assert_eq!((names.len(), errors.len()), (10_000, 0));
    assert!(names.is_sorted());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    Ok(())
}

async fn sizes() -> Outcome {
    let root = Root::new().await;
    put(&root.store, "empty", "").await.expect("written");
    assert_eq!(get(&root.store, "empty").await.expect("read"), b"");
    root.store.copy(&key("empty"), &key("copy"), CopyOptions::new()).await.expect("copied");
    assert_eq!(root.content("copy").as_deref(), Some(&b""[..]));
    // As large as the volume takes; nothing of it is stored.
    let file = std::fs::File::create(root.at("sparse")).expect("a file");
    let size = [1u64 << 62, 1 << 43, 1 << 41].into_iter().find(|size| file.set_len(*size).is_ok());
    let Some(size) = size else { return Err("the volume takes no sparse files".to_owned()) };
    for range in [size - 3..size, size - 3..u64::MAX, u64::MAX..u64::MAX, u64::MAX - 1..u64::MAX] {
        let read = root.store.read(&key("sparse"), ReadOptions::new().range(range.clone())).await;
        match read {
            Ok(found) => assert!(found.bytes.len() <= 3, "{range:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::RangeNotSatisfiable, "{range:?}"),
        }
    }
    Ok(())
}

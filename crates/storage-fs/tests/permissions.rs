//! Permissions and times of what is written: kept, never wider in between, and no right that the old owner gave.

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, UNIX_EPOCH};

use common::{Root, get, key, put};
use storage_core::{CopyOptions, StatOptions, UnixAttributes, WriteOptions};
use storage_fs::Symlinks;

impl Root {
    fn mode(&self, name: &str) -> u32 {
        self.at(name).symlink_metadata().expect("it is there").mode() & 0o7777
    }

    fn set_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(mode)).expect("its mode");
    }
}

#[tokio::test]
async fn a_replaced_file_keeps_its_permissions_and_the_staged_file_has_no_more() {
    let root = Root::new(Symlinks::Follow);
    for mode in [0o600, 0o640, 0o644, 0o400] {
        root.file(&format!("{mode:o}"), "secret");
        root.set_mode(&format!("{mode:o}"), mode);
        let to = key(&format!("{mode:o}"));
        let options = WriteOptions::new().part_size(10);
        let mut writer = root.store.writer(&to, options).await.expect("a writer");
        for _ in 0..20 {
            writer.write("secret, too").await.expect("taken");
            for staged in root.leftovers() {
                let staged = staged.symlink_metadata().expect("it is there").mode() & 0o777;
                assert_eq!(staged & !mode & !0o600, 0, "{staged:o} while replacing {mode:o}");
            }
        }
        assert_eq!(root.leftovers().len(), 1);
        writer.finish().await.expect("finished");
        assert_eq!(root.mode(&format!("{mode:o}")), mode);
    }
}

/// What becomes private while it is being replaced stays private.
#[tokio::test]
async fn permissions_taken_away_during_a_write_stay_away() {
    let root = Root::new(Symlinks::Follow);
    root.file("a", "open");
    root.set_mode("a", 0o644);
    let mut writer = root.store.writer(&key("a"), WriteOptions::new().part_size(1)).await.expect("a writer");
    writer.write("new").await.expect("taken");
    root.set_mode("a", 0o600);
    writer.finish().await.expect("finished");
    assert_eq!(root.mode("a"), 0o600);
}

/// The rights of an owner or a group are not given by whoever writes later: the system too takes them away when a
/// file is written.
#[tokio::test]
async fn set_user_id_is_neither_inherited_nor_copied() {
    let root = Root::new(Symlinks::Follow);
    for mode in [0o4755, 0o2755, 0o6711] {
        root.file("program", "old");
        root.set_mode("program", mode);
        root.store.copy(&key("program"), &key("copied"), CopyOptions::new()).await.expect("copied");
        assert_eq!(root.mode("copied"), mode & 0o777);
        put(&root.store, "program", "new").await.expect("written");
        assert_eq!(root.mode("program"), mode & 0o777);
    }
}

/// Who asks for them in so many words gets them.
#[tokio::test]
async fn set_user_id_is_set_when_asked_for() {
    let root = Root::new(Symlinks::Follow);
    put(&root.store, "a", "x").await.expect("written");
    let mut unix = root.store.stat(&key("a"), StatOptions::new()).await.expect("there").unix.expect("a mode");
    unix.mode = 0o4750;
    let options = WriteOptions::new().unix(unix, true);
    let written = root.store.write(&key("b"), "x", options).await.expect("written");
    assert_eq!(written.unix.map(|unix: UnixAttributes| unix.mode), Some(0o4750));
    assert_eq!(root.mode("b"), 0o4750);
}

#[tokio::test]
async fn a_new_file_has_what_the_mask_of_the_process_leaves() {
    let root = Root::new(Symlinks::Follow);
    root.file("by hand", "x");
    put(&root.store, "a", "x").await.expect("written");
    assert_eq!(root.mode("a"), root.mode("by hand"));
}

#[tokio::test]
async fn times_before_1970_and_nanoseconds_come_back() {
    let root = Root::new(Symlinks::Follow);
    let times = [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH - Duration::new(1, 0),
        UNIX_EPOCH - Duration::new(86_400, 123_456_789),
        UNIX_EPOCH + Duration::new(1, 1),
        UNIX_EPOCH + Duration::new(4_000_000_000, 999_999_999),
    ];
    for time in times {
        let options = WriteOptions::new().modified(time);
        let written = root.store.write(&key("a"), "x", options).await.expect("written");
        assert_eq!(written.modified, Some(time));
        let found = root.store.stat(&key("a"), StatOptions::new()).await.expect("there");
        assert_eq!((found.modified, found.etag), (Some(time), written.etag));
    }
    assert_eq!(get(&root.store, "a").await.expect("there"), b"x");
}

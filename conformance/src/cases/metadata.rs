//! What is kept beside the content, and survives every way of writing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use storage_core::{
    Attributes, Capabilities, Change, CopyOptions, ErrorKind, FileKind, Key, ListOptions, UnixAttributes,
    WriteOptions,
};

use crate::case::Case;
use crate::context::{Context, Way};
use crate::expect::{fails, holds, same};
use crate::failure::Failure;
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("metadata", "WRITE-7", "content-headers-survive", |c| Box::pin(headers(c)))
        .needs(needs::content_headers),
    Case::new("metadata", "WRITE-7", "user-metadata-survives", |c| Box::pin(user(c)))
        .needs(needs::user_metadata),
    Case::new("metadata", "WRITE-7", "odd-values-survive-or-are-refused", |c| Box::pin(odd_values(c)))
        .needs(needs::user_metadata),
    Case::new("metadata", "WRITE-7", "malformed-names-are-refused", |c| Box::pin(odd_names(c)))
        .needs(needs::user_metadata),
    Case::new("metadata", "WRITE-7", "an-overwrite-leaves-no-attribute", |c| Box::pin(overwritten(c)))
        .needs(needs::content_headers),
    Case::new("metadata", "META-1", "a-modification-time-is-kept", |c| Box::pin(modified(c)))
        .needs(needs::set_modified),
    Case::new("metadata", "META-1", "a-modification-time-is-changed", |c| Box::pin(update_modified(c)))
        .needs(needs::set_modified),
    Case::new("metadata", "META-1", "an-unset-modification-time-is-now", |c| Box::pin(now(c))),
    Case::new("metadata", "META-2", "permissions-are-kept", |c| Box::pin(unix(c)))
        .needs(needs::unix_attributes),
    Case::new("metadata", "META-2", "permissions-are-changed", |c| Box::pin(update_unix(c)))
        .needs(needs::unix_attributes),
    Case::new("metadata", "META-3", "a-link-is-its-target", |c| Box::pin(symlink(c))).needs(needs::symlinks),
    Case::new("metadata", "META-3", "a-link-is-never-followed", |c| Box::pin(unfollowed(c)))
        .needs(needs::symlinks),
    Case::new("metadata", "META-4", "an-update-of-nothing-is-not-found", |c| Box::pin(update_missing(c)))
        .needs(updates),
];

fn updates(can: &Capabilities) -> Option<String> {
    needs::set_modified(can).and_then(|_| needs::unix_attributes(can))
}

/// Writes `content` both ways, and copies and renames the result; `check` sees the metadata of each.
async fn everywhere(
    c: &Context,
    options: impl Fn() -> WriteOptions + Send + Sync,
    check: impl Fn(&str, &storage_core::Metadata) -> Result<(), Failure> + Send + Sync,
) -> Result<(), Failure> {
    for way in Way::BOTH {
        c.write_by(way, "a", c.body(way, 1), options()).await?;
        check(&format!("a write by {way:?}"), &c.stat("a").await?)?;
        let read = c.store.read(&Key::new("a")?, storage_core::ReadOptions::new()).await?;
        check(&format!("a read of a write by {way:?}"), &read.metadata)?;
        c.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new()).await?;
        check("a copy", &c.stat("b").await?)?;
        c.store.rename(&Key::new("b")?, &Key::new("d")?, storage_core::RenameOptions::new()).await?;
        check("a rename", &c.stat("d").await?)?;
    }
    c.write_by(Way::OneShot, "empty", "".into(), options()).await?;
    check("an empty object", &c.stat("empty").await?)
}

async fn headers(c: Context) -> Result<(), Failure> {
    let mut wanted = Attributes::new();
    wanted.content_type = Some("text/plain; charset=utf-8".into());
    wanted.content_encoding = Some("gzip".into());
    wanted.content_language = Some("de-CH".into());
    wanted.content_disposition = Some("attachment; filename=\"a b.txt\"".into());
    wanted.cache_control = Some("max-age=60, must-revalidate".into());
    let check = |what: &str, found: &storage_core::Metadata| {
        let mut found = found.attributes.clone();
        found.user.clear();
        same(format!("content headers of {what}"), &found, &wanted)
    };
    everywhere(&c, || WriteOptions::new().attributes(wanted.clone()), check).await?;
    // Stored and returned, never applied: the body is no gzip, and comes back as it went.
    c.contains("a", &c.body(Way::Parts, 1)).await
}

async fn user(c: Context) -> Result<(), Failure> {
    let wanted = [("owner", "somebody else"), ("x-1_2.3", "a=b; c=\"d\", e/f?g#h%20"), ("z", "0")];
    let options =
        || wanted.iter().fold(WriteOptions::new(), |o, (name, value)| o.user_metadata(*name, *value));
    let check = |what: &str, found: &storage_core::Metadata| {
        let found: Vec<_> = found.attributes.user.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        same(format!("user metadata of {what}"), found, wanted)
    };
    everywhere(&c, options, check).await
}

/// A value that a service would trim, fold or encode comes back as it went, or the write is refused.
async fn odd_values(c: Context) -> Result<(), Failure> {
    for value in
        ["", " ", " padded ", "dépôt", "日本語", "\u{1f980}", "=?UTF-8?Q?=41?=", "a  b", "%41", "\u{a0}"]
    {
        for way in Way::BOTH {
            let options = WriteOptions::new().user_metadata("odd", value);
            match c.write_by(way, "a", c.body(way, 1), options).await {
                Ok(_) => {
                    let found = c.stat("a").await?.attributes.user.remove("odd");
                    same(format!("the value {value:?} by {way:?}"), found.as_deref(), Some(value))?;
                }
                Err(error) => {
                    let refused = matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported);
                    holds(refused, format!("expected {value:?} to be kept or refused, got {error}"))?;
                    c.lacks("a").await?;
                }
            }
            c.store.delete(Key::new("a")?).await?;
        }
    }
    c.nothing_left_over().await
}

async fn odd_names(c: Context) -> Result<(), Failure> {
    let wrong = [
        ("", "x"),
        ("Upper", "x"),
        ("with space", "x"),
        ("colon:", "x"),
        ("é", "x"),
        ("a\r\nb", "x"),
        ("name", "line\nbreak"),
        ("name", "nul\0"),
        ("name", "cr\rlf"),
    ];
    for (name, value) in wrong {
        for way in Way::BOTH {
            let options = WriteOptions::new().user_metadata(name, value);
            let result = c.write_by(way, "a", c.body(way, 1), options).await;
            fails(format!("user metadata {name:?}: {value:?}"), result, ErrorKind::InvalidInput)?;
            c.lacks("a").await?;
        }
    }
    Ok(())
}

async fn overwritten(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        let mut options = WriteOptions::new().content_type("text/csv");
        if c.can.user_metadata {
            options = options.user_metadata("owner", "somebody");
        }
        c.write_by(way, "a", c.body(way, 1), options).await?;
        c.write_by(way, "a", c.body(way, 2), WriteOptions::new()).await?;
        let found = c.stat("a").await?.attributes;
        same(format!("user metadata after an overwrite by {way:?}"), found.user.len(), 0)?;
        let kept = found.content_type.as_deref() == Some("text/csv");
        holds(!kept, format!("expected the content type to go with the content, by {way:?}"))?;
    }
    Ok(())
}

fn times() -> [SystemTime; 4] {
    let at = |seconds, nanos| UNIX_EPOCH + Duration::new(seconds, nanos);
    [
        at(1_000_000_000, 0),
        at(1_234_567_890, 123_456_789),
        at(1_700_000_001, 999_999_999),
        at(4_000_000_000, 1),
    ]
}

/// Equal within the step that the backend declares, or two seconds where it declares none.
#[track_caller]
fn same_time(what: &str, c: &Context, found: Option<SystemTime>, wanted: SystemTime) -> Result<(), Failure> {
    let step = c.can.modified_precision.unwrap_or(Duration::from_secs(2));
    let found = found.ok_or_else(|| Failure::new(format!("{what}: expected {wanted:?}, got none")))?;
    let apart = found.duration_since(wanted).unwrap_or_else(|e| e.duration());
    let fine = if c.can.modified_precision.is_some() { apart < step } else { apart <= step };
    holds(fine, format!("{what}: expected {wanted:?} within {step:?}, got {found:?}"))
}

async fn modified(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        for time in times() {
            c.write_by(way, "a", c.body(way, 1), WriteOptions::new().modified(time)).await?;
            same_time("a stat", &c, c.stat("a").await?.modified, time)?;
            let listed = c.entries("a", ListOptions::new()).await?.into_iter().find_map(|e| e.into_object());
            if let Some(listed) = listed.and_then(|object| object.metadata.modified) {
                same_time("a listing", &c, Some(listed), time)?;
            }
        }
    }
    Ok(())
}

async fn update_modified(c: Context) -> Result<(), Failure> {
    c.put("a", "content").await?;
    c.put("b", "content").await?;
    let untouched = c.stat("b").await?;
    for time in times() {
        c.store.update(&Key::new("a")?, Change::new().modified(time)).await?;
        same_time("a stat", &c, c.stat("a").await?.modified, time)?;
        c.contains("a", b"content").await?;
    }
    let before = c.stat("a").await?.modified;
    c.store.update(&Key::new("a")?, Change::new()).await?;
    same("time after an empty change", c.stat("a").await?.modified, before)?;
    same("the neighbour", c.stat("b").await?, untouched)
}

async fn now(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        c.write_by(way, "a", c.body(way, 1), WriteOptions::new()).await?;
        let Some(time) = c.stat("a").await?.modified else {
            return Err(Failure::ignored("the store tells no modification times"));
        };
        let now = SystemTime::now();
        let apart = now.duration_since(time).unwrap_or_else(|e| e.duration());
        // Clocks of servers differ; zones and epochs differ by more.
        holds(apart < Duration::from_secs(15 * 60), format!("expected a time near {now:?}, got {time:?}"))?;
    }
    Ok(())
}

const MODES: [u32; 4] = [0o600, 0o644, 0o750, 0o755];

fn permissions(mode: u32) -> UnixAttributes {
    UnixAttributes { mode, uid: 0, gid: 0 }
}

async fn mode_of(c: &Context, name: &str) -> Result<Option<u32>, Failure> {
    Ok(c.stat(name).await?.unix.map(|unix| unix.mode))
}

async fn unix(c: Context) -> Result<(), Failure> {
    for way in Way::BOTH {
        for mode in MODES {
            let options = WriteOptions::new().unix(permissions(mode), false);
            c.write_by(way, "a", c.body(way, 1), options).await?;
            same(format!("mode by {way:?}"), mode_of(&c, "a").await?, Some(mode))?;
            c.store.copy(&Key::new("a")?, &Key::new("b")?, CopyOptions::new()).await?;
            same("mode of a copy", mode_of(&c, "b").await?, Some(mode))?;
        }
    }
    Ok(())
}

async fn update_unix(c: Context) -> Result<(), Failure> {
    c.put("a", "content").await?;
    for mode in MODES {
        c.store.update(&Key::new("a")?, Change::new().unix(permissions(mode), false)).await?;
        same("mode", mode_of(&c, "a").await?, Some(mode))?;
        c.contains("a", b"content").await?;
    }
    Ok(())
}

async fn symlink(c: Context) -> Result<(), Failure> {
    for target in ["elsewhere", "../../up/and away", "/absolute", "link", "日本語"] {
        let key = Key::new("link")?;
        let told = c.store.write(&key, target, WriteOptions::new().kind(FileKind::Symlink)).await?;
        same("kind told", told.kind, FileKind::Symlink)?;
        let found = c.stat("link").await?;
        same("kind and size", (found.kind, found.size), (FileKind::Symlink, target.len() as u64))?;
        c.contains("link", target.as_bytes()).await?;
        let listed = c.entries("", ListOptions::new()).await?.into_iter().find_map(|e| e.into_object());
        let listed = listed.map(|object| (object.key.as_str().to_owned(), object.metadata.kind));
        same("listing", listed, Some(("link".to_owned(), FileKind::Symlink)))?;
    }
    c.store.delete(Key::new("link")?).await?;
    c.lacks("link").await
}

async fn unfollowed(c: Context) -> Result<(), Failure> {
    let link = Key::new("link")?;
    c.put("target", "content").await?;
    c.put("d/x", "content").await?;
    let before = c.stat("target").await?;
    for (target, again) in [("target", "new"), ("d", "other"), ("target", "third")] {
        c.store.write(&link, target, WriteOptions::new().kind(FileKind::Symlink)).await?;
        c.contains("link", target.as_bytes()).await?;
        c.put("link", again).await?;
        c.contains("link", again.as_bytes()).await?;
        same("kind after an overwrite", c.stat("link").await?.kind, FileKind::File)?;
        c.store.write(&link, target, WriteOptions::new().kind(FileKind::Symlink)).await?;
        if c.can.set_modified {
            // Links may keep no time of their own; but never is the target's changed.
            drop(c.store.update(&link, Change::new().modified(times()[0])).await);
        }
        c.store.delete(link.clone()).await?;
        c.contains("target", b"content").await?;
        c.contains("d/x", b"content").await?;
        same("the target", c.stat("target").await?, before.clone())?;
    }
    Ok(())
}

async fn update_missing(c: Context) -> Result<(), Failure> {
    c.put("d/x", "x").await?;
    for name in ["a", "d"] {
        let key = Key::new(name)?;
        if c.can.set_modified {
            let updated = c.store.update(&key, Change::new().modified(times()[0])).await;
            fails(format!("new time for `{name}`"), updated, ErrorKind::NotFound)?;
        }
        if c.can.unix_attributes {
            let updated = c.store.update(&key, Change::new().unix(permissions(0o600), false)).await;
            fails(format!("new mode for `{name}`"), updated, ErrorKind::NotFound)?;
        }
        c.lacks(name).await?;
    }
    Ok(())
}

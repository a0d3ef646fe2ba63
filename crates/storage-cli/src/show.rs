//! Values as people and programs read them.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use storage_core::{Attributes, Directory, Entry, FileKind, Metadata, Object};

/// The text with control characters escaped, so that a name cannot drive the terminal.
pub(crate) fn escaped(text: &str) -> String {
    if !text.chars().any(needs_escape) {
        return text.to_owned();
    }
    let escape = |c: char| if needs_escape(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// The same for JSON, which escapes some by itself and stays JSON with the others escaped: they stand in strings only.
pub(crate) fn escaped_json(text: &str) -> String {
    let escape = |c: char| if needs_escape(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Control characters, and those that reorder the text around them.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time in UTC to the second, for tables.
pub(crate) fn time(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .map_or_else(|_| "out of range".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A time in UTC with all digits, as RFC 3339 has it.
pub(crate) fn time_exact(time: SystemTime) -> Value {
    Timestamp::try_from(time).map_or(Value::Null, |t| json!(t.to_string()))
}

/// A size in bytes or binary units.
pub(crate) fn size(bytes: u64, exact: bool) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if exact || bytes < 1024 {
        return if exact { bytes.to_string() } else { format!("{bytes} B") };
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 file` or `2 files`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let many = match one.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{one}s"),
    };
    format!("{number} {}", if number == 1 { one } else { &many })
}

/// `drwxr-xr-x`, or blanks where the store keeps no permissions.
pub(crate) fn mode(metadata: Option<&Metadata>) -> String {
    let Some(metadata) = metadata else { return "d---------".to_owned() };
    let kind = match metadata.kind {
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        _ => '-',
    };
    let bits = metadata.unix.map_or(0, |unix| unix.mode);
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let of = |bit: u32, c: char| if bits >> shift & bit != 0 { c } else { '-' };
        text.push(of(4, 'r'));
        text.push(of(2, 'w'));
        text.push(match (bits & special != 0, of(1, 'x') == 'x') {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// What kind of thing metadata tell of.
pub(crate) fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Symlink => "symlink",
        FileKind::Directory => "directory",
        _ => "file",
    }
}

/// A listing entry as a JSON object.
pub(crate) fn entry(entry: &Entry) -> Value {
    match entry {
        Entry::Object(object) => self::object(object),
        Entry::Prefix(directory) => self::directory(directory),
        _ => Value::Null,
    }
}

pub(crate) fn object(object: &Object) -> Value {
    let mut map = Map::new();
    map.insert("key".into(), json!(object.key.as_str()));
    metadata(&mut map, &object.metadata);
    Value::Object(map)
}

fn directory(directory: &Directory) -> Value {
    let mut map = Map::new();
    map.insert("key".into(), json!(directory.prefix.as_str()));
    match &directory.metadata {
        Some(found) => metadata(&mut map, found),
        None => drop(map.insert("type".into(), json!("directory"))),
    }
    Value::Object(map)
}

/// Adds what is known; what is not is left out.
pub(crate) fn metadata(map: &mut Map<String, Value>, metadata: &Metadata) {
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            map.insert(name.into(), value);
        }
    };
    put("type", json!(kind(metadata.kind)));
    if metadata.kind != FileKind::Directory {
        put("size", json!(metadata.size));
    }
    put("modified", metadata.modified.map_or(Value::Null, time_exact));
    put("etag", json!(metadata.etag.as_ref().map(|e| e.as_str())));
    put("version", json!(metadata.version.as_ref().map(|v| v.as_str())));
    if let Some(unix) = metadata.unix {
        put("mode", json!(format!("{:04o}", unix.mode)));
        put("uid", json!(unix.uid));
        put("gid", json!(unix.gid));
    }
    attributes(&mut put, &metadata.attributes);
    if !metadata.checksums.is_empty() {
        let sums: Map<String, Value> =
            metadata.checksums.iter().map(|c| (c.algorithm().to_string(), json!(c.to_hex()))).collect();
        put("checksums", Value::Object(sums));
    }
}

fn attributes(put: &mut impl FnMut(&str, Value), attributes: &Attributes) {
    put("content_type", json!(attributes.content_type));
    put("content_encoding", json!(attributes.content_encoding));
    put("content_language", json!(attributes.content_language));
    put("content_disposition", json!(attributes.content_disposition));
    put("cache_control", json!(attributes.cache_control));
    if !attributes.user.is_empty() {
        put("user", json!(attributes.user));
    }
}

#[cfg(test)]
mod tests {
    use super::{count, escaped, mode, size};
    use storage_core::{FileKind, Metadata, UnixAttributes};

    #[test]
    fn sizes() {
        let check = |bytes, expect: &str| assert_eq!(size(bytes, false), expect);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1536, "1.5 KiB");
        check((1 << 20) - 1, "1.0 MiB");
        check(u64::MAX, "16.0 EiB");
        assert_eq!(size(1536, true), "1536");
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(escaped("plain é 日本"), "plain é 日本");
        assert_eq!(escaped("a\nb\x1b[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
    }

    #[test]
    fn counts() {
        assert_eq!((count(1, "file"), count(2, "directory")), ("1 file".into(), "2 directories".into()));
    }

    #[test]
    fn modes() {
        let mut metadata = Metadata::new(0);
        metadata.kind = FileKind::Directory;
        metadata.unix = Some(UnixAttributes { mode: 0o4755, uid: 0, gid: 0 });
        assert_eq!(mode(Some(&metadata)), "drwsr-xr-x");
        metadata.unix = Some(UnixAttributes { mode: 0o1644, uid: 0, gid: 0 });
        assert_eq!(mode(Some(&metadata)), "drw-r--r-T");
    }
}

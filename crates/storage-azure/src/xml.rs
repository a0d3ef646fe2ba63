//! A page of a listing, out of XML. Blanks in names count, so nothing is trimmed.

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use storage_core::{Error, ErrorKind, Result};

/// What one page tells.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) next: Option<String>,
}

/// A blob of a listing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Blob {
    pub(crate) name: String,
    /// Set where the name was no text: percent-encoded bytes.
    pub(crate) is_no_text: bool,
    pub(crate) size: Option<u64>,
    pub(crate) modified: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) md5: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) is_current: bool,
    pub(crate) is_directory: bool,
}

/// How every page begins.
const ROOT: &[u8] = b"<EnumerationResults";

/// Reads a page.
///
/// # Errors
/// `InvalidData` for what is no such page.
pub(crate) fn page(text: &[u8]) -> Result<Listed> {
    let mut listed = Listed::default();
    let mut blob: Option<Blob> = None;
    // A web site's page may be no XML at all, and is somebody else's rather than damaged.
    if !text.windows(ROOT.len()).any(|window| window == ROOT) {
        return Err(crate::error::no_service());
    }
    walk(text, |path, encoded, text| {
        let path: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match (path.as_slice(), text) {
            (["Blobs", "Blob"], None) => listed.blobs.extend(blob.take()),
            (["Blobs", "Blob", rest @ ..], Some(text)) => {
                set(blob.get_or_insert_with(Blob::default), rest, encoded, text);
            }
            (["Blobs", "BlobPrefix", "Name"], Some(text)) => {
                listed.prefixes.push(name(encoded, text).unwrap_or_else(|raw| raw));
            }
            (["NextMarker"], Some(text)) => listed.next = Some(text).filter(|marker| !marker.is_empty()),
            _ => {}
        }
    })?;
    Ok(listed)
}

fn set(blob: &mut Blob, path: &[&str], encoded: bool, text: String) {
    match path {
        ["Name"] => match name(encoded, text) {
            Ok(name) => blob.name = name,
            Err(raw) => (blob.name, blob.is_no_text) = (raw, true),
        },
        ["VersionId"] => blob.version = Some(text),
        ["IsCurrentVersion"] => blob.is_current = text == "true",
        ["Properties", "Content-Length"] => blob.size = text.parse().ok(),
        ["Properties", "Last-Modified"] => blob.modified = Some(text),
        ["Properties", "Etag"] => blob.etag = Some(text),
        ["Properties", "Content-MD5"] => blob.md5 = Some(text).filter(|md5| !md5.is_empty()),
        ["Properties", "ResourceType"] => blob.is_directory = text == "directory",
        _ => {}
    }
}

/// A name as it is; one that XML cannot hold comes percent-encoded. What is no text comes back as it was.
fn name(encoded: bool, text: String) -> Result<String, String> {
    if !encoded {
        return Ok(text);
    }
    percent_decode_str(&text).decode_utf8().map(|name| name.into_owned()).map_err(|_| text.clone())
}

/// The texts of some elements, by their names, wherever they stand.
pub(crate) fn elements<const N: usize>(text: &[u8], names: [&str; N]) -> Result<[Option<String>; N]> {
    let mut found = [const { None }; N];
    walk(text, |path, _, text| {
        let at = names.iter().position(|name| path.last().is_some_and(|last| last == name));
        if let (Some(at), Some(text)) = (at, text) {
            found[at] = Some(text);
        }
    })?;
    Ok(found)
}

/// Tells of every element at its end: its path, whether it is marked as encoded, and its text; or no text where it has
/// elements inside.
fn walk(text: &[u8], mut tell: impl FnMut(&[String], bool, Option<String>)) -> Result<()> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader::from_reader(text);
    let mut path: Vec<String> = Vec::new();
    let (mut content, mut encoded, mut is_leaf) = (String::new(), false, false);
    loop {
        match reader.read_event().map_err(damaged)? {
            Event::Start(start) => {
                encoded = is_encoded(&start);
                path.push(String::from_utf8_lossy(start.name().as_ref()).into_owned());
                content.clear();
                is_leaf = true;
            }
            Event::Empty(empty) => {
                path.push(String::from_utf8_lossy(empty.name().as_ref()).into_owned());
                tell(&path, false, Some(String::new()));
                path.pop();
                is_leaf = false;
            }
            Event::Text(piece) => content.push_str(&piece.decode().map_err(damaged)?),
            Event::CData(piece) => content.push_str(&piece.decode().map_err(damaged)?),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(damaged)? {
                Some(c) => content.push(c),
                None => content.push_str(entity(&reference.decode().map_err(damaged)?)?),
            },
            Event::End(_) => {
                tell(&path, encoded, is_leaf.then(|| std::mem::take(&mut content)));
                path.pop();
                is_leaf = false;
            }
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(damaged("it ends in the middle")),
            _ => {}
        }
    }
}

fn is_encoded(start: &BytesStart<'_>) -> bool {
    let mark = start.try_get_attribute("Encoded").ok().flatten();
    mark.is_some_and(|mark| mark.value.eq_ignore_ascii_case(b"true"))
}

fn entity(name: &str) -> Result<&'static str> {
    match name {
        "amp" => Ok("&"),
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "quot" => Ok("\""),
        "apos" => Ok("'"),
        _ => Err(damaged("an entity that XML does not have")),
    }
}

fn damaged(why: impl ToString) -> Error {
    Error::new(ErrorKind::InvalidData, "the answer cannot be understood").with_source(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::{elements, page};

    const PAGE: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\">\
        <Prefix> a</Prefix><Blobs><Blob><Name> a&amp;&#xD;b&#x1F600; </Name><Properties><Etag>0x1</Etag>\
        <Content-Length>7</Content-Length><Content-MD5 /><Last-Modified>Wed</Last-Modified></Properties><Metadata/></Blob>\
        <BlobPrefix><Name>d/</Name></BlobPrefix>\
        <Blob><Name Encoded=\"true\">e%01%2525</Name><VersionId>v</VersionId><IsCurrentVersion>true</IsCurrentVersion>\
        <Properties><ResourceType>directory</ResourceType></Properties></Blob>\
        <Blob><Name Encoded=\"true\">%FF</Name></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>";

    #[test]
    fn a_page() {
        let listed = page(PAGE.as_bytes()).expect("a page");
        let names: Vec<&str> = listed.blobs.iter().map(|blob| blob.name.as_str()).collect();
        assert_eq!(names, [" a&\rb\u{1f600} ", "e\u{1}%25", "%FF"]);
        assert_eq!((listed.blobs[0].size, listed.blobs[0].etag.as_deref()), (Some(7), Some("0x1")));
        assert!(listed.blobs[0].md5.is_none() && !listed.blobs[0].is_directory);
        assert!(listed.blobs[1].is_current && listed.blobs[1].is_directory && listed.blobs[2].is_no_text);
        assert_eq!((listed.prefixes.as_slice(), listed.next.as_deref()), (&["d/".to_owned()][..], Some("m")));
    }

    #[test]
    fn damage_is_no_page() {
        for cut in 1..PAGE.len() {
            if PAGE.is_char_boundary(cut) {
                assert!(page(&PAGE.as_bytes()[..cut]).is_err(), "{cut}");
            }
        }
        assert!(page(b"<html></html>").is_err() && page(b"").is_err());
        let empty =
            page(b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>").expect("a page");
        assert_eq!(empty, super::Listed::default());
    }

    #[test]
    fn single_elements() {
        let found = elements(b"<a><b>1</b><c>2&lt;</c></a>", ["c", "d"]).expect("XML");
        assert_eq!(found, [Some("2<".to_owned()), None]);
    }
}

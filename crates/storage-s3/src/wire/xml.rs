//! The documents that answers have here: a listing, what a copy gave, and why there is neither.

use std::time::SystemTime;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};
use storage_core::{Error, ErrorKind, Result, Retry};

use crate::error::by_code;
use crate::metadata::listed_time;

/// What the service says of a request that it refused.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

/// As much of a refusal as can be understood: some come with a proxy's own page, or with nothing.
pub(super) fn refusal(document: &[u8]) -> Refusal {
    let mut refusal = Refusal::default();
    // What stands before a fault counts.
    let _ = walk(document, |parent, name, text| {
        match (parent, name) {
            (b"Error", b"Code") => refusal.code = Some(text.to_owned()),
            (b"Error", b"Message") => refusal.message = Some(text.to_owned()),
            _ => {}
        }
        Ok(())
    });
    refusal
}

/// One page of a listing, of objects or of versions.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Whether names are percent-encoded. A service that knows no encoding leaves the mark out with it.
    pub(crate) encoded: bool,
    pub(crate) truncated: bool,
    pub(crate) next_token: Option<String>,
    pub(crate) next_key: Option<String>,
    pub(crate) next_version: Option<String>,
    pub(crate) entries: Vec<Listed>,
    pub(crate) prefixes: Vec<String>,
}

/// An object, a version or a delete marker of a listing.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) etag: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) is_latest: bool,
    pub(crate) is_delete_marker: bool,
}

impl Listing {
    /// # Errors
    /// `InvalidData` for what is no listing, and what the service says where it refused in a success.
    pub(crate) fn parse(document: &[u8]) -> Result<Self> {
        let mut page = Self::default();
        let mut entry = Listed::default();
        let mut is_listing = false;
        walk(document, |parent, name, text| {
            match (parent, name) {
                (b"Contents" | b"Version" | b"DeleteMarker", field) => entry.set(field, text)?,
                (b"CommonPrefixes", b"Prefix") => page.prefixes.push(text.to_owned()),
                (b"ListBucketResult" | b"ListVersionsResult", field) => match field {
                    b"Contents" | b"Version" => page.entries.push(std::mem::take(&mut entry)),
                    b"DeleteMarker" => {
                        entry.is_delete_marker = true;
                        page.entries.push(std::mem::take(&mut entry));
                    }
                    b"EncodingType" => page.encoded = text.trim() == "url",
                    b"IsTruncated" => page.truncated = truth(text)?,
                    b"NextContinuationToken" => page.next_token = some(text),
                    b"NextKeyMarker" => page.next_key = some(text),
                    b"NextVersionIdMarker" => page.next_version = some(text),
                    _ => {}
                },
                (b"", b"ListBucketResult" | b"ListVersionsResult") => is_listing = true,
                _ => {}
            }
            Ok(())
        })
        .map_err(broken)?;
        if is_listing { Ok(page) } else { Err(refused_in_success(document, "the answer is no listing")) }
    }
}

/// What a copy gave.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<SystemTime>,
}

impl Copied {
    /// The service may answer before it has copied, and refuse behind the headers of a success.
    ///
    /// # Errors
    /// What the service says where it refused in a success; `InvalidData`, maybe applied, for what tells of no copy.
    pub(crate) fn parse(document: &[u8]) -> Result<Self> {
        let mut copied = Self::default();
        if document.is_empty() {
            // Some services say no more than that it succeeded.
            return Ok(copied);
        }
        let mut is_copy = false;
        walk(document, |parent, name, text| {
            match (parent, name) {
                (b"CopyObjectResult", b"ETag") => copied.etag = some(text),
                (b"CopyObjectResult", b"LastModified") => copied.modified = listed_time(text.trim()),
                (b"", b"CopyObjectResult") => is_copy = true,
                _ => {}
            }
            Ok(())
        })
        .map_err(|why| broken(why).maybe_applied())?;
        if is_copy {
            return Ok(copied);
        }
        let refused = refused_in_success(document, "the answer tells of no copy");
        Err(if refused.kind() == ErrorKind::InvalidData { refused.maybe_applied() } else { refused })
    }
}

fn broken(why: String) -> Error {
    let message = "the answer cannot be understood, or broke off";
    Error::new(ErrorKind::InvalidData, message).with_source(why).with_retry(Retry::Backoff)
}

/// A success that is none: what the service says in it, or that it is `no` answer to what was asked.
fn refused_in_success(document: &[u8], no: &'static str) -> Error {
    match refusal(document) {
        Refusal { code: None, .. } => Error::new(ErrorKind::InvalidData, no),
        told => by_code(told.code.as_deref(), told.message.as_deref()),
    }
}

impl Listed {
    fn set(&mut self, field: &[u8], text: &str) -> Result<(), String> {
        match field {
            b"Key" => self.key = text.to_owned(),
            b"Size" => self.size = number(text)?,
            b"LastModified" => self.modified = listed_time(text.trim()),
            b"ETag" => self.etag = some(text),
            b"VersionId" => self.version = some(text),
            b"IsLatest" => self.is_latest = truth(text)?,
            _ => {}
        }
        Ok(())
    }
}

/// What is neither yes nor no would end a listing early.
fn truth(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        other => Err(format!("`{other}` is neither true nor false")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.trim() {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| format!("`{digits}` is no size")),
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Tells of every element that ends: its parent's name, its own, and the text in front of its end. Names are told without
/// their namespace. A document that ends early is a fault.
fn walk<Tell>(document: &[u8], mut tell: Tell) -> Result<(), String>
where
    Tell: FnMut(&[u8], &[u8], &str) -> Result<(), String>,
{
    let mut reader = Reader::from_reader(document);
    let mut open = Path::default();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(start) => {
                text.clear();
                open.push(start.local_name().as_ref());
            }
            Event::Empty(empty) => {
                tell(open.last(), empty.local_name().as_ref(), "")?;
                text.clear();
            }
            Event::Text(plain) => text.push_str(&plain.decode().map_err(|e| e.to_string())?),
            Event::CData(plain) => text.push_str(&plain.decode().map_err(|e| e.to_string())?),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::End(_) => {
                tell(open.parent(), open.last(), &text)?;
                open.pop();
                text.clear();
            }
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err("it ends too early".to_owned()),
            _ => {}
        }
    }
}

/// The names of the elements that are open, one behind the other.
#[derive(Default)]
struct Path {
    names: Vec<u8>,
    starts: Vec<usize>,
}

impl Path {
    fn push(&mut self, name: &[u8]) {
        self.starts.push(self.names.len());
        self.names.extend_from_slice(name);
    }

    fn pop(&mut self) {
        self.names.truncate(self.starts.pop().unwrap_or(0));
    }

    fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn last(&self) -> &[u8] {
        self.starts.last().map_or(&[], |start| &self.names[*start..])
    }

    fn parent(&self) -> &[u8] {
        match self.starts.as_slice() {
            [.., parent, last] => &self.names[*parent..*last],
            _ => &[],
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|e| e.to_string())? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|e| e.to_string())?;
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.map(str::to_owned).ok_or_else(|| format!("the entity `{name}` is unknown"))
}

#[cfg(test)]
mod tests {
    use storage_core::ErrorKind;

    use super::{Copied, Listing, refusal};

    const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <s:ListBucketResult xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/"><s:Name>b</s:Name>
        <s:IsTruncated>true</s:IsTruncated><s:EncodingType>url</s:EncodingType>
        <s:NextContinuationToken>a&amp;b</s:NextContinuationToken>
        <s:Contents><s:Key>a%20b</s:Key><s:Size>7</s:Size><s:ETag>&quot;x&#45;y&quot;</s:ETag>
        <s:LastModified>2026-01-02T03:04:05.678Z</s:LastModified>
        <s:Owner><s:ID>me</s:ID><s:Key>not the key</s:Key></s:Owner></s:Contents>
        <s:Contents><s:Key><![CDATA[<c>]]></s:Key><s:Size/></s:Contents>
        <s:CommonPrefixes><s:Prefix>d/</s:Prefix></s:CommonPrefixes></s:ListBucketResult>"#;

    #[test]
    fn a_listing() {
        let page = Listing::parse(PAGE.as_bytes()).expect("a listing");
        assert!(page.encoded && page.truncated);
        assert_eq!(page.next_token.as_deref(), Some("a&b"));
        assert_eq!(page.prefixes, ["d/"]);
        let [first, second] = page.entries.as_slice() else { panic!("two entries") };
        assert_eq!((first.key.as_str(), first.size), ("a%20b", 7));
        assert_eq!(first.etag.as_deref(), Some("\"x-y\""));
        assert!(first.modified.is_some());
        assert_eq!((second.key.as_str(), second.size), ("<c>", 0));
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        for wrong in ["", "<html></html>", "<ListBucketResult>", "no XML", "<ListBucketResult></Other>"] {
            assert!(Listing::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for end in 1..PAGE.trim_end().len() {
            assert!(Listing::parse(&PAGE.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_page_that_is_unsure_whether_it_is_the_last_is_refused() {
        let page = |inside: &str| {
            Listing::parse(format!("<ListBucketResult>{inside}</ListBucketResult>").as_bytes())
        };
        assert!(page("<IsTruncated>\n true </IsTruncated>").is_ok_and(|page| page.truncated));
        assert!(page("<IsTruncated/>").is_ok_and(|page| !page.truncated));
        for wrong in [
            "<IsTruncated>True</IsTruncated>",
            "<Contents><Size>-1</Size></Contents>",
            "<Contents><Size>many</Size></Contents>",
            "<Contents><Key>&unknown;</Key></Contents>",
            "<Contents><Key>&#0;</Key></Contents>",
        ] {
            assert_eq!(page(wrong).expect_err(wrong).kind(), ErrorKind::InvalidData, "{wrong}");
        }
    }

    #[test]
    fn a_refusal_in_a_success_is_one() {
        let told = Listing::parse(b"<Error><Code>SlowDown</Code><Message>later</Message></Error>");
        assert_eq!(told.expect_err("refused").kind(), ErrorKind::Throttled);
    }

    #[test]
    fn a_copy_is_one_once_its_document_is_whole() {
        let page = "<?xml version=\"1.0\"?>\n   \n<CopyObjectResult xmlns=\"x\"><ETag>&quot;e&quot;</ETag>\
                    <LastModified>2026-01-02T03:04:05.000Z</LastModified></CopyObjectResult>";
        let told = Copied::parse(page.as_bytes()).expect("a copy");
        assert_eq!(told.etag.as_deref(), Some("\"e\""));
        assert!(told.modified.is_some());
        assert!(Copied::parse(b"").is_ok_and(|told| told.etag.is_none()));
        for end in 1..page.len() {
            let cut = Copied::parse(&page.as_bytes()[..end]).expect_err("cut");
            assert!(cut.kind() == ErrorKind::InvalidData && cut.may_have_been_applied(), "{end}: {cut}");
        }
        let late = b"<?xml version=\"1.0\"?>  <Error><Code>SlowDown</Code><Message>later</Message></Error>";
        let late = Copied::parse(late).expect_err("refused");
        assert!(late.kind() == ErrorKind::Throttled && !late.may_have_been_applied());
    }

    #[test]
    fn bombs_do_not_go_off() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><ListBucketResult><Contents><Key>&b;</Key>";
        assert!(Listing::parse(bomb.as_bytes()).is_err());
        assert_eq!(refusal(bomb.as_bytes()).code, None);
        let deep = "<a>".repeat(1 << 20);
        assert!(Listing::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_refusal_is_read_as_far_as_it_goes() {
        let told = refusal(b"<Error><Code>NoSuchKey</Code><Message>it is &lt;gone&gt;</Message><Key>k</Ke");
        assert_eq!(told.code.as_deref(), Some("NoSuchKey"));
        assert_eq!(told.message.as_deref(), Some("it is <gone>"));
        assert_eq!(refusal(b"<html><p>502</p></html>").code, None);
        assert_eq!(refusal(b"").code, None);
    }
}

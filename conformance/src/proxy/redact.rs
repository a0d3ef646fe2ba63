//! What of a request may be kept: a journal is printed when a test fails (clause ERR-2).

/// The headers that a journal shows. All others may hold secrets: `Authorization`, tokens, keys of encryption.
const SHOWN: &[&str] = &[
    "content-length",
    "content-range",
    "content-type",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "transfer-encoding",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc64nvme",
    "x-goog-if-generation-match",
    "x-goog-if-metageneration-match",
    "x-ms-range",
];

/// Query names whose value says where a listing goes on, although they are called tokens.
const PLACES: &[&str] = &["continuation-token", "continuationtoken", "nextpagetoken", "pagetoken"];

/// What the names of secrets in a query have in common: those of S3 (`X-Amz-Signature`), of GCS (`upload_id`, which
/// is a permission to write), of Azure (`sig`) and of OAuth.
const SECRETS: &[&str] =
    &["sig", "token", "credential", "accesskey", "access_key", "secret", "password", "auth", "upload_id"];

/// Headers that name the source of a copy, by which a copy is told from a write.
const SOURCES: &[&str] = &["x-amz-copy-source", "x-ms-copy-source"];

/// What a journal shows of the header of this name, given in lower case.
pub(super) fn header(name: &str, value: &str) -> Option<String> {
    // The source may be a signed address.
    if SOURCES.contains(&name) { Some(target(value)) } else { shows(name).then(|| value.to_owned()) }
}

/// Whether a journal shows the header of this name, given in lower case.
fn shows(header: &str) -> bool {
    SHOWN.contains(&header)
}

/// The target of a request with `***` for secret values of its query, and for a user in its address.
pub(super) fn target(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut shown = without_user(path);
    if let Some(query) = query {
        let pairs: Vec<String> = query.split('&').map(pair).collect();
        shown.push('?');
        shown.push_str(&pairs.join("&"));
    }
    shown
}

fn pair(pair: &str) -> String {
    let Some((name, _)) = pair.split_once('=') else { return pair.to_owned() };
    let lower = name.to_ascii_lowercase();
    let secret = SECRETS.iter().any(|secret| lower.contains(secret)) && !PLACES.contains(&lower.as_str());
    // A name that is encoded may be anything.
    if secret || name.contains('%') { format!("{name}=***") } else { pair.to_owned() }
}

/// Only the absolute form of a target has an address.
fn without_user(path: &str) -> String {
    let absolute = path.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
    let Some((scheme, rest)) = absolute else { return path.to_owned() };
    let (address, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match address.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{behind}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{header, target};

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let check = |given: &str, expect: &str| assert_eq!(target(given), expect);
        check("/b/a%20b", "/b/a%20b");
        check("/b?list-type=2&prefix=a%2F", "/b?list-type=2&prefix=a%2F");
        check("/b?uploadId=7&partNumber=1", "/b?uploadId=7&partNumber=1");
        check("/b?continuation-token=abc", "/b?continuation-token=abc");
        check(
            "/k?X-Amz-Signature=s&X-Amz-Credential=c&x=1",
            "/k?X-Amz-Signature=***&X-Amz-Credential=***&x=1",
        );
        check("/k?X-Amz-Security-Token=t", "/k?X-Amz-Security-Token=***");
        check("/k?sv=2024&sig=abc%3D", "/k?sv=2024&sig=***");
        check("/k?%73ig=abc", "/k?%73ig=***");
        check("/upload?upload_id=abc", "/upload?upload_id=***");
        check("http://user:secret@host/a@b?x", "http://***@host/a@b?x");
    }

    #[test]
    fn headers_are_shown_by_name_alone() {
        let check = |name, value, expect| assert_eq!(header(name, value).as_deref(), expect);
        check("range", "bytes=0-1", Some("bytes=0-1"));
        check("authorization", "x", None);
        check("x-amz-security-token", "x", None);
        check("x-ms-copy-source", "https://host/a?sig=x", Some("https://host/a?sig=***"));
    }
}

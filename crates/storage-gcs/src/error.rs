//! What the service answers, and what keeps it from answering, as errors of ours.

use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use storage_core::{Condition, Error, ErrorKind, Retry};

/// How an error begins that is about the bucket and no object.
const NO_BUCKET: &str = "there is no such bucket";
const NO_SERVICE: &str = "what answers is a web site and not Google Cloud Storage; is the endpoint right?";
/// How the name of a session begins, which whoever knows it may write to.
const SESSION: &str = "upload_id=";

/// A failed request.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The status of the answer, if one came.
    pub(crate) status: Option<u16>,
    /// Whether the answer is in the form that the service gives to errors.
    by_service: bool,
    pub(crate) error: Error,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { status: None, by_service: false, error }
    }
}

impl Refused {
    /// Whether an object, version or upload is not there, rather than the whole bucket.
    pub(crate) fn is_missing(&self) -> bool {
        self.error.kind() == ErrorKind::NotFound && !self.is_no_bucket()
    }

    /// Whether the whole bucket is not there.
    pub(crate) fn is_no_bucket(&self) -> bool {
        self.error.message().starts_with(NO_BUCKET)
    }

    /// What a refusal means where the service always says why: that somebody else has no such page tells nothing of an
    /// object.
    pub(crate) fn of_service(self) -> Self {
        match self.status {
            Some(404 | 405) if !self.by_service => {
                Self { error: Error::new(ErrorKind::InvalidConfig, NO_SERVICE), ..self }
            }
            _ => self,
        }
    }

    /// A refusal whose explanation broke off: nobody can tell whose it is.
    pub(crate) fn in_part(self) -> Self {
        Self { by_service: true, ..self }
    }

    /// What a refusal means for the condition of a write.
    pub(crate) fn of_condition(self, condition: &Condition) -> Error {
        match (self.error.kind(), condition) {
            (ErrorKind::PreconditionFailed, Condition::IfAbsent) => {
                Error::new(ErrorKind::AlreadyExists, "an object stands there already")
            }
            (ErrorKind::PreconditionFailed, Condition::IfMatch(_)) => {
                Error::new(ErrorKind::PreconditionFailed, "no object with this ETag stands there")
            }
            _ => self.error,
        }
    }
}

/// The answer to a request that was not done.
pub(crate) fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let Told { by_service, reason, message } = told(body);
    let error = answered(status, &reason, &message);
    let seconds = headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let error = match seconds {
        Some(seconds) if error.is_retryable() => error.with_retry(Retry::After(Duration::from_secs(seconds))),
        _ => error,
    };
    Refused { status: Some(status), by_service, error }
}

/// What an answer says.
struct Told {
    by_service: bool,
    reason: String,
    message: String,
}

/// JSON of one interface, XML of the other, or the page of somebody in between.
fn told(body: &[u8]) -> Told {
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let error = &json["error"];
        let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message =
            if error.is_string() { field(&json["error_description"]) } else { field(&error["message"]) };
        let reason = field(&error["errors"][0]["reason"]);
        return Told { by_service: !error.is_null(), reason, message };
    }
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    let message =
        [element("Message"), element("Details")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let is_text = !text.trim_start().starts_with('<');
    let message = if message.is_empty() && is_text { text.trim().to_owned() } else { message };
    let code = element("Code");
    Told { by_service: code.is_some(), reason: code.unwrap_or_default(), message }
}

/// What the service means. Reasons are those of its reference, "HTTP status and error codes", of both interfaces.
fn answered(status: u16, reason: &str, message: &str) -> Error {
    let said = said(status, reason, message);
    let new = |kind: ErrorKind| Error::new(kind, said.clone());
    let advise = |kind: ErrorKind, advice: &str| Error::new(kind, format!("{advice} ({said})"));
    let lower = message.to_ascii_lowercase();
    match (status, reason) {
        (304, _) => Error::new(ErrorKind::NotModified, "unchanged"),
        (_, "NoSuchBucket") => advise(ErrorKind::NotFound, NO_BUCKET),
        (404, _) if lower.contains("bucket does not exist") => advise(ErrorKind::NotFound, NO_BUCKET),
        // The last is for uploads that were given up.
        (404 | 410 | 499, _) => new(ErrorKind::NotFound),
        (_, "rateLimitExceeded" | "userRateLimitExceeded" | "SlowDown") | (429, _) => {
            new(ErrorKind::Throttled)
        }
        (_, "quotaExceeded") => advise(ErrorKind::StorageFull, "a quota of the project is used up"),
        (_, "UserProjectMissing" | "required") if lower.contains("user project") => {
            advise(ErrorKind::InvalidConfig, "whoever asks pays for this bucket; set `user_project`")
        }
        (400, "ExpiredToken") => {
            advise(ErrorKind::Unauthenticated, "the credentials have expired; get new ones")
        }
        (401, _) => advise(
            ErrorKind::Unauthenticated,
            "the service takes no such credentials; log in again, or check key and clock",
        ),
        (_, "RequestTimeTooSkewed") => {
            advise(ErrorKind::Unauthenticated, "the clock of this machine is wrong; set it")
        }
        (_, "SignatureDoesNotMatch") => {
            advise(ErrorKind::Unauthenticated, "the key that signed is not the account's")
        }
        (
            _,
            "resourceIsEncryptedWithCustomerEncryptionKey" | "ResourceIsEncryptedWithCustomerEncryptionKey",
        ) => advise(
            ErrorKind::PermissionDenied,
            "the object is encrypted with a customer's own key; set `customer_key`",
        ),
        (403, _) => new(ErrorKind::PermissionDenied),
        // Rules of the organisation are none of the caller's conditions.
        (412, "orgPolicyConstraintFailed") => new(ErrorKind::PermissionDenied),
        (412, _) => new(ErrorKind::PreconditionFailed),
        (416, _) => new(ErrorKind::RangeNotSatisfiable),
        (400, _) if lower.contains("crc32c") || lower.contains("md5") || reason == "BadDigest" => {
            new(ErrorKind::InvalidData).with_retry(Retry::Backoff)
        }
        (400, _) if lower.contains("object name") => new(ErrorKind::InvalidKey),
        (408, _) => new(ErrorKind::TimedOut).maybe_applied(),
        (409, "conflict") => new(ErrorKind::Unavailable).with_retry(Retry::Backoff),
        (501, _) => new(ErrorKind::Unsupported),
        (507, _) => new(ErrorKind::StorageFull),
        (500..=599, _) => new(ErrorKind::Unavailable).maybe_applied(),
        (300..=399, _) => {
            advise(ErrorKind::InvalidConfig, "what answers points elsewhere; is the endpoint right?")
        }
        _ => new(ErrorKind::Other),
    }
}

fn said(status: u16, reason: &str, message: &str) -> String {
    let (reason, message) = (shown(reason), shown(message));
    match (reason.trim(), message.trim()) {
        ("", "") => format!("the service answered {status}"),
        ("", message) => format!("the service answered {status}: {message}"),
        (reason, "") => format!("{reason}, status {status}"),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// Words of others: one line, not the whole of a proxy's error page, and without the name of the session that it quotes.
fn shown(text: &str) -> String {
    let mut pieces = text.split(SESSION);
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str(SESSION);
        shown.push_str("***");
        shown.push_str(piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_%.~".contains(c)));
    }
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// A request that got no answer. The URL is shown nowhere: it may be the name of an upload, which is a secret.
pub(crate) fn not_sent(failed: &reqwest::Error) -> Error {
    let chain = chain(failed);
    if chain.contains("certificate") {
        let message =
            "the server's certificate is not trusted; if it is right, name its authority with `ca_file`";
        return Error::new(ErrorKind::Unavailable, message)
            .with_source(root(failed))
            .with_retry(Retry::Never);
    }
    let late = failed.is_timeout() || chain.contains("timed out");
    match (failed.is_connect(), late) {
        (true, true) => Error::new(
            ErrorKind::TimedOut,
            "no connection in time; is the endpoint right, and the network up?",
        )
        .with_source(root(failed))
        .unreached(),
        (true, false) => {
            Error::new(ErrorKind::Unavailable, "no connection; is the endpoint right, and the network up?")
                .with_source(root(failed))
                .unreached()
        }
        (false, true) => {
            Error::new(ErrorKind::TimedOut, "the connection broke").with_source(root(failed)).maybe_applied()
        }
        _ if failed.is_builder() => {
            Error::new(ErrorKind::InvalidInput, "the request cannot be sent").with_source(root(failed))
        }
        _ => Error::new(ErrorKind::Unavailable, "the connection broke")
            .with_source(root(failed))
            .maybe_applied(),
    }
}

/// An HTTP client that cannot be made.
pub(crate) fn to_build(failed: &reqwest::Error, ca_file: Option<&Path>) -> Error {
    let message = match ca_file {
        // Its certificates are not looked at before.
        Some(path) => format!("`ca_file` {} cannot be used", path.display()),
        None => "no secure connections can be made; are there certificates of authorities on this machine?"
            .to_owned(),
    };
    Error::new(ErrorKind::InvalidConfig, message).with_source(root(failed))
}

/// The answer to a request that was done, which did not come whole.
pub(crate) fn broken_answer(failed: &reqwest::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the answer broke off").with_source(root(failed)).maybe_applied()
}

/// The body of a read that did not come whole.
pub(crate) fn broken_body(failed: &reqwest::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the body broke off").with_source(root(failed))
}

/// A success that is none of the service's: the page on which a network asks its guests to log in, or a damaged answer.
pub(crate) fn not_from_service(body: &[u8], why: &serde_json::Error) -> Error {
    let start: Vec<u8> = body.trim_ascii_start().iter().take(14).map(u8::to_ascii_lowercase).collect();
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        return no_service();
    }
    // The words of the parser may quote what it read.
    let place = format!("line {}, column {}", why.line(), why.column());
    Error::new(ErrorKind::InvalidData, "the answer cannot be understood").with_source(place).maybe_applied()
}

/// A success without what every answer of the service has.
pub(crate) fn no_service() -> Error {
    Error::new(ErrorKind::InvalidConfig, NO_SERVICE).maybe_applied()
}

/// An answer that contradicts itself.
pub(crate) fn broken(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, message).with_retry(Retry::Backoff)
}

fn root(failed: &(dyn StdError + 'static)) -> String {
    let mut cause = failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // The outermost words quote the URL.
    if cause.is::<reqwest::Error>() {
        text.split(" for url").next().unwrap_or_default().to_owned()
    } else {
        text
    }
}

fn chain(failed: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut cause = failed.source();
    while let Some(next) = cause {
        text.push_str(&next.to_string().to_ascii_lowercase());
        text.push(' ');
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use storage_core::{Condition, ErrorKind, Retry};

    use super::refused;

    #[test]
    fn answers() {
        let kind = |status, body: &str| refused(status, &HeaderMap::new(), body.as_bytes()).error.kind();
        let json = |reason: &str, message: &str| {
            format!(r#"{{"error":{{"message":"{message}","errors":[{{"reason":"{reason}"}}]}}}}"#)
        };
        assert_eq!(kind(404, &json("notFound", "No such object: b/k")), ErrorKind::NotFound);
        assert_eq!(kind(404, "Not Found"), ErrorKind::NotFound);
        assert_eq!(kind(404, "<Error><Code>NoSuchKey</Code></Error>"), ErrorKind::NotFound);
        assert_eq!(kind(403, &json("forbidden", "x")), ErrorKind::PermissionDenied);
        assert_eq!(kind(403, &json("rateLimitExceeded", "x")), ErrorKind::Throttled);
        assert_eq!(kind(429, ""), ErrorKind::Throttled);
        assert_eq!(kind(401, &json("authError", "Invalid Credentials")), ErrorKind::Unauthenticated);
        assert_eq!(kind(412, ""), ErrorKind::PreconditionFailed);
        let policy = json("orgPolicyConstraintFailed", "x");
        assert_eq!(kind(412, &policy), ErrorKind::PermissionDenied);
        let refused_by_policy = refused(412, &HeaderMap::new(), policy.as_bytes());
        assert_eq!(refused_by_policy.of_condition(&Condition::IfAbsent).kind(), ErrorKind::PermissionDenied);
        assert_eq!(kind(418, "<html>"), ErrorKind::Other);
        let project = json("required", "Bucket is a requester pays bucket but no user project provided.");
        assert_eq!(kind(400, &project), ErrorKind::InvalidConfig);
        assert_eq!(kind(400, &json("invalid", "Provided CRC32C is wrong")), ErrorKind::InvalidData);
        assert!(refused(503, &HeaderMap::new(), b"").error.may_have_been_applied());
        let bucket = refused(
            404,
            &HeaderMap::new(),
            json("notFound", "The specified bucket does not exist.").as_bytes(),
        );
        assert!(!bucket.is_missing() && bucket.error.kind() == ErrorKind::NotFound);
    }

    #[test]
    fn what_is_not_there_is_the_services_to_say() {
        let kind = |status, body: &str| {
            refused(status, &HeaderMap::new(), body.as_bytes()).of_service().error.kind()
        };
        let ours = r#"{"error":{"code":404,"message":"No such object: b/k"}}"#;
        assert_eq!(kind(404, ours), ErrorKind::NotFound);
        assert_eq!(kind(404, "<Error><Code>NoSuchKey</Code></Error>"), ErrorKind::NotFound);
        for page in ["", "404 page not found", "<html></html>", "{}", "[]", r#"{"detail":"Not Found"}"#] {
            assert_eq!(kind(404, page), ErrorKind::InvalidConfig, "{page}");
            assert_eq!(kind(503, page), ErrorKind::Unavailable, "{page}");
        }
    }

    #[test]
    fn words_of_others() {
        assert_eq!(super::shown("a\nb"), "a b");
        assert_eq!(
            super::shown("PUT /o?upload_id=Ab-1_%2F&x upload_id=c"),
            "PUT /o?upload_id=***&x upload_id=***"
        );
        assert_eq!(super::shown(&"r".repeat(1000)).len(), 200);
    }

    #[test]
    fn the_service_says_when() {
        let headers =
            HeaderMap::from_iter([("retry-after".parse().expect("a name"), "7".parse().expect("a value"))]);
        let after = Retry::After(std::time::Duration::from_secs(7));
        assert_eq!(refused(503, &headers, b"").error.retry(), after);
        assert_eq!(refused(404, &headers, b"").error.retry(), Retry::Never);
    }
}

//! What the service answers, and what keeps it from answering, as errors of ours.

use std::error::Error as StdError;
use std::time::Duration;

use azure_core::error::ErrorKind as Vendor;
use azure_core::http::RawResponse;
use azure_core::http::headers::{HeaderName, Headers};
use storage_core::{Condition, Error, ErrorKind, Retry};

/// How an error begins that is about the container and no blob.
const NO_CONTAINER: &str = "there is no such container";
/// Longer than anybody waits, and short enough to be added to.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// What stands before a secret in what others quote of a request.
const SECRETS: [&str; 4] = ["sig=", "bearer ", "sharedkey ", "mac signature found in the http request "];

/// A failed request.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The status of the answer, if one came.
    pub(crate) status: Option<u16>,
    /// The service's own name for what is wrong.
    pub(crate) code: String,
    pub(crate) error: Error,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { status: None, code: String::new(), error }
    }
}

impl Refused {
    /// Whether a blob or version is not there, rather than the whole container.
    pub(crate) fn is_missing(&self) -> bool {
        self.error.kind() == ErrorKind::NotFound && !self.error.message().starts_with(NO_CONTAINER)
    }

    /// Whether the service could not read what the query asks for, such as a version that it cannot have made.
    pub(crate) fn is_bad_query(&self) -> bool {
        matches!(self.code.as_str(), "InvalidQueryParameterValue" | "OutOfRangeQueryParameterValue")
    }

    /// What a refusal means for the condition of a write.
    pub(crate) fn of_condition(self, condition: &Condition) -> Error {
        let is_condition = self.error.kind() == ErrorKind::PreconditionFailed;
        match (self.status, condition) {
            (Some(409 | 412), Condition::IfAbsent) if is_condition || self.code == "BlobAlreadyExists" => {
                Error::new(ErrorKind::AlreadyExists, "a blob stands there already")
            }
            (Some(412), Condition::IfMatch(_)) if is_condition => {
                Error::new(ErrorKind::PreconditionFailed, "no blob with this ETag stands there")
            }
            (Some(404), Condition::IfMatch(_)) if self.is_missing() => {
                Error::new(ErrorKind::PreconditionFailed, "no blob with this ETag stands there")
            }
            _ => self.error,
        }
    }
}

/// A failed request as ours. What a request of ours holds is shown nowhere: neither headers nor URLs (clause ERR-2).
pub(crate) fn error(failed: azure_core::Error) -> Refused {
    match failed.kind() {
        Vendor::HttpResponse { status, error_code, raw_response } => {
            let status = u16::from(*status);
            let code = error_code.as_deref().unwrap_or_default();
            // Without a code the vendor's client gives the status in words.
            let code = if code.bytes().all(|b| b.is_ascii_alphanumeric()) { code } else { "" };
            let code = if code.starts_with(|c: char| c.is_ascii_digit()) { "" } else { code };
            let (message, headers) = match raw_response {
                Some(raw) => (message(raw), Some(raw.headers())),
                None => (String::new(), None),
            };
            let is_service = headers.is_none_or(is_service);
            let error = match status {
                // Whoever is no such service knows nothing of blobs, nor that one is missing.
                200..=299 => no_service(),
                404 | 405 if !is_service => no_service(),
                _ => answered(status, code, &message),
            };
            let error = match headers.and_then(retry_after) {
                Some(after) if error.is_retryable() => error.with_retry(Retry::After(after)),
                _ => error,
            };
            Refused { status: Some(status), code: code.to_owned(), error }
        }
        Vendor::Credential => crate::auth::no_credentials(&root(&failed)).into(),
        Vendor::Connection => not_reached(&failed).into(),
        Vendor::Io => broken_connection(&failed).into(),
        Vendor::DataConversion => {
            let message = "the answer cannot be understood";
            Error::new(ErrorKind::InvalidData, message).with_source(root(&failed)).maybe_applied().into()
        }
        _ => Error::new(ErrorKind::Other, "the request failed")
            .with_source(root(&failed))
            .maybe_applied()
            .into(),
    }
}

fn retry_after(headers: &Headers) -> Option<Duration> {
    let header = |name: &'static str| headers.get_optional_str(&HeaderName::from_static(name));
    if let Some(milliseconds) = header("x-ms-retry-after-ms").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_millis(milliseconds).min(LONGEST_WAIT));
    }
    let wait = header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// What the XML of an answer says, or its text.
fn message(answer: &RawResponse) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let text = text.trim_start_matches('\u{feff}');
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    // The second and third lines are names of the request.
    let first = element("Message").map(|message| message.lines().next().unwrap_or_default().to_owned());
    let all: Vec<String> = [first, element("AuthenticationErrorDetail")].into_iter().flatten().collect();
    let is_text = !text.trim_start().starts_with('<');
    if all.is_empty() && is_text { text.trim().to_owned() } else { all.join(" ") }
}

/// What the service means. Codes are those of its reference, "Blob service error codes" and "Common REST API error
/// codes".
fn answered(status: u16, code: &str, message: &str) -> Error {
    let said = said(status, code, message);
    let new = |kind: ErrorKind| Error::new(kind, said.clone());
    let advise = |kind: ErrorKind, advice: &str| Error::new(kind, format!("{advice} ({said})"));
    let lower = message.to_ascii_lowercase();
    match (status, code) {
        (304, _) => Error::new(ErrorKind::NotModified, "unchanged"),
        (_, "ContainerNotFound" | "ContainerBeingDeleted" | "ContainerDisabled") => {
            advise(ErrorKind::NotFound, NO_CONTAINER)
        }
        (_, "ResourceNotFound") => advise(ErrorKind::NotFound, "there is no such thing, or it is not public"),
        (404, _) => new(ErrorKind::NotFound),
        (_, "LeaseIdMissing" | "LeaseIdMismatchWithBlobOperation" | "LeaseLost") => {
            advise(ErrorKind::PermissionDenied, "somebody holds a lease on the blob")
        }
        (_, "InvalidBlobOrBlock") => advise(
            ErrorKind::Unavailable,
            "another program has begun an upload there, whose blocks are named otherwise and go after a week or with a \
             write in one request",
        )
        .with_retry(Retry::Never),
        (_, "BlobImmutableDueToPolicy" | "BlobOverwriteNotAllowed" | "UnauthorizedBlobOverwrite") => {
            new(ErrorKind::PermissionDenied)
        }
        (_, "SnapshotsPresent") => {
            advise(ErrorKind::PermissionDenied, "the blob has snapshots; `delete_snapshots=true` deletes them, too")
        }
        (_, "BlobArchived" | "BlobBeingRehydrated") => {
            advise(ErrorKind::PermissionDenied, "the blob is archived and must be rehydrated before it can be read")
        }
        (_, "InvalidBlobType") => {
            advise(ErrorKind::PermissionDenied, "a blob of another type stands there; delete it first")
        }
        (_, "InvalidBlockList") => advise(
            ErrorKind::Unavailable,
            "another write of this blob ended in between, and the service dropped what this one had sent; write again",
        )
        .with_retry(Retry::Never),
        (_, "BlobAlreadyExists") => new(ErrorKind::AlreadyExists),
        (_, "PublicAccessNotPermitted") => {
            advise(ErrorKind::Unauthenticated, "the account gives nothing to strangers; it wants credentials")
        }
        (403, "AuthenticationFailed") if lower.contains("date header") || lower.contains("too old") => {
            advise(ErrorKind::Unauthenticated, "the clock of this machine is wrong; set it")
        }
        (403, "AuthenticationFailed") if lower.contains("signature not valid in the specified time frame") => {
            advise(ErrorKind::Unauthenticated, "the credentials have expired; get new ones")
        }
        (400 | 401 | 403, "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation")
        | (401, _) => {
            advise(ErrorKind::Unauthenticated, "the service takes no such credentials; check account, key and clock")
        }
        (403, "KeyBasedAuthenticationNotPermitted") => {
            advise(ErrorKind::Unauthenticated, "the account takes no keys; log in with `az login`")
        }
        (403, "AuthorizationFailure") => {
            let advice = "the service does not let these credentials in; check account, key and the account's network rules";
            advise(ErrorKind::PermissionDenied, advice)
        }
        (403, "AuthorizationPermissionMismatch") => {
            advise(ErrorKind::PermissionDenied, "the credentials lack the role or permission for that")
        }
        (403, _) => new(ErrorKind::PermissionDenied),
        (412, _) => new(ErrorKind::PreconditionFailed),
        (416, _) => new(ErrorKind::RangeNotSatisfiable),
        (_, "Md5Mismatch" | "Crc64Mismatch" | "InvalidMd5" | "InvalidCrc64") => {
            new(ErrorKind::InvalidData).with_retry(Retry::Backoff)
        }
        (_, "InvalidUri" | "InvalidResourceName") => new(ErrorKind::InvalidKey),
        (_, "ServerBusy") | (429, _) => new(ErrorKind::Throttled),
        (_, "OperationTimedOut") | (408, _) => new(ErrorKind::TimedOut).maybe_applied(),
        (_, "AccountBeingCreated") => new(ErrorKind::Unavailable),
        (_, "InsufficientAccountPermissions") => new(ErrorKind::PermissionDenied),
        (501, _) => new(ErrorKind::Unsupported),
        (507, _) => new(ErrorKind::StorageFull),
        (500..=599, _) => new(ErrorKind::Unavailable).maybe_applied(),
        (300..=399, _) => {
            advise(ErrorKind::InvalidConfig, "what answers points elsewhere; is the endpoint right?")
        }
        _ => new(ErrorKind::Other),
    }
}

fn said(status: u16, code: &str, message: &str) -> String {
    // A message is the service's: one line, and not the whole of a proxy's error page.
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    let message = without_secrets(message);
    match (code, message.trim()) {
        ("", "") => format!("the service answered {status}"),
        ("", message) => format!("the service answered {status}: {message}"),
        (code, "") => format!("{code}, status {status}"),
        (code, message) => format!("{code}: {message}"),
    }
}

/// Servers in between quote what they were asked, and the service the signature that it did not like.
fn without_secrets(mut text: String) -> String {
    for mark in SECRETS {
        let mut from = 0;
        while let Some(at) = text[from..].to_ascii_lowercase().find(mark) {
            let start = from + at + mark.len();
            let quoted = usize::from(text[start..].starts_with('\''));
            let end = text[start + quoted..].find([' ', '&', '\'', '"', '<', '>', ',']);
            text.replace_range(start..end.map_or(text.len(), |end| start + quoted + end), "***");
            from = start;
        }
    }
    text
}

fn not_reached(failed: &azure_core::Error) -> Error {
    let chain = chain(failed);
    if chain.contains("certificate") {
        let message =
            "the server's certificate is not trusted; if it is right, name its authority with `ca_file`";
        return Error::new(ErrorKind::Unavailable, message)
            .with_source(root(failed))
            .with_retry(Retry::Never);
    }
    let late = ["timed out", "deadline has elapsed"].iter().any(|words| chain.contains(words));
    let (kind, message) = match late {
        true => (
            ErrorKind::TimedOut,
            "no connection in time; are account and endpoint right, and the network up?",
        ),
        false => {
            (ErrorKind::Unavailable, "no connection; are account and endpoint right, and the network up?")
        }
    };
    Error::new(kind, message).with_source(root(failed)).unreached()
}

/// A request that was sent, or part of it, without an answer.
fn broken_connection(failed: &azure_core::Error) -> Error {
    let kind = if chain(failed).contains("timed out") { ErrorKind::TimedOut } else { ErrorKind::Unavailable };
    Error::new(kind, "the connection broke").with_source(root(failed)).maybe_applied()
}

/// The body of a read that did not come whole.
pub(crate) fn broken_body(failed: &azure_core::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the body broke off").with_source(root(failed))
}

/// A success that lacks what every answer of the service has. It is somebody else's, such as the page on which a
/// network asks its guests to log in.
pub(crate) fn no_service() -> Error {
    let message = "what answered is no Azure Blob Storage; is the endpoint right?";
    Error::new(ErrorKind::InvalidConfig, message).maybe_applied()
}

/// Whether an answer is the service's, which signs all of its answers so.
pub(crate) fn is_service(headers: &Headers) -> bool {
    ["x-ms-request-id", "x-ms-version", "x-ms-error-code"]
        .into_iter()
        .any(|name| headers.get_optional_str(&HeaderName::from_static(name)).is_some())
}

/// An answer that contradicts itself.
pub(crate) fn broken(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, message).with_retry(Retry::Backoff)
}

/// The innermost cause, by its first line alone and without the URL that it may quote.
pub(crate) fn root(failed: &(dyn StdError + 'static)) -> String {
    let mut cause = failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" for url").next().unwrap_or_default().to_owned()
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
    use storage_core::{Condition, ErrorKind, Retry};

    use super::{Refused, answered};

    #[test]
    fn answers() {
        let kind = |status, code: &str| answered(status, code, "").kind();
        assert_eq!(kind(404, "BlobNotFound"), ErrorKind::NotFound);
        assert_eq!(kind(403, "AuthorizationPermissionMismatch"), ErrorKind::PermissionDenied);
        assert_eq!(kind(403, "AuthenticationFailed"), ErrorKind::Unauthenticated);
        assert_eq!(kind(503, "ServerBusy"), ErrorKind::Throttled);
        assert_eq!(kind(412, "LeaseIdMissing"), ErrorKind::PermissionDenied);
        assert_eq!(kind(412, "ConditionNotMet"), ErrorKind::PreconditionFailed);
        assert_eq!(kind(418, ""), ErrorKind::Other);
        assert!(answered(500, "InternalError", "").may_have_been_applied());
        assert_eq!(answered(400, "InvalidBlockList", "").retry(), Retry::Never);
        let clock = answered(403, "AuthenticationFailed", "Request date header too old: 'Sat'");
        assert!(clock.to_string().contains("clock"), "{clock}");
    }

    #[test]
    fn a_lease_is_no_failed_condition() {
        let refused = |status, code: &str| Refused {
            status: Some(status),
            code: code.to_owned(),
            error: answered(status, code, ""),
        };
        let kind = |status, code| refused(status, code).of_condition(&Condition::IfAbsent).kind();
        assert_eq!(kind(409, "BlobAlreadyExists"), ErrorKind::AlreadyExists);
        assert_eq!(kind(412, "ConditionNotMet"), ErrorKind::AlreadyExists);
        assert_eq!(kind(412, "LeaseIdMissing"), ErrorKind::PermissionDenied);
        assert_eq!(kind(409, "InvalidBlobType"), ErrorKind::PermissionDenied);
        assert!(!refused(404, "ContainerNotFound").is_missing() && refused(404, "BlobNotFound").is_missing());
    }
}

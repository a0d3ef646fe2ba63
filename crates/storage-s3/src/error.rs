//! The vendor's errors as ours.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use storage_core::{Error, ErrorKind, Retry};

/// How the message begins that tells a missing bucket from a missing object.
pub(crate) const NO_BUCKET: &str = "there is no such bucket";

/// A failed request as ours. What a request of ours holds is shown nowhere: neither headers nor URLs (clause ERR-2).
pub(crate) fn error<E>(failed: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match &failed {
        SdkError::ConstructionFailure(_) if without_credentials(&failed) => no_credentials(&failed),
        SdkError::ConstructionFailure(_) => {
            Error::new(ErrorKind::InvalidInput, "the request cannot be built").with_source(root(&failed))
        }
        SdkError::TimeoutError(_) => Error::new(ErrorKind::TimedOut, "no answer in time").maybe_applied(),
        SdkError::DispatchFailure(failure) => {
            let connecting = text(&failed).contains("(Connect)");
            not_sent(&failed, failure.is_timeout(), connecting)
        }
        SdkError::ResponseError(_) => {
            Error::new(ErrorKind::InvalidData, "the answer cannot be understood, or broke off")
                .with_source(root(&failed))
                .with_retry(Retry::Backoff)
                .maybe_applied()
        }
        SdkError::ServiceError(service) => {
            let response = service.raw();
            let status = response.status().as_u16();
            let said = service.err();
            let is_page = is_page(response.body().bytes().unwrap_or_default());
            if (200..300).contains(&status) && said.code().is_none() && !is_page {
                // Some servers send a header twice, or what is no XML.
                return Error::new(ErrorKind::InvalidData, "the answer cannot be understood")
                    .with_source(root(&failed))
                    .maybe_applied();
            }
            let header = |name: &str| response.headers().get(name);
            let said = Said {
                status,
                code: said.code(),
                message: said.message(),
                region: header("x-amz-bucket-region"),
                retry_after: header("retry-after"),
                is_page,
            };
            said.into_error()
        }
        _ => Error::new(ErrorKind::Other, "the request failed").with_source(root(&failed)).maybe_applied(),
    }
}

/// A request of our own that was not answered, as [`error`] has those of the vendor's client.
pub(crate) fn unanswered(failed: &ConnectorError) -> Error {
    not_sent(failed, failed.is_timeout(), text(failed).contains("(Connect)"))
}

/// A request of our own that did not succeed.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The HTTP status, if there was an answer.
    pub(crate) status: Option<u16>,
    pub(crate) error: Error,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { status: None, error }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// An answer that is no success.
pub(crate) struct Said<'a> {
    pub(crate) status: u16,
    pub(crate) code: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
    /// The region of the bucket, where the service tells it.
    pub(crate) region: Option<&'a str>,
    pub(crate) retry_after: Option<&'a str>,
    /// Whether people are meant to read it.
    pub(crate) is_page: bool,
}

impl Said<'_> {
    pub(crate) fn into_error(self) -> Error {
        if self.is_page && matches!(self.status, 200..=299 | 404 | 405) {
            return no_service();
        }
        let error = answered(self.status, self.code, self.message, self.region);
        match self.retry_after.and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) if error.is_retryable() => {
                error.with_retry(Retry::After(Duration::from_secs(seconds)))
            }
            _ => error,
        }
    }
}

/// A page that people are meant to read.
pub(crate) fn is_page(body: &[u8]) -> bool {
    let start: Vec<u8> = body.trim_ascii_start().iter().take(14).map(u8::to_ascii_lowercase).collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// What answers shows a page.
pub(crate) fn no_service() -> Error {
    let message = "what answers is a web site and no S3 service; is the endpoint right?";
    Error::new(ErrorKind::InvalidConfig, message)
}

/// A success that lacks what every answer of the service has. It is somebody else's, such as the page on which a
/// network asks its guests to log in.
pub(crate) fn not_from_service() -> Error {
    let message = "what answered is no S3 service: it names no ETag; is the endpoint right?";
    Error::new(ErrorKind::InvalidConfig, message).maybe_applied()
}

/// The HTTP status of an answer, if there was one.
pub(crate) fn status<E>(failed: &SdkError<E, HttpResponse>) -> Option<u16> {
    failed.raw_response().map(|response| response.status().as_u16())
}

/// What the service says of one key of a batch.
pub(crate) fn by_code(code: Option<&str>, message: Option<&str>) -> Error {
    answered(200, code, message, None)
}

fn not_sent(failed: &(dyn StdError + 'static), timeout: bool, connecting: bool) -> Error {
    let chain = text(failed);
    if without_credentials(failed) {
        return no_credentials(failed);
    }
    if chain.contains("certificate") {
        let message =
            "the server's certificate is not trusted; if it is right, name its authority with `ca_file`";
        return Error::new(ErrorKind::Unavailable, message)
            .with_source(root(failed))
            .with_retry(Retry::Never);
    }
    let late = timeout || chain.contains("timed out") || chain.contains("timeout");
    if late && connecting {
        return Error::new(
            ErrorKind::TimedOut,
            "no connection in time; is the endpoint right, and the network up?",
        )
        .with_source(root(failed))
        .unreached();
    }
    if connecting {
        return Error::new(
            ErrorKind::Unavailable,
            "no connection; is the endpoint right, and the network up?",
        )
        .with_source(root(failed))
        .unreached();
    }
    let kind = if late { ErrorKind::TimedOut } else { ErrorKind::Unavailable };
    Error::new(kind, "the connection broke").with_source(root(failed)).maybe_applied()
}

fn without_credentials(failed: &(dyn StdError + 'static)) -> bool {
    let chain = text(failed);
    chain.contains("credential") || chain.contains("identity")
}

pub(crate) fn no_credentials(failed: &(dyn StdError + 'static)) -> Error {
    let message = "no usable credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or \
                   `anonymous=true` for a public bucket";
    Error::new(ErrorKind::Unauthenticated, message).with_source(root(failed))
}

/// What the service answered. Codes are those of its API reference, "Error responses".
fn answered(status: u16, code: Option<&str>, message: Option<&str>, region: Option<&str>) -> Error {
    let code = code.unwrap_or("");
    let said = said(status, code, message);
    let new = |kind: ErrorKind| Error::new(kind, said.clone());
    let advise = |kind: ErrorKind, advice: &str| Error::new(kind, format!("{advice} ({said})"));
    match code {
        "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" | "NotFound" => new(ErrorKind::NotFound),
        "NoSuchBucket" => advise(ErrorKind::NotFound, NO_BUCKET),
        "PreconditionFailed" => new(ErrorKind::PreconditionFailed),
        "ConditionalRequestConflict" | "OperationAborted" => {
            new(ErrorKind::Unavailable).with_retry(Retry::Backoff)
        }
        "InvalidRange" => new(ErrorKind::RangeNotSatisfiable),
        "InvalidAccessKeyId" => {
            advise(ErrorKind::Unauthenticated, "the service does not know the access key; check it")
        }
        "SignatureDoesNotMatch" => {
            advise(ErrorKind::Unauthenticated, "the secret of the access key is wrong")
        }
        "ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException" => {
            advise(ErrorKind::Unauthenticated, "the credentials have expired; get new ones")
        }
        "InvalidToken" | "AuthorizationHeaderMalformed" | "MissingSecurityHeader" if region.is_none() => {
            new(ErrorKind::Unauthenticated)
        }
        "RequestTimeTooSkewed" | "RequestExpired" => {
            advise(ErrorKind::Unauthenticated, "the clock of this machine is wrong; set it")
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => {
            new(ErrorKind::PermissionDenied)
        }
        "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests" => {
            new(ErrorKind::Throttled)
        }
        "InternalError" | "ServiceUnavailable" => new(ErrorKind::Unavailable).maybe_applied(),
        "RequestTimeout" => new(ErrorKind::TimedOut),
        "QuotaExceeded" | "EntityTooLarge" if code == "QuotaExceeded" => new(ErrorKind::StorageFull),
        "KeyTooLongError" | "InvalidURI" => new(ErrorKind::InvalidKey),
        // Services whose keys are paths underneath.
        "ExistingObjectIsFile" | "ExistingObjectIsDirectory" | "XMinioParentIsObject" => {
            new(ErrorKind::InvalidKey)
        }
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => {
            new(ErrorKind::InvalidData).with_retry(Retry::Backoff)
        }
        "NotImplemented" | "MethodNotAllowed" => new(ErrorKind::Unsupported),
        "InvalidObjectState" => advise(
            ErrorKind::PermissionDenied,
            "the object is archived and must be restored before it can be read",
        ),
        _ if matches!(status, 301 | 307 | 400) && region.is_some() => {
            let region = region.unwrap_or_default();
            advise(
                ErrorKind::InvalidConfig,
                &format!("the bucket is in region `{region}`; set `region={region}`"),
            )
        }
        _ => by_status(status, said),
    }
}

/// An answer without a code that is known: the answers to HEAD have no body, and not every service has every code.
fn by_status(status: u16, said: String) -> Error {
    match status {
        304 => Error::new(ErrorKind::NotModified, "unchanged"),
        400 | 405 | 409 => Error::new(ErrorKind::Other, said),
        401 => Error::new(ErrorKind::Unauthenticated, said),
        403 => Error::new(ErrorKind::PermissionDenied, said),
        404 => Error::new(ErrorKind::NotFound, said),
        408 => Error::new(ErrorKind::TimedOut, said).maybe_applied(),
        412 => Error::new(ErrorKind::PreconditionFailed, said),
        416 => Error::new(ErrorKind::RangeNotSatisfiable, said),
        429 => Error::new(ErrorKind::Throttled, said),
        501 => Error::new(ErrorKind::Unsupported, said),
        503 => Error::new(ErrorKind::Unavailable, said),
        507 => Error::new(ErrorKind::StorageFull, said),
        500..=599 => Error::new(ErrorKind::Unavailable, said).maybe_applied(),
        _ => Error::new(ErrorKind::Other, said),
    }
}

fn said(status: u16, code: &str, message: Option<&str>) -> String {
    // A message is the service's: one line, and not the whole of a proxy's error page.
    let message: String =
        message.unwrap_or("").chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    match (code, message.trim()) {
        ("", "") => format!("the service answered {status}"),
        ("", message) => format!("the service answered {status}: {message}"),
        (code, "") => format!("{code}, status {status}"),
        (code, message) => format!("{code}: {message}"),
    }
}

/// The innermost cause, by its words alone: the vendor's types hold the request. One line: some tell a whole list.
pub(crate) fn root(failed: &(dyn StdError + 'static)) -> String {
    let mut cause = failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

fn text(failed: &(dyn StdError + 'static)) -> String {
    let mut text = failed.to_string();
    let mut cause = failed.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use storage_core::{ErrorKind, Retry};

    use super::answered;

    #[test]
    fn answers() {
        let kind = |status, code: &str| answered(status, Some(code), None, None).kind();
        assert_eq!(kind(404, "NoSuchKey"), ErrorKind::NotFound);
        assert_eq!(kind(403, "AccessDenied"), ErrorKind::PermissionDenied);
        assert_eq!(kind(403, "SignatureDoesNotMatch"), ErrorKind::Unauthenticated);
        assert_eq!(kind(503, "SlowDown"), ErrorKind::Throttled);
        assert_eq!(kind(200, "InternalError"), ErrorKind::Unavailable);
        assert_eq!(kind(404, ""), ErrorKind::NotFound);
        assert_eq!(kind(418, "Teapot"), ErrorKind::Other);
        assert!(answered(500, None, None, None).may_have_been_applied());
        assert!(!answered(503, Some("SlowDown"), None, None).may_have_been_applied());
        assert_eq!(answered(409, Some("ConditionalRequestConflict"), None, None).retry(), Retry::Backoff);
    }

    #[test]
    fn a_bucket_elsewhere_names_its_region() {
        for (status, code) in
            [(301, Some("PermanentRedirect")), (400, Some("AuthorizationHeaderMalformed")), (301, None)]
        {
            let error = answered(status, code, None, Some("eu-west-3"));
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("region=eu-west-3"), "{error}");
        }
    }
}

//! Google's interfaces as the proxy has to know them.

use storage_conformance::Dialect;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Request};

pub(crate) fn dialect() -> Dialect {
    let error = |code: u16, reason: &str, message: &str| {
        format!(
            r#"{{"error":{{"code":{code},"message":"{message}","errors":[{{"domain":"global","reason":"{reason}","message":"{message}"}}]}}}}"#
        )
    };
    Dialect::new(call)
        .throttled(Answer::new(429).body(error(429, "rateLimitExceeded", "Too many requests.")))
        .expired(Answer::new(401).body(error(401, "authError", "Invalid Credentials")))
}

/// Which method of the backend sends this request.
pub(crate) fn call(request: &Request) -> Option<Call> {
    let path = request.target.split('?').next().unwrap_or_default();
    let has = |part| request.target.contains(part);
    let object = path.strip_prefix("/storage/v1/b/").map(|rest| rest.contains("/o/"));
    match (request.method.as_str(), object) {
        ("GET", Some(true)) => Some(Call::Stat),
        ("GET", Some(false)) if has("prefix=.haul-part-") => Some(Call::Cleanup),
        ("GET", Some(false)) => Some(Call::Page),
        ("DELETE", Some(true)) if has(".haul-part-") => Some(Call::Abort),
        ("DELETE", Some(true)) => Some(Call::Delete),
        ("POST", Some(true)) if path.ends_with("/compose") => Some(Call::Finish),
        ("POST", Some(true)) => Some(Call::Copy),
        ("POST", None) if has("uploadType=resumable") => Some(Call::Upload),
        ("POST", None) if has("uploadType=multipart") && has(".haul-part-") => Some(Call::Part),
        ("POST", None) if has("uploadType=multipart") => Some(Call::Write),
        ("PUT", None) if has("upload_id") => match request.header("content-range") {
            Some(range) if range.ends_with("/*") => Some(Call::Part),
            _ => Some(Call::Finish),
        },
        ("DELETE", None) if has("upload_id") => Some(Call::Abort),
        ("GET", None) if !path.starts_with("/storage/") => Some(Call::Read),
        _ => None,
    }
}

//! S3 as the proxy has to know it.

use storage_conformance::Dialect;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Request};

pub(crate) fn dialect() -> Dialect {
    let error = |code: &str, message: &str| {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
    };
    Dialect::new(call)
        .throttled(Answer::new(503).body(error("SlowDown", "Please reduce your request rate.")))
        .expired(Answer::new(400).body(error("ExpiredToken", "The provided token has expired.")))
        .error_in_success(Answer::new(200).body(error("InternalError", "We encountered an internal error.")))
}

/// Which method of the backend sends this request.
pub(crate) fn call(request: &Request) -> Option<Call> {
    let has = |part| request.target.contains(part);
    match request.method.as_str() {
        "GET" if has("list-type=2") || has("versions") => Some(Call::Page),
        "GET" if has("uploads") || has("uploadId=") => Some(Call::Cleanup),
        "GET" => Some(Call::Read),
        "HEAD" => Some(Call::Stat),
        "PUT" if has("partNumber=") => Some(Call::Part),
        "PUT" if request.header("x-amz-copy-source").is_some() => Some(Call::Copy),
        "PUT" => Some(Call::Write),
        "POST" if has("?uploads") => Some(Call::Upload),
        "POST" if has("uploadId=") => Some(Call::Finish),
        "POST" if has("delete") => Some(Call::Delete),
        "DELETE" if has("uploadId=") => Some(Call::Abort),
        "DELETE" => Some(Call::Delete),
        _ => None,
    }
}

//! Azure as the proxy has to know it.

use storage_conformance::Dialect;
use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Request};

pub(crate) fn dialect() -> Dialect {
    let error = |code: &str, message: &str| {
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
    };
    let answer = |status: u16, code: &'static str, message: &str| {
        Answer::new(status).header("x-ms-error-code", code).body(error(code, message))
    };
    Dialect::new(call)
        .throttled(answer(503, "ServerBusy", "The server is currently unable to receive requests."))
        .expired(answer(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request. Signature not valid in the specified time frame",
        ))
}

/// Which method of the backend sends this request.
pub(crate) fn call(request: &Request) -> Option<Call> {
    let has = |part| request.target.contains(part);
    match request.method.as_str() {
        "GET" if has("comp=list") => Some(Call::Page),
        "GET" => Some(Call::Read),
        "HEAD" => Some(Call::Stat),
        "PUT" if has("comp=blocklist") => Some(Call::Finish),
        "PUT" if has("comp=block") && request.header("x-ms-copy-source").is_none() => Some(Call::Part),
        "PUT" if request.header("x-ms-copy-source").is_some() => Some(Call::Copy),
        "PUT" => Some(Call::Write),
        "DELETE" => Some(Call::Delete),
        _ => None,
    }
}

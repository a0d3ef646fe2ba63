//! An object store over HTTP, small enough to be read: a server, and a backend with a client of its own. It is what
//! mode `wire` is proved on, and the shortest example of a subject with a wire.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod backend;
mod client;
mod list;
mod mutant;
mod server;

use storage_conformance::fault::Call;
use storage_conformance::proxy::{Answer, Request};
use storage_conformance::{Dialect, Fixture, Place, Subject, Wire};

use backend::Tiny;

/// A server of its own, and the backend that talks to it.
pub(crate) fn subject() -> Subject {
    let server = server::start();
    let fresh =
        move || async move { Ok(Fixture::new(Tiny::new(server, &format!("{:x}", fastrand::u128(..))))) };
    let dialect = Dialect::new(call)
        .expired(Answer::new(401).body("the token has run out"))
        .error_in_success(Answer::new(200).body("error: internal"));
    let open = |place: Place| async move { Ok(Fixture::new(Tiny::new(place.address, &place.name))) };
    let wire = if variant("tcp") { Wire::tcp(server, open) } else { Wire::http(server, dialect, open) };
    Subject::new("tiny", fresh).wire(wire)
}

/// Whether the store is to be of another kind than it mostly is.
fn variant(name: &str) -> bool {
    std::env::var("TINY_VARIANT").is_ok_and(|variant| variant == name)
}

fn call(request: &Request) -> Option<Call> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    match (request.method.as_str(), query.split('=').next().unwrap_or_default()) {
        ("GET", "list") => Some(Call::Page),
        ("GET", _) => Some(Call::Read),
        ("HEAD", _) => Some(Call::Stat),
        ("PUT", "part") => Some(Call::Part),
        ("PUT", "copy") => Some(Call::Copy),
        ("PUT", _) => Some(Call::Write),
        ("POST", "begin") => Some(Call::Upload),
        ("POST", "finish") => Some(Call::Finish),
        ("DELETE", "upload") => Some(Call::Abort),
        ("DELETE", _) => Some(Call::Delete),
        _ => None,
    }
}

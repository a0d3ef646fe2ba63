//! Faults on the wire: a proxy between a client and a real server, which does by script what networks and services do.
//!
//! [`fault`](crate::fault) works above a backend; this works below it, where the backend's own client, its connection
//! pool and its parsing are put to the test. A [`Plan`] says which request meets which [`Fault`], and a journal keeps
//! every [`Request`] without its secrets, so that tests count them.
//!
//! A proxy of HTTP/1.1 passes on every byte as it came, the `Host` header too: signatures hold, as long as the client
//! signs for the proxy's address. It speaks no TLS. Each request gets a connection to the server of its own, so that a
//! fault harms no other request; bodies are passed on as they come and never held. A proxy of TCP knows no requests,
//! only connections and bytes, which suits what is encrypted, such as SFTP.
//!
//! A server that hands out addresses of its own, such as those of resumable uploads of GCS, leads its client past the
//! proxy, unless it can be told another name or takes it from `Host`.
//!
//! ```
//! use storage_conformance::proxy::{Close, Fault, Plan, Proxy, Rule};
//!
//! # fn main() -> std::io::Result<()> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let proxy = Proxy::http(server.local_addr()?)?;
//! // The body of the first answer breaks off after ten bytes.
//! let cut = Fault::CutBody { after: 10, close: Close::Reset };
//! proxy.set(Plan::new().rule(Rule::new(cut).method("GET").target("/bucket/").nth(0..1)));
//!
//! // … a client does its work at `proxy.address()` …
//!
//! assert_eq!(proxy.unmet().len(), 1, "no request has met the fault so far");
//! assert!(proxy.requests().is_empty());
//! # Ok(()) }
//! ```

mod answer;
mod body;
mod edit;
mod exchange;
mod fault;
mod head;
mod journal;
mod plan;
mod redact;
mod script;
mod server;
mod socket;
mod tcp;

pub use answer::Answer;
pub use fault::{Close, ConnectionFault, Fault};
pub use journal::Request;
pub use plan::{Plan, Rule};
pub use server::Proxy;

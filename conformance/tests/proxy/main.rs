//! The proxy between a raw client and a small server: what passes unchanged, and every fault as the client sees it.

#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod client;
mod connection;
mod fault;
mod passing;
mod upstream;

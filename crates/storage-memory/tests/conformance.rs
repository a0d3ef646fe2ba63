//! The whole suite on memory, which ignores none of it.

use std::process::ExitCode;

use storage_conformance::{Fixture, Subject};
use storage_memory::Memory;

fn main() -> ExitCode {
    storage_conformance::run(Subject::new("memory", || async { Ok(Fixture::new(Memory::new())) }))
}

//! The whole suite through a channel that never fills up.

use std::process::ExitCode;
use std::sync::Arc;

use storage_channel::{Capacity, Channel};
use storage_conformance::{Fixture, Subject};
use storage_memory::Memory;

fn main() -> ExitCode {
    storage_conformance::run(Subject::new("channel", || async {
        // Nobody has to receive where there is room.
        let (channel, _) = Channel::open(Arc::new(Memory::new()), Capacity::unbounded()).await?;
        Ok(Fixture::new(channel))
    }))
}

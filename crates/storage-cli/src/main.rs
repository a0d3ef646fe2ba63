#![doc = include_str!("../README.md")]

mod args;
mod backends;
mod commands;
mod exit;
mod output;
mod place;
mod progress;
mod show;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let mut output = Output::new(&args.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::code(Err(Failure::Fatal(format!("no runtime: {error}"))), &mut output),
    };
    let result = runtime.block_on(until_interrupted(commands::run(args, &mut output)));
    // Work that was dropped removes its staged files on the way out.
    drop(runtime);
    exit::code(result, &mut output)
}

/// Runs the command until it ends or the user has enough. A second interrupt does not wait.
async fn until_interrupted(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        result = command => result,
        name = interrupt() => {
            tokio::spawn(async {
                interrupt().await;
                std::process::exit(exit::INTERRUPTED.into());
            });
            Err(Failure::Interrupted(name))
        }
    }
}

async fn interrupt() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => "terminated",
        _ = interrupt.recv() => "interrupted",
    }
}

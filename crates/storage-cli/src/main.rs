#![doc = include_str!("../README.md")]

mod args;
mod backends;
mod codecs;
mod commands;
mod config;
mod exit;
mod formats;
mod output;
mod pipe;
mod place;
mod progress;
mod remote;
mod show;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let mut output = Output::new(&args.global);
    if let Err(error) = config::Session::begin(&args.global) {
        return exit::code(Err(error.into()), &mut output);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::code(Err(Failure::Fatal(format!("no runtime: {error}"))), &mut output),
    };
    let signals = match signals::listen() {
        Ok(signals) => signals,
        Err(error) => return exit::code(Err(Failure::Fatal(format!("no signals: {error}"))), &mut output),
    };
    let result = runtime.block_on(run(args, signals, &mut output));
    // Work that was dropped removes its staged files on the way out.
    drop(runtime);
    exit::code(result, &mut output)
}

async fn run(args: Args, mut signals: signals::Signals, output: &mut Output) -> Result<(), Failure> {
    match args.command {
        // What it wrote is taken away again before it ends, whatever ends it.
        Command::Doctor(args) => commands::doctor(args, &mut signals, output).await,
        _ => until_interrupted(commands::run(args, output), signals).await,
    }
}

/// Runs the command until it ends or the user has enough.
async fn until_interrupted(
    command: impl Future<Output = Result<(), Failure>>,
    mut signals: signals::Signals,
) -> Result<(), Failure> {
    tokio::select! {
        result = command => result,
        never = config::Session::traffic().keep() => match never {},
        name = signals.first() => Err(Failure::Interrupted(name)),
    }
}

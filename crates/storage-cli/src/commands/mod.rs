//! One module per command, or per family of commands.

mod backends;
mod cat;
mod compress;
mod config;
mod copy;
mod doctor;
mod du;
mod ends;
mod glob;
mod hash;
mod list;
mod presign;
mod put;
mod records;
mod remove;
mod stat;
mod sync;
mod tree;
mod wildcard;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::exit::Failure;
use crate::output::Output;

pub(crate) use doctor::doctor;

pub(crate) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    match args.command {
        Command::Ls(args) => list::ls(args, output).await,
        Command::Tree(args) => tree::tree(args, output).await,
        Command::Stat(args) => stat::stat(args, output).await,
        Command::Cat(args) => cat::cat(args, output).await,
        Command::Put(args) => put::put(args, output).await,
        Command::Compress(args) => compress::compress(args, output).await,
        Command::Decompress(args) => compress::decompress(args, output).await,
        Command::Convert(args) => records::convert(args, output).await,
        Command::Records(command) => records::records(command, output).await,
        Command::Cp(args) => copy::cp(args, output).await,
        Command::Mv(args) => copy::mv(args, output).await,
        Command::Rm(args) => remove::rm(args, output).await,
        Command::Mkdir(args) => remove::mkdir(args, output).await,
        Command::Du(args) => du::du(args, output).await,
        Command::Hash(args) => hash::hash(args, output).await,
        Command::Glob(args) => glob::glob(args, output).await,
        Command::Sync(args) => sync::sync(args, output).await,
        Command::Check(args) => sync::check(args, output).await,
        Command::Cleanup(args) => remove::cleanup(args, output).await,
        Command::Presign(args) => presign::presign(args, output).await,
        Command::Config(command) => config::config(command, output).await,
        Command::Backends => backends::backends(output).await,
        Command::Doctor(_) => unreachable!("because it is run with the signals"),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Args::command(), "haul", &mut script);
            Ok(output.bytes(&script)?)
        }
    }
}

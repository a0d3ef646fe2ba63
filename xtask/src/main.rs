//! Haul's chores: everything that checks, generates or measures, as one command each.
//!
//! `cargo xtask` alone tells what there is.

mod bench;
mod builds;
mod conformance;
mod docs;
mod run;
mod scaffold;
mod servers;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  test [--without-servers]     everything that has to be green: format, lints, tidy, tests, deny, docs; without servers
                               the cases that want one are ignored
  tidy [--fix]                 the layer law, the clause map, READMEs, the guide, the crate table; --fix writes the table
  conformance [--backend NAME] the conformance suite of every backend, and docs/capabilities.md from what passed
  serve [NAME...]              the servers of the tests, all or by name of server or backend, until Ctrl-C; prints what
                               to export; with `-- COMMAND ARGS...` runs that beside them and ends with it
  bench [NAME...] [--quick]    haul beside its peers on this machine, into benches/results/: all works, or by the beginning of
                               their names; --quick with small sizes; --rounds, --keys, --deletes take a number
  builds                       crates and seconds that each crate costs alone, into docs/builds.md
  docs                         the API documentation of all crates, warnings denied
  new backend NAME             a new crate storage-NAME that compiles and passes what it declares
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => test::run(false),
        ["test", "--without-servers"] => test::run(true),
        ["serve", words @ ..] => return ended(servers::serve(words)),
        ["tidy"] => tidy::run(false),
        ["tidy", "--fix"] => tidy::run(true),
        ["conformance"] => conformance::run(None),
        ["conformance", "--backend", name] => conformance::run(Some(name)),
        ["bench", words @ ..] => return ended(bench::run(words)),
        ["builds"] => builds::run(),
        ["docs"] => docs::run(),
        ["new", "backend", name] => scaffold::backend(name),
        [] | ["help" | "--help" | "-h"] => {
            run::say(USAGE);
            return ExitCode::SUCCESS;
        }
        other => {
            run::complain(&format!("no such command: {}\n\n{USAGE}", other.join(" ")));
            return ExitCode::from(2);
        }
    };
    ended(result.map(|()| ExitCode::SUCCESS))
}

fn ended(result: run::Outcome<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(message) => {
            run::complain(&format!("xtask: {message}"));
            ExitCode::FAILURE
        }
    }
}

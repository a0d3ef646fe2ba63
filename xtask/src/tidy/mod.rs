//! `cargo xtask tidy`: rules of the house that no compiler knows.

mod clauses;
mod guide;
mod layers;
mod packages;
mod readmes;
mod table;

use crate::run::{Outcome, complain};

/// Runs every check, and tells of everything that is wrong before it fails.
pub(crate) fn run(fix: bool) -> Outcome {
    let packages = packages::load()?;
    let mut problems = Vec::new();
    problems.extend(layers::check(&packages));
    problems.extend(readmes::check(&packages)?);
    problems.extend(table::check(&packages, fix)?);
    problems.extend(guide::check()?);
    problems.extend(clauses::check()?);
    problems.iter().for_each(|problem| complain(&format!("tidy: {problem}")));
    if problems.is_empty() { Ok(()) } else { Err(format!("{} things to tidy up", problems.len())) }
}

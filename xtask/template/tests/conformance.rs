//! The suite on template.

use std::process::ExitCode;

use storage_conformance::{Fixture, Subject};
use storage_template::Template;

fn main() -> ExitCode {
    storage_conformance::run(Subject::new("template", || async { Ok(Fixture::new(Template::new())) }))
}

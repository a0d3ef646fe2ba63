//! The suite on template.

use std::process::ExitCode;
use std::sync::Arc;

use storage_conformance::Subject;
use storage_core::Backend;
use storage_template::Template;

fn main() -> ExitCode {
    let open = || async { Ok(Arc::new(Template::new()) as Arc<dyn Backend>) };
    storage_conformance::run(Subject::new("template", open))
}

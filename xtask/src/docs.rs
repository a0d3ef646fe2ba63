//! `cargo xtask docs`: the API documentation, with warnings denied.

use crate::run::{Outcome, cargo, succeed};

pub(crate) fn run() -> Outcome {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"]);
    // Private items may be linked from private pages; broken links anywhere are errors.
    succeed(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
}

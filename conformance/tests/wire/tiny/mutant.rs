//! Mistakes that a backend may make, switched on by name, to see that the suite notices them.

use std::sync::LazyLock;

static MUTANT: LazyLock<String> = LazyLock::new(|| std::env::var("TINY_MUTANT").unwrap_or_default());

/// Whether this mistake is to be made.
pub(super) fn is(name: &str) -> bool {
    *MUTANT == name
}

//! The cases, one file per area.

mod key;

use crate::case::Case;

/// Every case that runs on an undisturbed backend.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 1] = [key::CASES];
    areas.into_iter().flatten().collect()
}

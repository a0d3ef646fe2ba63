//! The cases, one file per area.

mod conditional_read;
mod conditional_write;
mod consistency;
mod key;
mod read;
mod scope;
mod write;

use crate::case::Case;

/// Every case that runs on an undisturbed backend.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 7] = [
        key::CASES,
        scope::CASES,
        read::CASES,
        conditional_read::CASES,
        consistency::CASES,
        write::CASES,
        conditional_write::CASES,
    ];
    areas.into_iter().flatten().collect()
}

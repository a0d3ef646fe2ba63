//! The cases, one file per area.

mod conditional_read;
mod conditional_write;
mod consistency;
mod copy;
mod delete;
mod key;
mod list;
mod read;
mod rename;
mod scope;
mod walk;
mod write;

use crate::case::Case;

/// Every case that runs on an undisturbed backend.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 12] = [
        key::CASES,
        scope::CASES,
        read::CASES,
        conditional_read::CASES,
        consistency::CASES,
        write::CASES,
        conditional_write::CASES,
        list::CASES,
        walk::CASES,
        delete::CASES,
        copy::CASES,
        rename::CASES,
    ];
    areas.into_iter().flatten().collect()
}

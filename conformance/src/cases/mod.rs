//! The cases, one file per area.

mod cancel;
mod capability;
mod conditional_read;
mod conditional_write;
mod consistency;
mod copy;
mod delete;
mod directory;
mod error;
mod file;
mod key;
mod list;
mod metadata;
mod publish;
mod read;
mod rename;
mod scope;
mod sign;
mod transfer;
mod version;
mod walk;
mod write;

use crate::case::Case;

/// Every case that runs on an undisturbed backend.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 22] = [
        key::CASES,
        scope::CASES,
        read::CASES,
        conditional_read::CASES,
        consistency::CASES,
        publish::CASES,
        write::CASES,
        conditional_write::CASES,
        metadata::CASES,
        list::CASES,
        walk::CASES,
        delete::CASES,
        copy::CASES,
        rename::CASES,
        transfer::CASES,
        version::CASES,
        directory::CASES,
        file::CASES,
        sign::CASES,
        error::CASES,
        cancel::CASES,
        capability::CASES,
    ];
    areas.into_iter().flatten().collect()
}

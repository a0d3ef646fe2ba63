//! Mode `faulty`: what a caller sees when requests, answers and bodies go wrong.
//!
//! Each case puts a [`FaultLayer`](crate::fault::FaultLayer) around the backend under test by way of a `Rig`.

mod answer;
mod cancel;
mod copy;
mod delete;
mod doubt;
mod list;
mod part;
mod rename;
mod requests;
mod resume;
mod retry;
mod rig;
mod silence;
mod transfer;
mod version;
mod write;

use crate::case::Case;

/// Every case that runs under faults.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 15] = [
        answer::CASES,
        cancel::CASES,
        copy::CASES,
        delete::CASES,
        doubt::CASES,
        list::CASES,
        part::CASES,
        rename::CASES,
        requests::CASES,
        resume::CASES,
        retry::CASES,
        silence::CASES,
        transfer::CASES,
        version::CASES,
        write::CASES,
    ];
    areas.into_iter().flatten().collect()
}

//! Mode `wire`: the backend's own client against a real server, through a proxy that does what networks do.
//!
//! Where mode `faulty` puts faults into the calls of a backend, here they are put below it: into connections, heads and
//! bodies. What only a checksum could tell, such as a whole object that was cut and given a shorter length, is no case:
//! a client without one cannot know.

mod answer;
mod connection;
mod credentials;
mod delete;
mod dialect;
mod doubt;
mod line;
mod list;
mod part;
mod read;
mod refusal;
mod rig;
mod silence;
mod throttle;

pub use dialect::Dialect;
pub(crate) use line::Line;
pub use line::{Place, Wire};

use crate::case::Case;

/// Every case that runs through a proxy.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas: [&'static [Case]; 11] = [
        answer::CASES,
        connection::CASES,
        credentials::CASES,
        delete::CASES,
        doubt::CASES,
        list::CASES,
        part::CASES,
        read::CASES,
        refusal::CASES,
        silence::CASES,
        throttle::CASES,
    ];
    areas.into_iter().flatten().collect()
}

//! Mode `property`: random operations against a model that is simple enough to be right.
//!
//! Every sequence runs on a prefix of its own. A failing one is shrunk to the shortest that still fails, and told with
//! the seed that brings it back: `HAUL_CONFORMANCE_PROPERTY_SEED`. `HAUL_CONFORMANCE_PROPERTY_RUNS` sets how many
//! sequences a case tries.

mod cases;
mod drive;
mod model;
mod operation;
mod range;

pub(crate) use cases::all;

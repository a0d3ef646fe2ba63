//! What transfers share: a budget of memory, how many requests with a body travel side by side, when one is late, limits,
//! and what is written down for the next process.

mod budget;
mod hedge;
mod journal;
mod limit;
mod window;

pub use budget::Budget;
pub(crate) use budget::Held;
pub use hedge::Hedge;
pub(crate) use hedge::Usual;
pub(crate) use journal::{Entry, Record};
pub use journal::{Journal, TakenPart};
pub use limit::{Allowed, Limit};
pub(crate) use window::Slot;
pub use window::Window;

//! What transfers share: a budget of memory, how many requests with a body travel side by side, limits,
//! and what is written down for the next process.

mod budget;
mod journal;
mod limit;
mod window;

pub use budget::Budget;
pub(crate) use budget::Held;
pub(crate) use journal::{Entry, Record};
pub use journal::{Journal, TakenPart};
pub use limit::{Allowed, Limit};
pub(crate) use window::Slot;
pub use window::Window;

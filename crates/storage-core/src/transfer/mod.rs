//! What transfers share: a budget of memory, how many requests with a body travel side by side, and limits.

mod budget;
mod limit;
mod window;

pub use budget::Budget;
pub(crate) use budget::Held;
pub use limit::{Allowed, Limit};
pub(crate) use window::Slot;
pub use window::Window;

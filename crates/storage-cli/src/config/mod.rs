//! Profiles: names for places, with the options to open them.

mod expand;
mod file;
mod rclone;
mod session;

pub(crate) use file::{ConfigFile, Profile, check_name};
pub(crate) use rclone::{Imported, import};
pub(crate) use session::Session;

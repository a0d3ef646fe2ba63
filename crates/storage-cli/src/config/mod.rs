//! Profiles: names for places, with the options to open them.

mod expand;
mod file;
mod rclone;
mod session;
mod traffic;

pub(crate) use file::{ConfigFile, Profile, check_name, check_url};
pub(crate) use rclone::{Imported, import, is_encrypted};
pub(crate) use session::Session;

//! Which of several objects of one name is the newest, and which are the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use storage_core::{Metadata, Store, WriteOptions};

/// The user metadata that all copies of one write share.
const NAME: &str = "fanout-stamp";

/// When an object was written, by whoever wrote it, and a number that no other write has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    time: Duration,
    random: Option<u64>,
    size: u64,
}

/// A stamp for a new write.
pub(crate) fn fresh() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:032x}{:016x}", time.as_nanos(), fastrand::u64(..))
}

/// The options with a stamp, where the store can keep it.
pub(crate) fn stamped(options: &WriteOptions, store: &Store, stamp: &str) -> WriteOptions {
    let can = store.capabilities().user_metadata;
    if can { options.clone().user_metadata(NAME, stamp) } else { options.clone() }
}

impl Stamp {
    /// Of a store that keeps none it is the time at which the store got the object, which no two share: such a copy is newer or older than
    /// others, and never the same.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let told = metadata.attributes.user.get(NAME).filter(|stamp| stamp.len() == 48 && stamp.is_ascii());
        let number = |text: &str| u128::from_str_radix(text, 16).ok();
        let told = told.and_then(|stamp| Some((number(&stamp[..32])?, number(&stamp[32..])? as u64)));
        match told {
            Some((nanos, random)) => {
                let time = Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32);
                Self { time, random: Some(random), size: metadata.size }
            }
            None => {
                let modified = metadata.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                Self { time: modified.unwrap_or_default(), random: None, size: metadata.size }
            }
        }
    }

    pub(crate) fn is_stamped(&self) -> bool {
        self.random.is_some()
    }

    /// Whether both are copies of one write.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.random.is_some() && self == other
    }
}

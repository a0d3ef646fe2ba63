#![doc = include_str!("../README.md")]

mod outcome;
mod read;
mod stamp;
mod write;

use std::sync::Arc;

use storage_core::{Error, ErrorKind, Result, Store};

pub use outcome::{Lacking, Outcome, Repaired};
pub use write::FanoutWriter;

/// How many stores have to hold an object for a write to succeed. They are always counted against all stores, those that failed
/// included.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of them.
    All,
    /// More than half.
    Quorum,
    /// One.
    BestEffort,
}

impl Mode {
    /// How many of `count` stores have to hold an object.
    ///
    /// ```
    /// use storage_fanout::Mode;
    ///
    /// assert_eq!([1, 2, 3, 4].map(|count| Mode::Quorum.needed(count)), [1, 2, 2, 3]);
    /// ```
    pub fn needed(self, count: usize) -> usize {
        match self {
            Self::All => count,
            Self::Quorum => count / 2 + 1,
            Self::BestEffort => 1,
        }
    }
}

/// Several stores that hold the same objects.
#[derive(Clone, Debug)]
pub struct Fanout {
    replicas: Arc<[Replica]>,
    mode: Mode,
}

#[derive(Clone, Debug)]
struct Replica {
    name: Arc<str>,
    store: Store,
}

impl Fanout {
    /// These stores, each with a name for results and errors. What is read comes from the first that can, in this order.
    ///
    /// # Errors
    /// `InvalidInput` without any store, or with a name that two have.
    pub fn new<N: Into<String>>(mode: Mode, replicas: impl IntoIterator<Item = (N, Store)>) -> Result<Self> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        let mut all: Vec<Replica> = Vec::new();
        for (name, store) in replicas {
            let name: Arc<str> = name.into().into();
            if all.iter().any(|other| other.name == name) {
                return refuse(format!("two stores are called `{name}`"));
            }
            all.push(Replica { name, store });
        }
        if all.is_empty() {
            return refuse("without a store nothing can be held".into());
        }
        Ok(Self { replicas: all.into(), mode })
    }

    fn needed(&self) -> usize {
        self.mode.needed(self.replicas.len())
    }
}

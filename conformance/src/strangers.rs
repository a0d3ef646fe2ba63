//! Objects beside a prefix, with names that a careless prefix check takes for its own.

use storage_core::{Key, Prefix, ReadOptions, Store, WriteOptions};

use crate::expect::same_bytes;
use crate::failure::Failure;

/// What they hold, and what no case writes.
const CONTENT: &[u8] = b"a stranger's property";

pub(crate) struct Strangers {
    store: Store,
    keys: Vec<Key>,
}

impl Strangers {
    /// Strangers in `opened` around the store whose prefix is `inner`; none if both are the same place.
    pub(crate) async fn around(opened: &Store, inner: &Prefix) -> Result<Self, Failure> {
        let mut keys = Vec::new();
        if let Some(inner) = inner.as_str().strip_prefix(opened.prefix().as_str()).filter(|i| !i.is_empty()) {
            let bare = inner.trim_end_matches('/');
            // `-` sorts before `/`, and `0` right after it.
            for name in [format!("{bare}-"), format!("{bare}0"), format!("{bare}X/a"), "stranger".to_owned()]
            {
                keys.push(Key::new(name)?);
            }
        }
        for key in &keys {
            opened.write(key, CONTENT, WriteOptions::new()).await?;
        }
        Ok(Self { store: opened.clone(), keys })
    }

    /// All are there as they were.
    pub(crate) async fn unharmed(&self) -> Result<(), Failure> {
        for key in &self.keys {
            let content = self.store.read(key, ReadOptions::new()).await?.bytes;
            same_bytes(format!("the object `{key}` outside the store"), &content, CONTENT)?;
        }
        Ok(())
    }
}

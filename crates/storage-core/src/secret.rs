//! Text that must never be shown (clause ERR-2).

use std::fmt;

/// A key, a token, a signed URL: text that `Debug` hides and that has no `Display`, so that it ends in no log by
/// accident. [`reveal`](Secret::reveal) is the one way to it, easy to find when reviewing.
///
/// ```
/// use storage_core::Secret;
///
/// let key = Secret::new("hunter2");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(key.reveal(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides `text` from here on.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who sends or signs with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Into<Box<str>>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

//! How a wrapper is put around a backend.

use std::fmt;
use std::sync::Arc;

use crate::backend::Backend;

/// Makes a backend out of a backend: logging, limits, encryption, fault injection.
///
/// A wrapper implements every method of [`Backend`] and denies `clippy::missing_trait_methods`; the conformance suite
/// runs through it as through any backend. Layers are put on with [`Store::layer`](crate::Store::layer), the last one
/// outermost.
pub trait Layer: fmt::Debug {
    /// Wraps `inner`.
    fn wrap(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend>;
}

//! The codecs in this build.

use std::sync::Arc;

use storage_core::codec::{Codec, Codecs};
use storage_core::{Error, ErrorKind, Result, suggest};

pub(crate) fn codecs() -> Codecs {
    let codecs: &[Arc<dyn Codec>] = &[
        #[cfg(feature = "brotli")]
        Arc::new(storage_codec_brotli::Brotli),
        #[cfg(feature = "bzip2")]
        Arc::new(storage_codec_bzip2::Bzip2),
        #[cfg(feature = "gzip")]
        Arc::new(storage_codec_gzip::Gzip),
        #[cfg(feature = "lz4")]
        Arc::new(storage_codec_lz4::Lz4),
        #[cfg(feature = "snappy")]
        Arc::new(storage_codec_snappy::Snappy),
        #[cfg(feature = "xz")]
        Arc::new(storage_codec_xz::Xz),
        #[cfg(feature = "zstd")]
        Arc::new(storage_codec_zstd::Zstd),
    ];
    Codecs::new(codecs.iter().cloned())
}

/// The codec of this name, or of this ending of names.
pub(crate) fn named(name: &str) -> Result<Arc<dyn Codec>> {
    let codecs = codecs();
    codecs.named(name.trim_start_matches('.')).cloned().ok_or_else(|| {
        let names: Vec<&str> = codecs.iter().map(|codec| codec.about().name).collect();
        let near = suggest(name, names.iter().copied());
        let message = format!("no codec is called `{name}`{near}; there are {}", names.join(", "));
        Error::new(ErrorKind::InvalidInput, message)
    })
}

//! The backends in this build. The one list that a new backend adds a row to.

use storage_core::{Provider, Registry};

pub(crate) fn registry() -> Registry {
    let providers: &[Provider] = &[
        #[cfg(feature = "azure")]
        storage_azure::PROVIDER,
        #[cfg(feature = "fs")]
        storage_fs::PROVIDER,
        #[cfg(feature = "gcs")]
        storage_gcs::PROVIDER,
        #[cfg(feature = "memory")]
        storage_memory::PROVIDER,
        #[cfg(feature = "s3")]
        storage_s3::PROVIDER,
        #[cfg(feature = "sftp")]
        storage_sftp::PROVIDER,
    ];
    Registry::new(providers.iter().copied())
}

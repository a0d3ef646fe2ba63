//! Append blobs, which grow at their end: the one thing of this service that no object store of ours has.

use std::time::Duration;

use azure_core::http::Etag;
use azure_storage_blob::models::{
    AppendBlobClientAppendBlockOptions, AppendBlobClientAppendBlockResultHeaders,
    AppendBlobClientCreateOptions,
};
use bytes::Bytes;
use storage_core::{Error, ErrorKind, Key, Payload, Result};

use crate::backend::Azure;
use crate::checksum::crc64;
use crate::error::error;
use crate::name::check;
use crate::write::verify;

/// The most that one request appends.
const APPEND_MAX: u64 = 100 << 20;
/// How long silence is taken, and how many bytes a second are too few: as `Store` has it by default.
const SILENCE: Duration = Duration::from_secs(60);
const SLOWEST: u64 = 16 << 10;

impl Azure {
    /// Appends `data` to the append blob at `key`, which is made if nothing stands there. Tells where in the blob the
    /// data begins.
    ///
    /// One request, or two more for a new blob: what several writers append never mixes. Readers see the blob grow;
    /// [`Store`](storage_core::Store) reads, lists, copies and deletes it like any other, and a write replaces it.
    ///
    /// # Errors
    /// `InvalidInput` for no bytes and for more than 100 MiB. `PermissionDenied` if a blob of another type stands there. An error that
    /// may have been applied is not tried again: the data may stand there, and would stand there twice.
    pub async fn append(&self, key: &Key, data: impl Into<Bytes>) -> Result<u64> {
        let named = |failed: Error| failed.with_backend("azure").with_key(key);
        check(key).map_err(named)?;
        let data: Bytes = data.into();
        if data.is_empty() || data.len() as u64 > APPEND_MAX {
            let message = "one append takes at least one byte and at most 100 MiB";
            return Err(named(Error::new(ErrorKind::InvalidInput, message)));
        }
        // No `Store` stands in front that would keep the time.
        let limit = SILENCE + Duration::from_secs(data.len() as u64 / SLOWEST);
        let late = |_| {
            let message = format!("no answer within {limit:?}");
            Err(Error::new(ErrorKind::TimedOut, message).maybe_applied())
        };
        tokio::time::timeout(limit, self.grow(key, data)).await.unwrap_or_else(late).map_err(named)
    }

    async fn grow(&self, key: &Key, data: Bytes) -> Result<u64> {
        match self.append_once(key, data.clone()).await {
            Err(failed) if failed.kind() == ErrorKind::NotFound => {
                self.create(key).await?;
                self.append_once(key, data).await
            }
            appended => appended,
        }
    }

    async fn append_once(&self, key: &Key, data: Bytes) -> Result<u64> {
        let (len, crc) = (data.len() as u64, crc64(&Payload::from(data.clone())));
        let options = AppendBlobClientAppendBlockOptions {
            transactional_content_crc64: Some(crc.to_vec()),
            ..Default::default()
        };
        let client = self.container().service.blob(key).append_blob_client();
        let answer = client.append_block(data.into(), len, Some(options)).await;
        let answer = answer.map_err(|failed| error(failed).error)?;
        verify(answer.headers(), crc)?;
        let told = answer.blob_append_offset().ok().flatten().and_then(|offset| offset.parse().ok());
        told.ok_or_else(|| {
            crate::error::broken("the service does not say where the data begins").maybe_applied()
        })
    }

    /// Makes an empty append blob, unless somebody else was faster.
    async fn create(&self, key: &Key) -> Result<()> {
        let options =
            AppendBlobClientCreateOptions { if_none_match: Some(Etag::from("*")), ..Default::default() };
        let client = self.container().service.blob(key).append_blob_client();
        match client.create(Some(options)).await.map_err(|failed| error(failed).error) {
            Err(failed) if failed.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        }
    }
}

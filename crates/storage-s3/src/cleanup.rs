//! Uploads that nobody will finish.

use std::time::SystemTime;

use aws_sdk_s3::types::EncodingType;
use storage_core::{CleanupReport, ErrorKind, Prefix, Result};

use crate::backend::Bucket;
use crate::error::error;
use crate::metadata::{time, unsigned};
use crate::name::decode;
use crate::upload::abort;

/// Ends the uploads under `prefix` that count as left behind: not one of this process that still goes on, and without a
/// new part for as long as the configuration says.
pub(crate) async fn cleanup(bucket: &Bucket, prefix: &Prefix) -> Result<CleanupReport> {
    let mut report = CleanupReport::default();
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let page = bucket
            .client
            .list_multipart_uploads()
            .bucket(&bucket.name)
            .encoding_type(EncodingType::Url)
            .prefix(prefix.as_str())
            .set_key_marker(key_marker)
            .set_upload_id_marker(id_marker)
            .send()
            .await
            .map_err(error)?;
        for upload in page.uploads() {
            let (Some(listed), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let key = decode(listed)?;
            if !key.starts_with(prefix.as_str()) {
                continue;
            }
            let ours =
                bucket.uploads.lock().expect("because no holder of the lock panics").contains(id);
            let (bytes, latest) = match parts(bucket, &key, id).await {
                Ok(found) => found,
                // Finished or given up in the meantime.
                Err(failed) if failed.kind() == ErrorKind::NotFound => continue,
                Err(failed) => return Err(failed),
            };
            let latest = latest.max(upload.initiated().map(time));
            if ours || !is_old(bucket, latest) {
                report.in_use += 1;
                continue;
            }
            abort(bucket, &key, id).await?;
            report.removed += 1;
            report.bytes += bytes;
        }
        if page.is_truncated() != Some(true) {
            return Ok(report);
        }
        key_marker = page.next_key_marker().map(decode).transpose()?;
        id_marker = page.next_upload_id_marker().map(str::to_owned);
    }
}

fn is_old(bucket: &Bucket, latest: Option<SystemTime>) -> bool {
    // A time in the future is a clock that differs: not old.
    let age = latest.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
    age >= bucket.config.cleanup_age
}

/// The size of what was sent so far, and when the last of it came.
async fn parts(bucket: &Bucket, key: &str, id: &str) -> Result<(u64, Option<SystemTime>)> {
    let (mut bytes, mut latest, mut marker) = (0, None, None);
    loop {
        let page = bucket
            .client
            .list_parts()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(id)
            .set_part_number_marker(marker)
            .send()
            .await
            .map_err(error)?;
        for part in page.parts() {
            bytes += part.size().map_or(0, unsigned);
            latest = latest.max(part.last_modified().map(time));
        }
        match (page.is_truncated(), page.next_part_number_marker()) {
            (Some(true), Some(next)) => marker = Some(next.to_owned()),
            _ => return Ok((bytes, latest)),
        }
    }
}

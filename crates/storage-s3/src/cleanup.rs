//! Uploads that nobody will finish.

use std::time::SystemTime;

use aws_sdk_s3::types::EncodingType;
use storage_core::{CleanupReport, Error, ErrorKind, Prefix, Result};

use crate::backend::Bucket;
use crate::error::error;
use crate::metadata::{time, unsigned};
use crate::name::decode;
use crate::upload::abort;

/// Ends the uploads under `prefix` that count as left behind: not one of this store that still goes on, and without a
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
            .set_key_marker(key_marker.clone())
            .set_upload_id_marker(id_marker.clone())
            .send()
            .await
            .map_err(error)?;
        let mut last = None;
        for upload in page.uploads() {
            let (Some(listed), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            // Finished or given up in the meantime, or none of ours.
            let Some(found) = find(bucket, prefix, listed, id).await? else { continue };
            let latest = found.latest.max(upload.initiated().map(time));
            let ours = bucket.uploads.lock().expect("because no holder of the lock panics").contains(id);
            if ours || !is_old(bucket, latest) {
                report.in_use += 1;
            } else {
                abort(bucket, &found.key, id).await?;
                report.removed += 1;
                report.bytes += found.bytes;
            }
            last = Some((listed, found.key));
        }
        if page.is_truncated() != Some(true) {
            return Ok(report);
        }
        let told = page.next_key_marker().unwrap_or_default();
        let next_key = match last {
            Some((listed, key)) if told == listed || told == key => key,
            _ => decode(told)?,
        };
        let next = (Some(next_key), page.next_upload_id_marker().map(str::to_owned));
        if next == (key_marker, id_marker) {
            let message = "the service lists the same uploads again and again";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        (key_marker, id_marker) = next;
    }
}

/// An upload that nobody finished.
struct Unfinished {
    key: String,
    bytes: u64,
    /// When the last part came.
    latest: Option<SystemTime>,
}

/// The upload that is listed by this name. Services do not agree on whether names are encoded here, nor do they mark it
/// truly; but only the right name goes with the id.
async fn find(bucket: &Bucket, prefix: &Prefix, listed: &str, id: &str) -> Result<Option<Unfinished>> {
    let decoded = decode(listed)?;
    let plain = (decoded != listed).then(|| listed.to_owned());
    for key in [Some(decoded), plain].into_iter().flatten().filter(|key| key.starts_with(prefix.as_str())) {
        match parts(bucket, &key, id).await {
            Ok((bytes, latest)) => return Ok(Some(Unfinished { key, bytes, latest })),
            Err(failed) if failed.kind() == ErrorKind::NotFound => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(None)
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

//! Parts that nobody will put together. Sessions need none: they show nowhere, cost nothing and end after a week.

use std::time::SystemTime;

use storage_core::{CleanupReport, ListRequest, Prefix, Result};

use crate::backend::Bucket;
use crate::compose::remove;
use crate::list::Pages;
use crate::part::{PARTS, upload_of};

/// Removes the parts of objects under `prefix` that count as left behind: not of an upload of this store that still goes on, and as
/// old as the configuration says.
pub(crate) async fn cleanup(bucket: &Bucket, prefix: &Prefix) -> Result<CleanupReport> {
    let mut report = CleanupReport::default();
    let mut request = ListRequest::default();
    request.prefix = Prefix::new(PARTS)?;
    // A bucket that keeps old generations keeps those of parts that were sent twice, or deleted by name alone.
    request.versions = true;
    let mut pages = Pages::new(bucket, request);
    while let Some(items) = pages.next().await? {
        let (mut places, mut bytes) = (Vec::new(), 0);
        for item in &items {
            let Some(upload) = upload_of(&item.name) else { continue };
            if !item.part_of().is_some_and(|key| key.starts_with(prefix.as_str())) {
                continue;
            }
            if bucket.is_ongoing(upload) || !is_old(bucket, item.created()) {
                report.in_use += 1;
            } else {
                bytes += item.size()?;
                places.push((item.name.clone(), Some(item.generation.clone())));
            }
        }
        let count = places.len() as u64;
        remove(bucket, places).await?;
        report.removed += count;
        report.bytes += bytes;
    }
    Ok(report)
}

fn is_old(bucket: &Bucket, made: Option<SystemTime>) -> bool {
    // A time in the future is a clock that differs: not old.
    let age = made.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
    age >= bucket.config.cleanup_age
}

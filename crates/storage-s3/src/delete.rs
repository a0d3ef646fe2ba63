//! Deletes: in a batch where the protocol allows, one by one where it does not.

use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures_util::{StreamExt, stream};
use storage_core::{DeleteTarget, Error, ErrorKind, Result};

use crate::backend::Bucket;
use crate::error::{by_code, error, status};
use crate::name::fits_xml;

/// Single deletes side by side.
const CONCURRENCY: usize = 8;

pub(crate) async fn delete(bucket: &Bucket, targets: &[DeleteTarget]) -> Result<Vec<Result<()>>> {
    let one_by_one = bucket.single_deletes.load(Ordering::Relaxed);
    let batched = |target: &DeleteTarget| !one_by_one && target.if_match.is_none() && fits_xml(&target.key);
    let many: Vec<usize> = (0..targets.len()).filter(|at| batched(&targets[*at])).collect();
    let mut results: Vec<Option<Result<()>>> = targets.iter().map(|_| None).collect();
    if many.len() > 1 {
        match batch(bucket, targets, &many, &mut results).await {
            Err(failed) if failed.kind() == ErrorKind::Unsupported => {
                bucket.single_deletes.store(true, Ordering::Relaxed);
            }
            // The batch failed as a whole; what was to go one by one is still untouched.
            Err(failed) if many.len() == targets.len() => return Err(failed),
            Err(failed) => many.iter().for_each(|at| results[*at] = Some(Err(like(&failed)))),
            Ok(()) => {}
        }
    }
    let left: Vec<usize> = (0..targets.len()).filter(|at| results[*at].is_none()).collect();
    let singles = left.into_iter().map(|at| async move { (at, single(bucket, &targets[at]).await) });
    let mut singles = stream::iter(singles.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY);
    while let Some((at, result)) = singles.next().await {
        results[at] = Some(result);
    }
    Ok(results.into_iter().map(|r| r.expect("because each target was in a batch or single")).collect())
}

/// One request for many keys. The service answers for each.
async fn batch(
    bucket: &Bucket,
    targets: &[DeleteTarget],
    chosen: &[usize],
    results: &mut [Option<Result<()>>],
) -> Result<()> {
    let name = |at: &usize| {
        ObjectIdentifier::builder()
            .key(targets[*at].key.as_str())
            .set_version_id(targets[*at].version.as_ref().map(|v| v.as_str().to_owned()))
            .build()
            .map_err(|e| Error::new(ErrorKind::InvalidInput, "the key cannot be sent").with_source(e))
    };
    let names: Vec<ObjectIdentifier> = chosen.iter().map(name).collect::<Result<_>>()?;
    let delete = Delete::builder()
        .set_objects(Some(names))
        .quiet(true)
        .build()
        .map_err(|e| Error::new(ErrorKind::InvalidInput, "the batch cannot be sent").with_source(e))?;
    let answer =
        bucket.client.delete_objects().bucket(&bucket.name).delete(delete).send().await.map_err(error)?;
    chosen.iter().for_each(|at| results[*at] = Some(Ok(())));
    for failed in answer.errors() {
        let named = |at: &&usize| {
            let target = &targets[**at];
            failed.key() == Some(target.key.as_str())
                && target.version.as_ref().is_none_or(|v| failed.version_id() == Some(v.as_str()))
        };
        let result = match failed.code() {
            Some("NoSuchKey" | "NoSuchVersion") => Ok(()),
            code => Err(by_code(code, failed.message())),
        };
        // The same key twice in a batch: what failed for one failed for the other.
        let mut met = false;
        for at in chosen.iter().filter(named) {
            met = true;
            results[*at] = Some(result.as_ref().copied().map_err(like));
        }
        if !met {
            let message = "the service reports a failure for a key that it was not asked to delete";
            return Err(Error::new(ErrorKind::InvalidData, message).maybe_applied());
        }
    }
    Ok(())
}

async fn single(bucket: &Bucket, target: &DeleteTarget) -> Result<()> {
    let sent = bucket
        .client
        .delete_object()
        .bucket(&bucket.name)
        .key(target.key.as_str())
        .set_version_id(target.version.as_ref().map(|v| v.as_str().to_owned()))
        .set_if_match(target.if_match.as_ref().map(|etag| etag.as_str().to_owned()))
        .send()
        .await;
    let Err(failed) = sent else { return Ok(()) };
    let (status, conditional) = (status(&failed), target.if_match.is_some());
    let failed = error(failed);
    match status {
        Some(404 | 412) if conditional && failed.kind() != ErrorKind::Unauthenticated => {
            let message = "no object with this ETag stands there";
            Err(Error::new(ErrorKind::PreconditionFailed, message).with_source(failed))
        }
        Some(404) if !failed.message().starts_with(crate::error::NO_BUCKET) => Ok(()),
        // A version that never was, by a name that the service cannot read. Expired credentials are 400 too.
        Some(400) if target.version.is_some() && failed.kind() == ErrorKind::Other => Ok(()),
        _ => Err(failed),
    }
}

/// One error for several keys.
fn like(failed: &Error) -> Error {
    let copy = Error::new(failed.kind(), failed.message().to_owned()).with_retry(failed.retry());
    if failed.may_have_been_applied() { copy.maybe_applied() } else { copy }
}

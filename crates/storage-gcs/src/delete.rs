//! Deletes, side by side.

use futures_util::{StreamExt, stream};
use reqwest::{Method, Response, StatusCode};
use storage_core::{DeleteTarget, Error, ErrorKind, Result};

use crate::backend::Bucket;
use crate::client::{WORK, query};
use crate::error::{broken_answer, no_service};
use crate::name::{check, encode};
use crate::read::known;
use crate::resource::generation;

/// Deletes of one call side by side. The service's batches save nothing: it works through them one by one.
const CONCURRENCY: usize = 16;

pub(crate) async fn delete(bucket: &Bucket, targets: &[DeleteTarget]) -> Result<Vec<Result<()>>> {
    let deletes: Vec<_> = targets.iter().map(|target| single(bucket, target)).collect();
    let mut results: Vec<Result<()>> = stream::iter(deletes).buffered(CONCURRENCY).collect().await;
    // Nothing was tried where nobody was reached: one error for all.
    let unreached = |result: &Result<()>| result.as_ref().is_err_and(Error::is_unreached);
    if results.is_empty() || !results.iter().all(unreached) {
        return Ok(results);
    }
    results.swap_remove(0).map(|()| results)
}

async fn single(bucket: &Bucket, target: &DeleteTarget) -> Result<()> {
    check(&target.key)?;
    // A version that the service cannot have made is not there.
    let Ok(version) = known(target.version.as_ref()) else { return Ok(()) };
    let expected = target.if_match.as_ref().map(generation);
    remove(bucket, target.key.as_str(), version, expected).await
}

/// Removes what has this name, or this generation of it, if it is the expected one. What is not there is gone.
pub(crate) async fn remove(
    bucket: &Bucket,
    name: &str,
    version: Option<&str>,
    expected: Option<&str>,
) -> Result<()> {
    let path = format!(
        "/storage/v1/b/{}/o/{}{}",
        encode(&bucket.config.bucket),
        encode(name),
        query([("generation", version), ("ifGenerationMatch", expected)])
    );
    let delete = bucket.service.request(Method::DELETE, &path).timeout(WORK);
    let refused = match bucket.service.call(delete).await {
        Ok(answer) => return confirmed(answer).await,
        Err(refused) => refused,
    };
    match refused.error.kind() {
        _ if refused.is_missing() && expected.is_none() => Ok(()),
        ErrorKind::PreconditionFailed | ErrorKind::NotFound
            if expected.is_some() && !refused.is_no_bucket() =>
        {
            let message = "no object with this ETag stands there";
            Err(Error::new(ErrorKind::PreconditionFailed, message))
        }
        _ => Err(refused.error),
    }
}

/// The service has nothing to say to a delete; the page on which a network asks its guests to log in has.
async fn confirmed(mut answer: Response) -> Result<()> {
    if answer.status() == StatusCode::NO_CONTENT {
        return Ok(());
    }
    match answer.chunk().await.map_err(|failed| broken_answer(&failed))? {
        None => Ok(()),
        Some(_) => Err(no_service()),
    }
}

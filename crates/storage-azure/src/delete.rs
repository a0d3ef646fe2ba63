//! Deletes, side by side.

use azure_core::http::Etag;
use azure_storage_blob::models::{BlobClientDeleteOptions, DeleteSnapshotsOptionType};
use futures_util::{StreamExt, stream};
use storage_core::{DeleteTarget, Error, ErrorKind, Result};

use crate::backend::Container;
use crate::error::{error, is_service, no_service};
use crate::name::check;

/// Deletes of one call side by side.
const CONCURRENCY: usize = 16;

pub(crate) async fn delete(container: &Container, targets: &[DeleteTarget]) -> Result<Vec<Result<()>>> {
    let deletes: Vec<_> = targets.iter().map(|target| single(container, target)).collect();
    let mut deleted: Vec<_> = stream::iter(deletes).buffered(CONCURRENCY).collect().await;
    // Where nobody was reached, no target was tried.
    let unreached = |result: &Result<()>| result.as_ref().is_err_and(Error::is_unreached);
    if deleted.iter().all(unreached)
        && let Some(failed) = deleted.pop()
    {
        failed?;
    }
    Ok(deleted)
}

async fn single(container: &Container, target: &DeleteTarget) -> Result<()> {
    check(&target.key)?;
    let snapshots = container.config.delete_snapshots && target.version.is_none();
    let options = BlobClientDeleteOptions {
        if_match: target.if_match.as_ref().map(|etag| Etag::from(etag.as_str())),
        version_id: target.version.as_ref().map(|version| version.as_str().to_owned()),
        delete_snapshots: snapshots.then_some(DeleteSnapshotsOptionType::Include),
        ..Default::default()
    };
    let refused = match container.service.blob(&target.key).delete(Some(options)).await {
        Ok(answer) if is_service(answer.headers()) => return Ok(()),
        Ok(_) => return Err(no_service()),
        Err(failed) => error(failed),
    };
    let is_condition = refused.error.kind() == ErrorKind::PreconditionFailed;
    match (refused.status, &target.if_match) {
        (Some(404), None) if refused.is_missing() => Ok(()),
        (Some(404), Some(_)) if refused.is_missing() => Err(no_such()),
        (Some(412), Some(_)) if is_condition => Err(no_such()),
        // A version that never was, by a name that the service cannot read.
        (Some(400), None) if target.version.is_some() && refused.is_bad_query() => Ok(()),
        _ => Err(refused.error),
    }
}

fn no_such() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "no blob with this ETag stands there")
}

//! Copies within the service, in one request or, above what one may carry, in parts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use storage_core::{
    Attributes, Condition, CopyRequest, ETag, Error, ErrorKind, Key, Metadata, Payload, Result, StatRequest,
    Version,
};

use crate::backend::{Bucket, Ongoing};
use crate::error::{error, is_page, no_service, not_from_service, status};
use crate::headers;
use crate::metadata::{etag, version};
use crate::name::copy_source;
use crate::read;
use crate::upload::{Taken, abort, completed, named, number};
use crate::wire::{COPY_SOURCE, Copied, Request};
use crate::write::{conditions, refused};

/// Parts of a copy side by side.
const CONCURRENCY: usize = 8;
/// A part of a copy moves no byte through the client: large parts, few requests.
const PART: u64 = 512 << 20;

/// What is copied: an object of this bucket, or of another of the same service.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: &'a Key,
    /// Size and ETag that it had when it was seen last.
    pub(crate) seen: Option<(u64, &'a ETag)>,
}

impl From<'_> {
    fn source(&self, version: Option<&Version>) -> String {
        copy_source(&self.bucket.name, self.key, version)
    }
}

pub(crate) async fn copy(
    bucket: &Arc<Bucket>,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
) -> Result<Metadata> {
    let is_itself = from.bucket.name == bucket.name && from.key == to;
    if request.source_if_match.is_some() && !bucket.conditions.replace {
        // A service that ignores the header must not copy just anything. What it copies still carries the condition.
        source(from, request).await?;
    }
    // The service copies an object onto itself only with new attributes, so an old version brings its own.
    let own = match (&request.attributes, is_itself) {
        (None, true) => Some(source(from, request).await?.attributes),
        (attributes, _) => attributes.clone(),
    };
    match copy_once(bucket, from, to, request, own.as_ref()).await {
        Err(refused) if is_too_large(&refused) => copy_parts(bucket, from, to, request).await,
        done => done,
    }
}

async fn copy_once(
    bucket: &Arc<Bucket>,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
    attributes: Option<&Attributes>,
) -> Result<Metadata> {
    let asked = copy_request(bucket, from, to, request, attributes)?;
    let sent = bucket.wire.send(asked).await;
    let answer = sent.map_err(|refused| copy_refused(refused.status, request, refused.error))?;
    let version = bucket.versions().then(|| version(answer.header("x-amz-version-id")));
    let document = answer.into_bytes().await.map_err(Error::maybe_applied)?;
    if is_page(&document) {
        return Err(no_service());
    }
    let told = Copied::parse(&document).map_err(|late| {
        // Refused behind the headers of a success.
        let status = (late.kind() == ErrorKind::PreconditionFailed).then_some(412);
        copy_refused(status, request, late)
    })?;
    let etag = told.etag.as_deref().map(etag);
    match (from.seen, etag) {
        // With the ETag that was seen it is what was seen.
        (Some((size, seen)), Some(etag)) if *seen == etag => {
            let mut copied = Metadata::new(size);
            (copied.etag, copied.version, copied.modified) = (Some(etag), version, told.modified);
            Ok(copied)
        }
        (_, etag) => asked_for(bucket, to, version, etag).await,
    }
}

fn copy_request(
    bucket: &Bucket,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
    attributes: Option<&Attributes>,
) -> Result<Request> {
    let mut copy = bucket.wire.object(Method::PUT, to);
    match attributes {
        Some(attributes) => {
            copy.headers(headers::of_object(&bucket.config, to, attributes, None)?);
            copy.header("x-amz-metadata-directive", "REPLACE")?;
        }
        None => copy.headers(headers::of_settings(&bucket.config)?),
    }
    copy.headers(headers::of_copied_customer(&bucket.config)?);
    if bucket.config.tags.is_some() {
        copy.header("x-amz-tagging-directive", "REPLACE")?;
    }
    copy.header(COPY_SOURCE, &from.source(request.source_version.as_ref()))?;
    let source_if_match = request.source_if_match.as_ref();
    source_if_match.map_or(Ok(()), |etag| copy.header("x-amz-copy-source-if-match", etag.as_str()))?;
    let (if_none_match, if_match) = conditions(&request.condition);
    if_none_match.map_or(Ok(()), |etag| copy.header("if-none-match", &etag))?;
    if_match.map_or(Ok(()), |etag| copy.header("if-match", &etag))?;
    copy.body(Payload::new(), true);
    Ok(copy)
}

/// The copy by the service's word, of which the answer told no more than `etag`.
async fn asked_for(
    bucket: &Bucket,
    to: &Key,
    version: Option<Version>,
    etag: Option<ETag>,
) -> Result<Metadata> {
    let mut asked = StatRequest::default();
    asked.version = version;
    let mut copied = read::stat(bucket, to, &asked).await.map_err(Error::maybe_applied)?;
    if etag.is_some() && etag != copied.etag {
        // Somebody else wrote in between: the answer is about the copy.
        copied.etag = etag;
    }
    Ok(copied)
}

/// Which of the two conditions failed: the service tells only that one did.
fn copy_refused(status: Option<u16>, request: &CopyRequest, failed: Error) -> Error {
    match (status, &request.source_if_match) {
        (Some(412), Some(_)) if request.condition == Condition::None => {
            Error::new(ErrorKind::PreconditionFailed, "the source has another ETag")
        }
        (Some(404), _) => failed,
        (Some(400), _)
            if request.source_version.is_some()
                && failed.kind() == ErrorKind::Other
                && !is_too_large(&failed) =>
        {
            Error::new(ErrorKind::NotFound, "the source has no such version").with_source(failed)
        }
        _ => refused(status, &request.condition, failed),
    }
}

/// More than one request may carry: 5 GiB on AWS.
fn is_too_large(failed: &Error) -> bool {
    let said = failed.message();
    said.contains("EntityTooLarge") || (said.contains("InvalidRequest") && said.contains("larger than"))
}

async fn source(from: From<'_>, request: &CopyRequest) -> Result<Metadata> {
    let mut asked = StatRequest::default();
    asked.version = request.source_version.clone();
    let found = read::stat(from.bucket, from.key, &asked).await?;
    match &request.source_if_match {
        Some(expected) if found.etag.as_ref() != Some(expected) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "the source has another ETag"))
        }
        _ => Ok(found),
    }
}

/// A copy in parts, pinned to one version of the source.
async fn copy_parts(
    bucket: &Arc<Bucket>,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
) -> Result<Metadata> {
    let found = source(from, request).await?;
    let attributes = request.attributes.as_ref().unwrap_or(&found.attributes);
    let create = bucket.client.create_multipart_upload().bucket(&bucket.name).key(to.as_str());
    let headers = headers::of_object(&bucket.config, to, attributes, None)?;
    let created = headers::with(create.customize(), headers).send().await.map_err(error)?;
    let upload = Ongoing::new(bucket, named(created.upload_id())?);
    let id = &upload.id;
    let copied = copy_into(bucket, from, to, request, &found, id).await;
    if copied.as_ref().is_err_and(|e| !e.may_have_been_applied()) {
        // The first error is the one to tell; what cannot be removed is left to a clean-up.
        let _ = abort(bucket, to.as_str(), id).await;
    }
    copied
}

async fn copy_into(
    bucket: &Arc<Bucket>,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
    found: &Metadata,
    id: &str,
) -> Result<Metadata> {
    let pinned = found.version.as_ref().or(request.source_version.as_ref());
    let ranges: Vec<(u64, Range<u64>)> =
        (0..found.size.div_ceil(PART)).map(|at| (at, at * PART..((at + 1) * PART).min(found.size))).collect();
    let copies: Vec<_> = ranges
        .into_iter()
        .map(|(at, range)| copy_part(bucket, from, to, pinned, found, id, at, range))
        .collect();
    let parts: BTreeMap<u64, Taken> =
        stream::iter(copies).buffer_unordered(CONCURRENCY).try_collect().await?;
    let (if_none_match, if_match) = conditions(&request.condition);
    let complete = bucket
        .client
        .complete_multipart_upload()
        .bucket(&bucket.name)
        .key(to.as_str())
        .upload_id(id)
        .multipart_upload(completed(&parts))
        .set_if_none_match(if_none_match)
        .set_if_match(if_match);
    let answer = complete.send().await.map_err(|e| refused(status(&e), &request.condition, error(e)))?;
    let version = bucket.versions().then(|| version(answer.version_id()));
    asked_for(bucket, to, version, None).await
}

#[allow(clippy::too_many_arguments)] // what a part of a copy is
async fn copy_part(
    bucket: &Bucket,
    from: From<'_>,
    to: &Key,
    pinned: Option<&Version>,
    found: &Metadata,
    id: &str,
    at: u64,
    range: Range<u64>,
) -> Result<(u64, Taken)> {
    let copy = bucket
        .client
        .upload_part_copy()
        .bucket(&bucket.name)
        .key(to.as_str())
        .upload_id(id)
        .part_number(number(at)?)
        .copy_source(from.source(pinned))
        .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
        .set_copy_source_if_match(found.etag.as_ref().map(|e| e.as_str().to_owned()));
    let mut headers = headers::of_customer(&bucket.config)?;
    headers.extend(headers::of_copied_customer(&bucket.config)?);
    // The vendor's client sends no length of a body that it does not have, without which Ceph takes no part.
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let copy = headers::with(copy.customize(), headers);
    let sent = copy.send().await;
    let answer = sent.map_err(|e| match status(&e) {
        Some(412) => Error::new(ErrorKind::PreconditionFailed, "the source changed while it was copied"),
        _ => error(e),
    })?;
    let told = answer.copy_part_result().and_then(|r| r.e_tag());
    let etag = told.ok_or_else(not_from_service)?.to_owned();
    Ok((at, Taken { etag, len: range.end - range.start, crc: None }))
}

//! PUT, and what the conditions of every request that makes an object have in common.

use http::Method;
use storage_core::{
    Algorithm, Checksum, Condition, Error, ErrorKind, Key, Metadata, Payload, Result, Retry, WriteRequest,
};

use crate::backend::Bucket;
use crate::checksum::{self, CRC64, encode};
use crate::error::{NO_BUCKET, not_from_service};
use crate::headers;
use crate::metadata::{etag, version};
use crate::wire::Request;

pub(crate) async fn write(
    bucket: &Bucket,
    key: &Key,
    body: Payload,
    request: &WriteRequest,
) -> Result<Metadata> {
    let crc = bucket.checksums.puts.is_tried().then(|| body.checksum(Algorithm::Crc64Nvme));
    let mut sent = bucket.wire.send(put(bucket, key, body.clone(), request, crc)?).await;
    if let Err(failed) = &sent
        && crc.is_some()
        && bucket.checksums.puts.may_be_why(failed)
    {
        sent = bucket.wire.send(put(bucket, key, body.clone(), request, None)?).await;
        sent.iter().for_each(|_| bucket.checksums.puts.learn(false));
    }
    let answer = sent.map_err(|e| refused(e.status, &request.condition, e.error))?;
    let Some(told) = answer.header("etag") else { return Err(not_from_service()) };
    bucket.checksums.puts.learn(answer.header(CRC64).is_some());
    checksum::verify(crc, answer.header(CRC64))?;
    let mut written = Metadata::new(body.len());
    written.etag = Some(etag(told));
    written.version = bucket.versions().then(|| version(answer.header("x-amz-version-id")));
    written.token = Some(request.token.clone());
    written.attributes = request.attributes.clone();
    written.checksums = checksum::told_by(&answer);
    Ok(written)
}

fn put(
    bucket: &Bucket,
    key: &Key,
    body: Payload,
    request: &WriteRequest,
    crc: Option<Checksum>,
) -> Result<Request> {
    let mut put = bucket.wire.object(Method::PUT, key);
    put.headers(headers::of_object(&bucket.config, key, &request.attributes, Some(&request.token))?);
    let (if_none_match, if_match) = conditions(&request.condition);
    if_none_match.map_or(Ok(()), |etag| put.header("if-none-match", &etag))?;
    if_match.map_or(Ok(()), |etag| put.header("if-match", &etag))?;
    crc.map_or(Ok(()), |crc| put.header(CRC64, &encode(&crc)))?;
    put.body(body, bucket.signs_bodies);
    Ok(put)
}

/// The two headers of a condition.
pub(crate) fn conditions(condition: &Condition) -> (Option<String>, Option<String>) {
    match condition {
        Condition::IfAbsent => (Some("*".to_owned()), None),
        Condition::IfMatch(etag) => (None, Some(etag.as_str().to_owned())),
        _ => (None, None),
    }
}

/// What a refusal means for the condition that was asked for.
pub(crate) fn refused(status: Option<u16>, condition: &Condition, failed: Error) -> Error {
    match (status, condition) {
        (Some(412), Condition::IfAbsent) => {
            Error::new(ErrorKind::AlreadyExists, "an object stands there already")
        }
        (Some(412), Condition::IfMatch(_)) => {
            Error::new(ErrorKind::PreconditionFailed, "the object has another ETag")
        }
        (Some(404), Condition::IfMatch(_)) if !failed.message().starts_with(NO_BUCKET) => {
            Error::new(ErrorKind::PreconditionFailed, "no object with this ETag stands there")
                .with_source(failed)
        }
        // Two conditional writes at one moment: the service lets neither through.
        (Some(409), Condition::IfAbsent | Condition::IfMatch(_)) => {
            Error::new(ErrorKind::Unavailable, "another conditional write was going on")
                .with_source(failed)
                .with_retry(Retry::Backoff)
        }
        _ => failed,
    }
}

//! GET and HEAD.

use http::Method;
use storage_core::{
    ByteRange, Checksums, Error, ErrorKind, Key, Metadata, ReadRequest, ReadResponse, Result, Retry,
    StatRequest, Version, body,
};

use crate::backend::Bucket;
use crate::error::not_from_service;
use crate::headers;
use crate::metadata::of_answer;
use crate::wire::Request;

pub(crate) async fn stat(bucket: &Bucket, key: &Key, request: &StatRequest) -> Result<Metadata> {
    let version = request.version.as_ref();
    let mut head = of_version(bucket, Method::HEAD, key, version)?;
    with_checksums(bucket, &mut head)?;
    let answer = match bucket.wire.send(head).await {
        Ok(answer) => answer,
        Err(refused) => {
            let failed = why(bucket, key, version, refused.status, refused.error).await;
            return Err(no_version(refused.status, version, failed));
        }
    };
    if answer.header("etag").is_none() {
        return Err(not_from_service());
    }
    Ok(of_answer(&answer, answer.length().unwrap_or(0), key, bucket.versions()))
}

pub(crate) async fn read(bucket: &Bucket, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    let version = request.version.as_ref();
    let mut get = of_version(bucket, Method::GET, key, version)?;
    request.range.to_header().map_or(Ok(()), |range| get.header("range", &range))?;
    let conditions = &request.conditions;
    conditions.if_match.as_ref().map_or(Ok(()), |etag| get.header("if-match", etag.as_str()))?;
    conditions.if_none_match.as_ref().map_or(Ok(()), |etag| get.header("if-none-match", etag.as_str()))?;
    // The first range of what may turn out to be small may hold all of it.
    if matches!(request.range, ByteRange::Full | ByteRange::Bounded { start: 0, .. }) {
        with_checksums(bucket, &mut get)?;
    }
    let answer = match bucket.wire.send(get).await {
        Ok(answer) => answer,
        Err(refused) => {
            if refused.error.kind() == ErrorKind::RangeNotSatisfiable && may_be_empty(&request.range) {
                return empty(bucket, key, request, refused.error).await;
            }
            return Err(no_version(refused.status, version, refused.error));
        }
    };
    if answer.header("etag").is_none() {
        return Err(not_from_service());
    }
    let length = answer.length();
    let (range, size) = match answer.header("content-range") {
        Some(told) => ByteRange::of_content_range(told)?,
        None => {
            let size = length.ok_or_else(|| broken("the answer tells no length"))?;
            (0..size, size)
        }
    };
    if length.is_some_and(|length| length != range.end - range.start) {
        return Err(broken("length and range of the answer do not fit together"));
    }
    let mut metadata = of_answer(&answer, size, key, bucket.versions());
    if range != (0..size) {
        // A checksum that comes with some of the bytes may be of those alone.
        metadata.checksums = Checksums::new();
    }
    Ok(ReadResponse::new(metadata, range, answer.into_stream()))
}

fn of_version(bucket: &Bucket, method: Method, key: &Key, version: Option<&Version>) -> Result<Request> {
    let mut request = bucket.wire.object(method, key);
    if let Some(version) = version {
        request.query("versionId", version.as_str());
    }
    request.headers(headers::of_customer(&bucket.config)?);
    Ok(request)
}

fn with_checksums(bucket: &Bucket, request: &mut Request) -> Result<()> {
    if bucket.checksums.are_known() { request.header("x-amz-checksum-mode", "ENABLED") } else { Ok(()) }
}

/// Why a HEAD was refused: its answer has no body that could tell a wrong key from a denied object, or a wrong version
/// from an expired token. A GET of one byte has.
async fn why(
    bucket: &Bucket,
    key: &Key,
    version: Option<&Version>,
    status: Option<u16>,
    refused: Error,
) -> Error {
    if !matches!(status, Some(400 | 403)) || matches!(refused.kind(), ErrorKind::InvalidConfig) {
        return refused;
    }
    let asked = async {
        let mut get = of_version(bucket, Method::GET, key, version)?;
        get.header("range", "bytes=0-0")?;
        bucket.wire.send(get).await
    };
    match asked.await {
        Err(told) if told.status == status => told.error,
        _ => refused,
    }
}

/// The service has no range of an empty object; the contract has: offset 0 and any suffix (clause READ-3).
async fn empty(bucket: &Bucket, key: &Key, request: &ReadRequest, refused: Error) -> Result<ReadResponse> {
    let mut asked = StatRequest::default();
    asked.version = request.version.clone();
    let metadata = stat(bucket, key, &asked).await?;
    if metadata.size > 0 {
        return Err(refused);
    }
    Ok(ReadResponse::new(metadata, 0..0, body([])))
}

fn may_be_empty(range: &ByteRange) -> bool {
    matches!(range, ByteRange::Suffix(_) | ByteRange::From(0) | ByteRange::Bounded { start: 0, .. })
}

/// A version that is not there has codes of its own with every service, and a delete marker is no object.
fn no_version(status: Option<u16>, version: Option<&Version>, failed: Error) -> Error {
    match status {
        // Expired credentials and a busy connection are 400 too.
        Some(400 | 405)
            if version.is_some() && matches!(failed.kind(), ErrorKind::Other | ErrorKind::Unsupported) =>
        {
            Error::new(ErrorKind::NotFound, "no object of this version").with_source(failed)
        }
        _ => failed,
    }
}

fn broken(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, message).with_retry(Retry::Backoff)
}

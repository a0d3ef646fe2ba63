//! GET and HEAD.

use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::ChecksumMode;
use futures_util::stream;
use storage_core::{
    ByteRange, ByteStream, Checksums, Error, ErrorKind, Key, Metadata, ReadRequest, ReadResponse, Result,
    Retry, StatRequest, Version, body,
};

use crate::backend::Bucket;
use crate::config::Encryption;
use crate::error::{error, not_from_service, status};
use crate::metadata::{of_get, of_head, unsigned};
use crate::write::customer_key;

pub(crate) async fn stat(bucket: &Bucket, key: &Key, request: &StatRequest) -> Result<Metadata> {
    let version = request.version.as_ref();
    let mut head = bucket
        .client
        .head_object()
        .bucket(&bucket.name)
        .key(key.as_str())
        .set_version_id(version.map(|v| v.as_str().to_owned()));
    if bucket.checksums {
        head = head.checksum_mode(ChecksumMode::Enabled);
    }
    if let Encryption::Customer(secret) = &bucket.config.encryption {
        let key = customer_key(secret);
        head = head.sse_customer_algorithm("AES256").sse_customer_key(key.key).sse_customer_key_md5(key.md5);
    }
    let answer = match head.send().await {
        Ok(answer) => answer,
        Err(failed) => {
            let status = status(&failed);
            let failed = why(bucket, key, version, status, error(failed)).await;
            return Err(of_version(status, version, failed));
        }
    };
    if answer.e_tag().is_none() {
        return Err(not_from_service());
    }
    Ok(of_head(&answer, key, bucket.versions()))
}

pub(crate) async fn read(bucket: &Bucket, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    let version = request.version.as_ref();
    let text = |etag: &storage_core::ETag| etag.as_str().to_owned();
    let mut get = get(bucket, key, version)
        .set_range(request.range.to_header())
        .set_if_match(request.conditions.if_match.as_ref().map(text))
        .set_if_none_match(request.conditions.if_none_match.as_ref().map(text));
    // The first range of what may turn out to be small may hold all of it.
    if bucket.checksums && matches!(request.range, ByteRange::Full | ByteRange::Bounded { start: 0, .. }) {
        get = get.checksum_mode(ChecksumMode::Enabled);
    }
    let answer = match get.send().await {
        Ok(answer) => answer,
        Err(failed) => {
            let status = status(&failed);
            let failed: Error = error::<GetObjectError>(failed);
            if failed.kind() == ErrorKind::RangeNotSatisfiable && may_be_empty(&request.range) {
                return empty(bucket, key, request, failed).await;
            }
            return Err(of_version(status, version, failed));
        }
    };
    if answer.e_tag().is_none() {
        return Err(not_from_service());
    }
    let length = answer.content_length().map(unsigned);
    let (range, size) = match answer.content_range() {
        Some(told) => ByteRange::of_content_range(told)?,
        None => {
            let size = length.ok_or_else(|| broken("the answer tells no length"))?;
            (0..size, size)
        }
    };
    if length.is_some_and(|length| length != range.end - range.start) {
        return Err(broken("length and range of the answer do not fit together"));
    }
    let mut metadata = of_get(&answer, size, key, bucket.versions());
    if range != (0..size) {
        // A checksum that comes with some of the bytes may be of those alone.
        metadata.checksums = Checksums::new();
    }
    Ok(ReadResponse::new(metadata, range, chunks(answer.body)))
}

fn get(bucket: &Bucket, key: &Key, version: Option<&Version>) -> GetObjectFluentBuilder {
    let get = bucket
        .client
        .get_object()
        .bucket(&bucket.name)
        .key(key.as_str())
        .set_version_id(version.map(|v| v.as_str().to_owned()));
    let Encryption::Customer(secret) = &bucket.config.encryption else { return get };
    let key = customer_key(secret);
    get.sse_customer_algorithm("AES256").sse_customer_key(key.key).sse_customer_key_md5(key.md5)
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
    match get(bucket, key, version).range("bytes=0-0").send().await {
        Err(failed) if self::status(&failed) == status => error(failed),
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
fn of_version(status: Option<u16>, version: Option<&Version>, failed: Error) -> Error {
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

fn chunks(answer: Body) -> ByteStream {
    Box::pin(stream::try_unfold(answer, |mut answer| async move {
        match answer.next().await {
            Some(Ok(chunk)) => Ok(Some((chunk, answer))),
            Some(Err(failed)) => Err(body_error(&failed)),
            None => Ok(None),
        }
    }))
}

fn body_error(failed: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let cause = cause.to_string();
    if cause.contains("checksum") {
        return Error::new(
            ErrorKind::InvalidData,
            "the bytes do not have the checksum that the service tells",
        )
        .with_source(cause)
        .with_retry(Retry::Backoff);
    }
    Error::new(ErrorKind::Unavailable, "the body broke off").with_source(cause)
}

//! GET and HEAD. The vendor's client downloads in ranges of its own, side by side; `Store` does that already, so a read
//! is one request of ours.

use std::ops::Range;

use azure_core::http::{Method, Request};
use azure_storage_blob::models::BlobClientGetPropertiesOptions;
use futures_util::StreamExt;
use storage_core::{
    ByteRange, ETag, Error, ErrorKind, Key, Metadata, ReadRequest, ReadResponse, Result, StatRequest,
    Version, body,
};

use crate::backend::Container;
use crate::client::query;
use crate::error::{Refused, broken, broken_body, error};
use crate::metadata::{header, of_headers};
use crate::name::check;

pub(crate) async fn stat(container: &Container, key: &Key, request: &StatRequest) -> Result<Metadata> {
    check(key)?;
    let version = request.version.as_ref();
    let options = BlobClientGetPropertiesOptions {
        version_id: version.map(|version| version.as_str().to_owned()),
        ..Default::default()
    };
    let answer = container.service.blob(key).get_properties(Some(options)).await;
    let answer = answer.map_err(|failed| of_version(error(failed), version))?;
    let headers = answer.headers();
    let size = header(headers, "content-length").and_then(|text| text.parse().ok());
    let size = size.ok_or_else(|| broken("the answer tells no length"))?;
    of_headers(headers, size, key, container.config.versions)
}

pub(crate) async fn read(container: &Container, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    check(key)?;
    let conditions = &request.conditions;
    let (range, pinned) = match request.range {
        // The service counts from the start alone.
        ByteRange::Suffix(length) => {
            let mut asked = StatRequest::default();
            asked.version = request.version.clone();
            let found = stat(container, key, &asked).await?;
            if found.size == 0 {
                return Ok(ReadResponse::new(found, 0..0, body([])));
            }
            let from = found.size.saturating_sub(length);
            (ByteRange::From(from), found.etag)
        }
        range => (range, None),
    };
    let expected = conditions.if_match.as_ref().or(pinned.as_ref());
    match get(container, key, request.version.as_ref(), &range, expected, conditions.if_none_match.as_ref())
        .await
    {
        Ok(answer) => Ok(answer),
        Err(refused) if refused.error.kind() == ErrorKind::RangeNotSatisfiable && may_be_empty(&range) => {
            empty(container, key, request, refused.error).await
        }
        Err(refused) if refused.status == Some(412) => Err(why(container, key, request, refused.error).await),
        Err(refused) => Err(of_version(refused, request.version.as_ref())),
    }
}

async fn get(
    container: &Container,
    key: &Key,
    version: Option<&Version>,
    range: &ByteRange,
    if_match: Option<&ETag>,
    if_none_match: Option<&ETag>,
) -> Result<ReadResponse, Refused> {
    let url = container.service.blob_url(key, &query([("versionid", version.map(Version::as_str))]));
    let mut request = Request::new(url, Method::Get);
    if let Some(range) = range.to_header() {
        request.insert_header("x-ms-range", range);
    }
    if let Some(etag) = if_match {
        request.insert_header("if-match", etag.as_str().to_owned());
    }
    if let Some(etag) = if_none_match {
        request.insert_header("if-none-match", etag.as_str().to_owned());
    }
    let answer = container.service.stream(request).await?;
    let (_, headers, body) = answer.deconstruct();
    let length: Option<u64> = header(&headers, "content-length").and_then(|text| text.parse().ok());
    let (range, size) = match header(&headers, "content-range") {
        Some(told) => content_range(told)?,
        None => {
            let size = length.ok_or_else(|| broken("the answer tells no length"))?;
            (0..size, size)
        }
    };
    if length.is_some_and(|length| length != range.end - range.start) {
        return Err(broken("length and range of the answer do not fit together").into());
    }
    let metadata = of_headers(&headers, size, key, container.config.versions)?;
    let body = body.map(|chunk| chunk.map_err(|failed| broken_body(&failed)));
    Ok(ReadResponse::new(metadata, range, Box::pin(body)))
}

/// The service has no range of an empty blob; the contract has: offset 0 and any suffix (clause READ-3).
async fn empty(
    container: &Container,
    key: &Key,
    request: &ReadRequest,
    refused: Error,
) -> Result<ReadResponse> {
    let mut asked = StatRequest::default();
    asked.version = request.version.clone();
    let metadata = stat(container, key, &asked).await?;
    if metadata.size > 0 {
        return Err(refused);
    }
    Ok(ReadResponse::new(metadata, 0..0, body([])))
}

/// Why a condition failed: that nothing stands there, which some servers do not tell apart.
async fn why(container: &Container, key: &Key, request: &ReadRequest, refused: Error) -> Error {
    let mut asked = StatRequest::default();
    asked.version = request.version.clone();
    match stat(container, key, &asked).await {
        Err(missing) if missing.kind() == ErrorKind::NotFound => missing,
        _ => refused,
    }
}

/// A version that the service cannot have made is a malformed request to it; to us it is not there.
fn of_version(refused: Refused, version: Option<&Version>) -> Error {
    if refused.status == Some(400) && version.is_some() && refused.is_bad_query() {
        return Error::new(ErrorKind::NotFound, "no blob of this version").with_source(refused.error);
    }
    refused.error
}

fn may_be_empty(range: &ByteRange) -> bool {
    matches!(range, ByteRange::From(0) | ByteRange::Bounded { start: 0, .. })
}

/// The range of an answer and the size of the whole. What begins at the end is nothing: Azurite's way to say so.
fn content_range(told: &str) -> Result<(Range<u64>, u64)> {
    let behind = || {
        let (range, size) = told.strip_prefix("bytes ")?.split_once('/')?;
        let (first, size): (u64, u64) = (range.split_once('-')?.0.parse().ok()?, size.parse().ok()?);
        (first == size).then_some(size)
    };
    match behind() {
        Some(0) => Ok((0..0, 0)),
        Some(_) => Err(Error::new(ErrorKind::RangeNotSatisfiable, "the blob ends before")),
        None => ByteRange::of_content_range(told),
    }
}

#[cfg(test)]
mod tests {
    use super::content_range;
    use storage_core::ErrorKind;

    #[test]
    fn ranges() {
        assert_eq!(content_range("bytes 5-9/100").expect("fine"), (5..10, 100));
        assert_eq!(content_range("bytes 0--1/0").expect("fine"), (0..0, 0));
        let past = content_range("bytes 16-15/16").expect_err("nothing");
        assert_eq!(past.kind(), ErrorKind::RangeNotSatisfiable);
        for wrong in ["", "bytes */100", "bytes 9-5/100", "bytes 5-100/100", "bytes 5-9/*", "items 5-9/100"] {
            assert_eq!(content_range(wrong).expect_err(wrong).kind(), ErrorKind::InvalidData, "{wrong}");
        }
    }
}

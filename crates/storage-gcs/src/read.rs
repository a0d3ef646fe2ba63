//! GET and stat.
//!
//! Bytes come by the XML interface: its download tells the object's user metadata in the same answer, which that of the
//! JSON interface leaves out. Everything else goes by JSON.

use futures_util::stream;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Method, Response};
use storage_core::{
    ByteRange, ByteStream, Error, ErrorKind, Key, Metadata, ReadRequest, ReadResponse, Result, StatRequest,
    Version, body,
};

use crate::backend::Bucket;
use crate::client::query;
use crate::error::{broken, broken_body};
use crate::name::{check, encode};
use crate::resource::{FIELDS, Resource, generation, is_generation, of_headers};

pub(crate) async fn stat(bucket: &Bucket, key: &Key, request: &StatRequest) -> Result<Metadata> {
    resource(bucket, key, request.version.as_ref()).await?.metadata(key, bucket.config.versions)
}

/// The description of an object.
pub(crate) async fn resource(bucket: &Bucket, key: &Key, version: Option<&Version>) -> Result<Resource> {
    check(key)?;
    let version = known(version)?;
    let path =
        format!("{}{}", bucket.object(key), query([("generation", version), ("fields", Some(FIELDS))]));
    let get = bucket.service.request(Method::GET, &path).headers(bucket.customer());
    Ok(bucket.service.json(get).await?)
}

pub(crate) async fn read(bucket: &Bucket, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
    check(key)?;
    let version = known(request.version.as_ref())?;
    let path = format!(
        "/{}/{}{}",
        encode(&bucket.config.bucket),
        encode(key.as_str()),
        query([("generation", version)])
    );
    let mut get = bucket
        .service
        .request(Method::GET, &path)
        .headers(bucket.customer())
        // Without it, what is stored as gzip would come unpacked, and its ranges not at all.
        .header(ACCEPT_ENCODING, "gzip");
    if let Some(range) = request.range.to_header() {
        get = get.header(RANGE, range);
    }
    if let Some(etag) = &request.conditions.if_match {
        get = get.header("x-goog-if-generation-match", generation(etag));
    }
    match bucket.service.call(get).await {
        Ok(answer) => answered(bucket, key, answer),
        Err(refused)
            if refused.error.kind() == ErrorKind::RangeNotSatisfiable && may_be_empty(&request.range) =>
        {
            empty(bucket, key, request, refused.error).await
        }
        Err(refused) => Err(refused.error),
    }
}

fn answered(bucket: &Bucket, key: &Key, answer: Response) -> Result<ReadResponse> {
    let headers = answer.headers();
    let length = number(headers, CONTENT_LENGTH.as_str());
    let (range, size) = match headers.get(CONTENT_RANGE) {
        Some(told) => ByteRange::of_content_range(told.to_str().unwrap_or_default())?,
        None => {
            let size = length.ok_or_else(|| broken("the answer tells no length"))?;
            (0..size, size)
        }
    };
    if length.is_some_and(|length| length != range.end - range.start) {
        return Err(broken("length and range of the answer do not fit together"));
    }
    if number(headers, "x-goog-stored-content-length").is_some_and(|stored| stored != size) {
        return Err(broken("somebody on the way made something else of the object"));
    }
    let metadata = of_headers(headers, size, key, bucket.config.versions)?;
    Ok(ReadResponse::new(metadata, range, chunks(answer)))
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

/// A version that the service cannot have made is not there; it would call it a malformed request.
pub(crate) fn known(version: Option<&Version>) -> Result<Option<&str>> {
    match version.map(Version::as_str) {
        Some(text) if !is_generation(text) => {
            Err(Error::new(ErrorKind::NotFound, "no object of this version"))
        }
        version => Ok(version),
    }
}

fn may_be_empty(range: &ByteRange) -> bool {
    matches!(range, ByteRange::Suffix(_) | ByteRange::From(0) | ByteRange::Bounded { start: 0, .. })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn chunks(answer: Response) -> ByteStream {
    Box::pin(stream::try_unfold(answer, |mut answer| async move {
        match answer.chunk().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, answer))),
            Err(failed) => Err(broken_body(&failed)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::known;
    use storage_core::Version;

    #[test]
    fn versions() {
        assert!(known(Some(&Version::new("null"))).is_err());
        assert_eq!(known(Some(&Version::new("17"))).expect("a generation"), Some("17"));
    }
}

//! Put Blob: a whole blob in one request. The vendor's client sends no checksum along, so the request is ours.

use std::sync::Arc;

use azure_core::http::headers::Headers;
use azure_core::http::{Body, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{
    Algorithm, Condition, Error, ErrorKind, Key, Metadata, Payload, Result, StatRequest, WriteRequest,
};

use crate::backend::Container;
use crate::checksum::crc64;
use crate::config::Config;
use crate::metadata::{NO_TYPE, check_headers, header, md5_of, told_etag, user};
use crate::name::check;
use crate::read::stat;
use crate::upload;

pub(crate) async fn write(
    container: &Arc<Container>,
    key: &Key,
    body: Payload,
    request: &WriteRequest,
) -> Result<Metadata> {
    check(key)?;
    check_headers(&request.attributes)?;
    let (size, crc) = (body.len(), crc64(&body));
    let attributes = &request.attributes;
    let mut put = Request::new(container.service.blob_url(key, ""), Method::Put);
    put.insert_header("x-ms-blob-type", "BlockBlob");
    put.insert_header(
        "x-ms-blob-content-type",
        attributes.content_type.clone().unwrap_or_else(|| NO_TYPE.to_owned()),
    );
    let optional = [
        ("x-ms-blob-content-encoding", &attributes.content_encoding),
        ("x-ms-blob-content-language", &attributes.content_language),
        ("x-ms-blob-content-disposition", &attributes.content_disposition),
        ("x-ms-blob-cache-control", &attributes.cache_control),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put.insert_header(name, value.clone());
        }
    }
    for (name, value) in user(&attributes.user, key, Some(&request.token))? {
        put.insert_header(format!("x-ms-meta-{name}"), value);
    }
    // The service checks either, and refuses both.
    match expected_md5(request) {
        Some(md5) => put.insert_header("x-ms-blob-content-md5", BASE64.encode(md5)),
        None => put.insert_header("x-ms-content-crc64", BASE64.encode(crc)),
    }
    settle(&mut put, &container.config);
    let (if_match, if_none_match) = conditions(&request.condition);
    if let Some(etag) = if_match {
        put.insert_header("if-match", etag);
    }
    if let Some(any) = if_none_match {
        put.insert_header("if-none-match", any);
    }
    let body = body.into_bytes();
    put.set_body(Body::Bytes(body.clone()));
    let answer = match container.service.send(put).await {
        Ok(answer) => answer,
        Err(refused) => {
            let refused = refused.of_condition(&request.condition);
            if !is_only_begun(container, key, &refused).await {
                return Err(refused);
            }
            return upload::by_one_block(container, key, body, request).await;
        }
    };
    verify(answer.headers(), crc)?;
    written(container, answer.headers(), size, request)
}

/// Whether what stands there already is no blob, but blocks of an upload that nobody has finished: some servers take
/// those for one when it must be absent. A list of blocks is refused only where there is a blob.
pub(crate) async fn is_only_begun(container: &Container, key: &Key, refused: &Error) -> bool {
    refused.kind() == ErrorKind::AlreadyExists
        && stat(container, key, &StatRequest::default())
            .await
            .is_err_and(|missing| missing.kind() == ErrorKind::NotFound)
}

/// What the store's settings ask of every new blob.
pub(crate) fn settle(request: &mut Request, config: &Config) {
    let settings = [
        ("x-ms-access-tier", &config.access_tier),
        ("x-ms-tags", &config.tags),
        ("x-ms-encryption-scope", &config.encryption_scope),
    ];
    for (name, value) in settings {
        if let Some(value) = value {
            request.insert_header(name, value.clone());
        }
    }
}

/// The two headers of a condition.
pub(crate) fn conditions(condition: &Condition) -> (Option<String>, Option<String>) {
    match condition {
        Condition::IfAbsent => (None, Some("*".to_owned())),
        Condition::IfMatch(etag) => (Some(etag.as_str().to_owned()), None),
        _ => (None, None),
    }
}

/// The MD5 that the caller expects: kept with the blob, and told by every stat.
pub(crate) fn expected_md5(request: &WriteRequest) -> Option<Vec<u8>> {
    let md5 = request.expected.iter().find(|checksum| checksum.algorithm() == Algorithm::Md5);
    md5.map(|checksum| checksum.as_bytes().to_vec())
}

/// Holds what the service tells of what it took against what was sent (clause WRITE-8).
pub(crate) fn verify(headers: &Headers, sent: [u8; 8]) -> Result<()> {
    match header(headers, "x-ms-content-crc64") {
        Some(told) if told != BASE64.encode(sent) => {
            let message = "the service tells another checksum than that of what was sent";
            Err(Error::new(ErrorKind::InvalidData, message).maybe_applied())
        }
        _ => Ok(()),
    }
}

/// A write as a stat would tell of it.
pub(crate) fn written(
    container: &Container,
    headers: &Headers,
    size: u64,
    request: &WriteRequest,
) -> Result<Metadata> {
    let mut written = Metadata::new(size);
    written.etag = Some(told_etag(headers)?);
    let version = header(headers, "x-ms-version-id").map(storage_core::Version::new);
    written.version = version.filter(|_| container.config.versions);
    written.token = Some(request.token.clone());
    written.attributes = request.attributes.clone();
    written.checksums = md5_of(expected_md5(request).map(|md5| BASE64.encode(md5)).as_deref());
    Ok(written)
}

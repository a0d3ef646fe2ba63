//! A whole object in one request.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use storage_core::{Condition, Key, Metadata, Payload, Result, WriteRequest};

use crate::backend::Bucket;
use crate::body::pieces;
use crate::checksum::Crc;
use crate::client::query;
use crate::error::Refused;
use crate::resource::{FIELDS, Properties, Resource, generation};

pub(crate) async fn write(
    bucket: &Bucket,
    key: &Key,
    body: Payload,
    request: &WriteRequest,
) -> Result<Metadata> {
    crate::name::check(key)?;
    let properties = Properties::new(&bucket.config, key, &request.attributes, Some(&request.token))?;
    let inserted = insert(bucket, key.as_str(), body, properties, &request.condition).await;
    let resource = inserted.map_err(|refused| refused.of_condition(&request.condition))?;
    resource.metadata(key, bucket.config.versions)
}

/// Puts an object of this name, and holds its checksum against that of what was sent.
pub(crate) async fn insert(
    bucket: &Bucket,
    name: &str,
    body: Payload,
    properties: Properties,
    condition: &Condition,
) -> Result<Resource, Refused> {
    let crc = Crc::of(&body);
    let path = format!(
        "/upload/storage/v1/b/{}/o{}",
        crate::name::encode(&bucket.config.bucket),
        query([
            ("uploadType", Some("multipart")),
            ("name", Some(name)),
            ("ifGenerationMatch", if_generation_match(condition)),
            ("predefinedAcl", bucket.config.predefined_acl.as_deref()),
            ("kmsKeyName", bucket.config.kms_key.as_deref()),
            ("fields", Some(FIELDS)),
        ])
    );
    // No content holds this line: nobody could know it beforehand.
    let line = format!("haul-{:032x}", fastrand::u128(..));
    let head = format!(
        "--{line}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n\
         --{line}\r\nContent-Type: application/octet-stream\r\n\r\n",
        properties.crc32c(crc).to_json(),
    );
    let tail = format!("\r\n--{line}--\r\n");
    let body = [Bytes::from(head)].into_iter().chain(body.chunks().to_vec()).chain([Bytes::from(tail)]);
    let post = bucket
        .service
        .request(Method::POST, &path)
        .headers(bucket.customer())
        .header(CONTENT_TYPE, format!("multipart/related; boundary={line}"))
        .body(pieces(body));
    let resource: Resource = bucket.service.json(post).await?;
    resource.verify(crc)?;
    Ok(resource)
}

/// The condition as a parameter of requests that make an object.
pub(crate) fn if_generation_match(condition: &Condition) -> Option<&str> {
    match condition {
        Condition::IfAbsent => Some("0"),
        Condition::IfMatch(etag) => Some(generation(etag)),
        _ => None,
    }
}

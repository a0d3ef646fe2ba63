//! PUT, and what every request that makes an object has in common.

use aws_sdk_s3::primitives::ByteStream;
use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{
    Algorithm, Condition, Error, ErrorKind, Key, Metadata, Payload, Result, Retry, Secret, WriteRequest,
    encode_user_metadata,
};

use crate::backend::Bucket;
use crate::body::pieces;
use crate::checksum::{self, Crc64};
use crate::error::{NO_BUCKET, error, not_from_service, status};
use crate::metadata::{etag, version};

/// Sets on a request that makes an object what the writer and the store's settings ask for. PUT, the start of an upload
/// and a copy take the same, but share no type.
macro_rules! dress {
    ($request:expr, $bucket:expr, $attributes:expr, $user:expr) => {{
        let (config, attributes) = (&$bucket.config, $attributes);
        let mut request = $request
            .content_type(attributes.content_type.as_deref().unwrap_or($crate::metadata::NO_TYPE))
            .set_content_encoding(attributes.content_encoding.clone())
            .set_content_language(attributes.content_language.clone())
            .set_content_disposition(attributes.content_disposition.clone())
            .set_cache_control(attributes.cache_control.clone())
            .set_metadata(Some($user));
        request = $crate::write::settle!(request, config);
        request
    }};
}

/// Sets what the store's settings ask of every new object.
macro_rules! settle {
    ($request:expr, $config:expr) => {{
        let mut request = $request
            .set_storage_class($config.storage_class.as_deref().map(aws_sdk_s3::types::StorageClass::from))
            .set_tagging($config.tags.clone());
        match &$config.encryption {
            $crate::config::Encryption::Bucket => {}
            $crate::config::Encryption::Service => {
                request = request.server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::Aes256);
            }
            $crate::config::Encryption::Kms(key) => {
                request = request
                    .server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::AwsKms)
                    .set_ssekms_key_id(key.clone());
            }
            $crate::config::Encryption::Customer(secret) => {
                let key = $crate::write::customer_key(secret);
                request = request
                    .sse_customer_algorithm("AES256")
                    .sse_customer_key(key.key)
                    .sse_customer_key_md5(key.md5);
            }
        }
        request
    }};
}

pub(crate) use {dress, settle};

pub(crate) async fn write(
    bucket: &Bucket,
    key: &Key,
    body: Payload,
    request: &WriteRequest,
) -> Result<Metadata> {
    let size = body.len();
    let user = encode_user(&request.attributes.user, key, Some(&request.token))?;
    let (if_none_match, if_match) = conditions(&request.condition);
    let put = bucket.client.put_object().bucket(&bucket.name).key(key.as_str());
    let mut put = dress!(put, bucket, &request.attributes, user)
        .set_if_none_match(if_none_match)
        .set_if_match(if_match);
    let crc = bucket.checksums.then(|| Crc64::of(&body));
    put = put.set_checksum_crc64_nvme(crc.map(Crc64::to_base64));
    let sent = if bucket.signs_bodies {
        put.body(ByteStream::from(body.into_bytes())).send().await
    } else {
        put.body(pieces(&body)).customize().disable_payload_signing().send().await
    };
    let answer = sent.map_err(|e| refused(status(&e), &request.condition, error(e)))?;
    let Some(told) = answer.e_tag() else { return Err(not_from_service()) };
    checksum::verify(crc, answer.checksum_crc64_nvme())?;
    let mut written = Metadata::new(size);
    written.etag = Some(etag(told));
    written.version = bucket.versions().then(|| version(answer.version_id()));
    written.token = Some(request.token.clone());
    written.attributes = request.attributes.clone();
    written.checksums = checksum::told([
        (Algorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
        (Algorithm::Crc32c, answer.checksum_crc32_c()),
        (Algorithm::Sha1, answer.checksum_sha1()),
        (Algorithm::Sha256, answer.checksum_sha256()),
    ]);
    Ok(written)
}

/// What goes into the `x-amz-meta-` headers.
pub(crate) fn encode_user(
    user: &BTreeMap<String, String>,
    key: &Key,
    token: Option<&str>,
) -> Result<HashMap<String, String>> {
    Ok(encode_user_metadata(user, key, token)?.into_iter().collect())
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

/// A customer's own key as headers carry it.
pub(crate) struct CustomerKey {
    pub(crate) key: String,
    pub(crate) md5: String,
}

pub(crate) fn customer_key(secret: &Secret) -> CustomerKey {
    let key = secret.reveal().to_owned();
    let bytes = BASE64.decode(&key).unwrap_or_default();
    CustomerKey { md5: BASE64.encode(Algorithm::Md5.digest(&bytes).as_bytes()), key }
}

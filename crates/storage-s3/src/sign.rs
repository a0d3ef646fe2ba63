//! Requests signed ahead.

use std::time::SystemTime;

use aws_sdk_s3::presigning::PresigningConfig;
use storage_core::{Error, ErrorKind, Key, Result, SignRequest, SignedMethod, SignedRequest};

use crate::backend::Bucket;
use crate::error::error;
use crate::headers;

pub(crate) async fn presign(bucket: &Bucket, key: &Key, request: &SignRequest) -> Result<SignedRequest> {
    let (name, key) = (&bucket.name, key.as_str());
    let version = request.version.as_ref().map(|v| v.as_str().to_owned());
    let start = SystemTime::now();
    let config = PresigningConfig::builder()
        .start_time(start)
        .expires_in(request.expires_in)
        .build()
        .map_err(|e| Error::new(ErrorKind::InvalidInput, "the URL cannot be signed").with_source(e))?;
    let client = &bucket.client;
    let signed = match request.method {
        SignedMethod::Get => {
            let get = client.get_object().bucket(name).key(key).set_version_id(version);
            get.presigned(config).await.map_err(error)?
        }
        SignedMethod::Head => {
            let head = client.head_object().bucket(name).key(key).set_version_id(version);
            head.presigned(config).await.map_err(error)?
        }
        SignedMethod::Put => {
            let put =
                client.put_object().bucket(name).key(key).set_content_type(request.content_type.clone());
            // The holder sends these headers: what is written is an object of this store.
            let settings = headers::of_settings(&bucket.config)?;
            headers::with(put.customize(), settings).presigned(config).await.map_err(error)?
        }
        SignedMethod::Delete => {
            let delete = client.delete_object().bucket(name).key(key).set_version_id(version);
            delete.presigned(config).await.map_err(error)?
        }
        _ => return Err(Error::unsupported("S3 signs GET, HEAD, PUT and DELETE")),
    };
    let mut answer = SignedRequest::new(request.method, signed.uri(), start + request.expires_in);
    let own = |name: &str| matches!(name, "host" | "content-length");
    answer.headers = signed
        .headers()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(answer)
}

//! What the requests that make an object say of it. PUT, the start of an upload and a copy say the same, in headers.

use std::collections::BTreeMap;

use aws_sdk_s3::client::customize::CustomizableOperation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use storage_core::{Algorithm, Attributes, Error, ErrorKind, Key, Result, encode_user_metadata};

use crate::config::{Config, Encryption};

/// What begins the name of every header that is user metadata.
pub(crate) const USER: &str = "x-amz-meta-";
/// The type that the service gives to objects written without one, which is no type at all.
pub(crate) const NO_TYPE: &str = "binary/octet-stream";

/// What the writer says of the object at `key`, and what the store's settings ask of every new object.
pub(crate) fn of_object(
    config: &Config,
    key: &Key,
    attributes: &Attributes,
    token: Option<&str>,
) -> Result<HeaderMap> {
    let mut headers = of_settings(config)?;
    let user: BTreeMap<String, String> = encode_user_metadata(&attributes.user, key, token)?;
    for (name, value) in user {
        set(&mut headers, &format!("{USER}{name}"), &value)?;
    }
    set(&mut headers, "content-type", attributes.content_type.as_deref().unwrap_or(NO_TYPE))?;
    let others = [
        ("content-encoding", &attributes.content_encoding),
        ("content-language", &attributes.content_language),
        ("content-disposition", &attributes.content_disposition),
        ("cache-control", &attributes.cache_control),
    ];
    for (name, value) in others {
        value.as_deref().map_or(Ok(()), |value| set(&mut headers, name, value))?;
    }
    Ok(headers)
}

/// A digest of headers, to tell whether two objects would be given the same. It tells nothing of their values.
pub(crate) fn digest(headers: &HeaderMap) -> String {
    let mut lines: Vec<Vec<u8>> = headers
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b"\0", value.as_bytes()].concat())
        .collect();
    lines.sort();
    Algorithm::Blake3.digest(&lines.join(&b'\n')).to_hex()
}

/// What the store's settings ask of every new object.
pub(crate) fn of_settings(config: &Config) -> Result<HeaderMap> {
    const ENCRYPTION: &str = "x-amz-server-side-encryption";
    let mut headers = of_customer(config)?;
    if let Some(class) = &config.storage_class {
        set(&mut headers, "x-amz-storage-class", class)?;
    }
    if let Some(tags) = &config.tags {
        set(&mut headers, "x-amz-tagging", tags)?;
    }
    match &config.encryption {
        Encryption::Bucket | Encryption::Customer(_) => {}
        Encryption::Service => set(&mut headers, ENCRYPTION, "AES256")?,
        Encryption::Kms(key) => {
            set(&mut headers, ENCRYPTION, "aws:kms")?;
            if let Some(key) = key {
                set(&mut headers, "x-amz-server-side-encryption-aws-kms-key-id", key)?;
            }
        }
    }
    Ok(headers)
}

/// A customer's own key, which goes with every request for the bytes of an object.
pub(crate) fn of_customer(config: &Config) -> Result<HeaderMap> {
    customer(config, "x-amz-server-side-encryption-customer")
}

/// The same for the source of a copy.
pub(crate) fn of_copied_customer(config: &Config) -> Result<HeaderMap> {
    customer(config, "x-amz-copy-source-server-side-encryption-customer")
}

fn customer(config: &Config, start: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let Encryption::Customer(secret) = &config.encryption else { return Ok(headers) };
    let bytes = BASE64.decode(secret.reveal()).unwrap_or_default();
    let md5 = BASE64.encode(Algorithm::Md5.digest(&bytes).as_bytes());
    set(&mut headers, &format!("{start}-algorithm"), "AES256")?;
    set(&mut headers, &format!("{start}-key"), secret.reveal())?;
    // `Debug` hides it.
    headers.values_mut().for_each(|value| value.set_sensitive(true));
    set(&mut headers, &format!("{start}-key-md5"), &md5)?;
    Ok(headers)
}

/// A request of the vendor's client with these headers.
pub(crate) fn with<T, E, B>(
    request: CustomizableOperation<T, E, B>,
    headers: HeaderMap,
) -> CustomizableOperation<T, E, B> {
    request.mutate_request(move |request| {
        for (name, value) in &headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            request.headers_mut().insert(name.as_str().to_owned(), value);
        }
    })
}

/// What is no header is told without its value, which may be a secret.
fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<()> {
    let wrong =
        || Error::new(ErrorKind::InvalidInput, format!("the service takes no such value of `{name}`"));
    let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
    headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, value);
    Ok(())
}

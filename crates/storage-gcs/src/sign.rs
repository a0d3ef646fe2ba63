//! Requests signed ahead: version 4 of the service's signatures, "V4 signing process" of its documentation.

use std::time::SystemTime;

use http::Uri;
use storage_core::{Algorithm, Error, ErrorKind, Key, Result, SignRequest, SignedMethod, SignedRequest};

use crate::auth::in_time;
use crate::backend::Bucket;
use crate::name::{check, encode, encode_path, slashed};
use crate::read::known;

const ALGORITHM: &str = "GOOG4-RSA-SHA256";

pub(crate) async fn presign(bucket: &Bucket, key: &Key, request: &SignRequest) -> Result<SignedRequest> {
    let signer = bucket.service.auth.signer().ok_or_else(|| {
        let message = "these credentials sign nothing; those of a service account do";
        Error::new(ErrorKind::Unauthenticated, message)
    })?;
    check(key)?;
    let failed = |what: &'static str| {
        move |why: google_cloud_auth::signer::SigningError| {
            Error::new(ErrorKind::Unauthenticated, what).with_source(why.to_string())
        }
    };
    let email =
        in_time(signer.client_email()).await?.map_err(failed("nobody tells whose signature it would be"))?;
    let (start, date) = now()?;
    let mut headers = vec![("host".to_owned(), host(&bucket.service.endpoint)?)];
    if request.method == SignedMethod::Put {
        // What is written is an object of this store: without a type it would be given one.
        let content_type = request.content_type.as_deref().unwrap_or("binary/octet-stream");
        headers.push(("content-type".to_owned(), content_type.to_owned()));
        let config = &bucket.config;
        let settings = [
            ("x-goog-acl", config.predefined_acl.as_deref().map(acl)),
            ("x-goog-encryption-kms-key-name", config.kms_key.clone()),
            ("x-goog-storage-class", config.storage_class.clone()),
        ];
        let settings = settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        headers.extend(settings);
    }
    headers.sort();
    let bucket_path = format!("{}/{}", base(&bucket.service.endpoint)?, encode(&bucket.config.bucket));
    let question = Question {
        method: request.method,
        path: format!("{bucket_path}/{}", slashed(key)),
        version: known(request.version.as_ref())?.map(str::to_owned),
        headers,
        email,
        date,
        seconds: request.expires_in.as_secs(),
    };
    let signature =
        in_time(signer.sign(question.to_sign())).await?.map_err(failed("the URL cannot be signed"))?;
    let origin = origin(&bucket.service.endpoint)?;
    let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    // Signed is the key with its slashes; whoever opens the URL must not take `..` in it for a step up.
    let path = format!("{bucket_path}/{}", encode_path(key));
    let url = format!("{origin}{path}?{}&X-Goog-Signature={signature}", question.query());
    let mut answer = SignedRequest::new(request.method, url, start + request.expires_in);
    answer.headers = question.headers.into_iter().filter(|(name, _)| name != "host").collect();
    Ok(answer)
}

/// What is signed.
struct Question {
    method: SignedMethod,
    path: String,
    version: Option<String>,
    /// In the order of their names.
    headers: Vec<(String, String)>,
    email: String,
    /// Such as `20260101T000000Z`.
    date: String,
    seconds: u64,
}

impl Question {
    fn scope(&self) -> String {
        format!("{}/auto/storage/goog4_request", &self.date[..8])
    }

    fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.join(";")
    }

    /// In the order of the names, as the signature wants it.
    fn query(&self) -> String {
        let mut query = format!(
            "X-Goog-Algorithm={ALGORITHM}&X-Goog-Credential={}&X-Goog-Date={}&X-Goog-Expires={}&X-Goog-SignedHeaders={}",
            encode(&format!("{}/{}", self.email, self.scope())),
            self.date,
            self.seconds,
            encode(&self.signed_headers()),
        );
        if let Some(version) = &self.version {
            query.push_str("&generation=");
            query.push_str(version);
        }
        query
    }

    fn to_sign(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", single_spaced(value))).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\nUNSIGNED-PAYLOAD",
            self.method.as_str(),
            self.path,
            self.query(),
            self.signed_headers()
        );
        let hash = Algorithm::Sha256.digest(canonical.as_bytes()).to_hex();
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.date, self.scope())
    }
}

/// A header's value as it is signed.
fn single_spaced(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The time in whole seconds, from which the signature counts, also as it writes it.
fn now() -> Result<(SystemTime, String)> {
    let wrong = |_| Error::new(ErrorKind::InvalidConfig, "the clock of this machine tells no time");
    let now = jiff::Timestamp::try_from(SystemTime::now()).map_err(wrong)?;
    let now = jiff::Timestamp::from_second(now.as_second()).map_err(wrong)?;
    Ok((now.into(), now.strftime("%Y%m%dT%H%M%SZ").to_string()))
}

/// Access lists have other names in headers than in parameters: `publicRead` is `public-read`.
fn acl(name: &str) -> String {
    let mut header = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            header.push('-');
        }
        header.push(c.to_ascii_lowercase());
    }
    header
}

fn host(endpoint: &str) -> Result<String> {
    Ok(parsed(endpoint)?.authority().map_or_else(String::new, |authority| authority.to_string()))
}

fn origin(endpoint: &str) -> Result<String> {
    let uri = parsed(endpoint)?;
    Ok(format!("{}://{}", uri.scheme_str().unwrap_or("https"), host(endpoint)?))
}

/// What stands between the host and the bucket: mostly nothing.
fn base(endpoint: &str) -> Result<String> {
    Ok(parsed(endpoint)?.path().trim_end_matches('/').to_owned())
}

fn parsed(endpoint: &str) -> Result<Uri> {
    endpoint.parse().map_err(|_| Error::new(ErrorKind::InvalidConfig, "the endpoint is no URL"))
}

#[cfg(test)]
mod tests {
    use super::{Question, acl};
    use storage_core::SignedMethod;

    /// The example "Simple GET" of Google's published conformance tests of this signature.
    #[test]
    fn a_published_example() {
        let question = Question {
            method: SignedMethod::Get,
            path: "/test-bucket/test-object".to_owned(),
            version: None,
            headers: vec![("host".to_owned(), "storage.googleapis.com".to_owned())],
            email: "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com".to_owned(),
            date: "20190201T090000Z".to_owned(),
            seconds: 10,
        };
        let expected = "GOOG4-RSA-SHA256\n20190201T090000Z\n20190201/auto/storage/goog4_request\n\
                        00e2fb794ea93d7adb703edaebdd509821fcc7d4f1a79ac5c8d2b394df109320";
        assert_eq!(question.to_sign(), expected);
    }

    #[test]
    fn access_lists_in_headers() {
        assert_eq!(acl("publicRead"), "public-read");
        assert_eq!(acl("bucketOwnerFullControl"), "bucket-owner-full-control");
        assert_eq!(acl("private"), "private");
    }
}

//! Signatures, version 4, and the keys that they are made with.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use storage_core::{Error, ErrorKind, Result};

use super::not_built;
use crate::error;

/// Keys are replaced this long before they expire.
const AHEAD: Duration = Duration::from_secs(60);
/// Keys that tell no end are looked for again after this, as by the vendor's client: somebody may have changed them.
const UNTOLD: Duration = Duration::from_secs(15 * 60);

/// Where keys come from.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Requests are not signed.
    Nobody,
    Provider(SharedCredentialsProvider),
    /// A session of the bucket, opened with whatever keys the client has.
    Session {
        client: aws_sdk_s3::Client,
        bucket: String,
    },
}

/// Signs the requests of one bucket. Keys are looked for at the first request, and again before they expire.
#[derive(Debug)]
pub(crate) struct Signer {
    keys: Keys,
    region: String,
    service: String,
    held: Mutex<Option<Arc<Held>>>,
    /// Who looks for new keys; the others wait.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Held {
    identity: Identity,
    expires: Option<SystemTime>,
    /// When to look for others.
    renew: SystemTime,
}

impl Signer {
    pub(crate) fn new(keys: Keys, region: String, service: String) -> Self {
        Self { keys, region, service, held: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Adds the signature to the headers, if there is anybody to sign for.
    pub(super) async fn sign<B>(&self, request: &mut http::Request<B>, body: SignableBody<'_>) -> Result<()> {
        let Some(held) = self.held(SystemTime::now()).await? else { return Ok(()) };
        let parameters = v4::SigningParams::builder()
            .identity(&held.identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::now())
            .settings(self.settings())
            .build()
            .map_err(|e| not_built(&e))?
            .into();
        let headers = request.headers().iter();
        let text = |value| std::str::from_utf8(value).ok();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), text(value.as_bytes())?)));
        let url = request.uri().to_string();
        let signable = SignableRequest::new(request.method().as_str(), url, headers, body);
        let signed = signable.and_then(|signable| sign(signable, &parameters)).map_err(|e| not_built(&e))?;
        signed.into_parts().0.apply_to_request_http1x(request);
        Ok(())
    }

    /// As the service wants it: paths are signed as they travel.
    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if matches!(self.keys, Keys::Session { .. }) {
            settings.session_token_name_override = Some("x-amz-s3session-token");
        }
        settings
    }

    async fn held(&self, now: SystemTime) -> Result<Option<Arc<Held>>> {
        if matches!(self.keys, Keys::Nobody) {
            return Ok(None);
        }
        let at_hand = self.at_hand();
        if let Some(fresh) = at_hand.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(Some(fresh.clone()));
        }
        let _turn = match (self.turn.try_lock(), at_hand) {
            (Ok(turn), _) => turn,
            // Who has keys that still hold waits for nobody.
            (Err(_), Some(held)) if held.lasts(now) => return Ok(Some(held)),
            _ => self.turn.lock().await,
        };
        let stale = self.at_hand();
        if let Some(fresh) = stale.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(Some(fresh.clone()));
        }
        match self.look().await {
            Ok(new) => {
                let new = Arc::new(new);
                *self.held.lock().expect("because no holder of the lock panics") = Some(new.clone());
                Ok(Some(new))
            }
            // They still hold; the next request looks again.
            Err(_) if stale.as_ref().is_some_and(|held| held.lasts(now)) => Ok(stale),
            Err(failed) => Err(failed),
        }
    }

    fn at_hand(&self) -> Option<Arc<Held>> {
        self.held.lock().expect("because no holder of the lock panics").clone()
    }

    async fn look(&self) -> Result<Held> {
        let found = match &self.keys {
            Keys::Nobody => return Err(Error::new(ErrorKind::Unauthenticated, "there are no credentials")),
            Keys::Provider(provider) => {
                provider.provide_credentials().await.map_err(|e| error::no_credentials(&e))?
            }
            Keys::Session { client, bucket } => session(client, bucket).await?,
        };
        let expires = found.expiry();
        let renew = expires.map_or_else(
            || SystemTime::now() + UNTOLD,
            |expires| expires.checked_sub(AHEAD).unwrap_or(expires),
        );
        Ok(Held { identity: found.into(), expires, renew })
    }
}

impl Held {
    fn is_fresh(&self, now: SystemTime) -> bool {
        now < self.renew
    }

    fn lasts(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

async fn session(client: &aws_sdk_s3::Client, bucket: &str) -> Result<Credentials> {
    let answer = client.create_session().bucket(bucket).send().await.map_err(error::error)?;
    let Some(keys) = answer.credentials() else {
        return Err(Error::new(ErrorKind::InvalidData, "the service opened a session without keys"));
    };
    let expires = SystemTime::try_from(*keys.expiration()).ok();
    let token = keys.session_token().to_owned();
    Ok(Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        Some(token),
        expires,
        "a session of the bucket",
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future::ProvideCredentials as Found;
    use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
    use aws_sigv4::http_request::SignableBody;
    use storage_core::ErrorKind;

    use super::{Keys, Signer};

    /// Has so many keys to give, which last so long.
    #[derive(Clone, Debug)]
    struct Source {
        asked: Arc<AtomicUsize>,
        keys: usize,
        last: Duration,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> Found<'a>
        where
            Self: 'a,
        {
            let nth = self.asked.fetch_add(1, Ordering::SeqCst);
            let expires = Some(SystemTime::now() + self.last);
            let found = if nth < self.keys {
                Ok(Credentials::new(format!("KEY{nth}"), "secret", Some("token".into()), expires, "test"))
            } else {
                Err(CredentialsError::provider_error("the machine is silent"))
            };
            Found::new(async {
                tokio::task::yield_now().await;
                found
            })
        }
    }

    fn signer(keys: usize, last: Duration) -> (Arc<Signer>, Arc<AtomicUsize>) {
        let source = Source { asked: Arc::default(), keys, last };
        let asked = source.asked.clone();
        let keys = Keys::Provider(SharedCredentialsProvider::new(source));
        (Arc::new(Signer::new(keys, "eu-west-1".into(), "s3".into())), asked)
    }

    async fn signed(signer: &Signer) -> storage_core::Result<String> {
        let mut request = http::Request::get("http://h/b/a%20b?x=y").body(()).expect("a request");
        signer.sign(&mut request, SignableBody::UnsignedPayload).await?;
        let text =
            |name: &str| request.headers().get(name).map_or("", |v| v.to_str().expect("ASCII")).to_owned();
        assert_eq!(text("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
        assert_eq!(text("x-amz-security-token"), "token");
        Ok(text("authorization"))
    }

    #[tokio::test]
    async fn keys_are_looked_for_once_however_many_ask() {
        let (signer, asked) = signer(9, Duration::from_secs(3600));
        let all: Vec<_> = (0..9).map(|_| signer.clone()).collect();
        let all = all.into_iter().map(|s| tokio::spawn(async move { signed(&s).await }));
        for one in all.collect::<Vec<_>>() {
            let header = one.await.expect("no panic").expect("signed");
            assert!(header.contains("Credential=KEY0/") && header.contains("/eu-west-1/s3/"), "{header}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn keys_are_renewed_ahead_and_old_ones_do_while_they_last() {
        let (signer, asked) = signer(2, Duration::from_secs(30));
        assert!(signed(&signer).await.expect("signed").contains("KEY0"));
        assert!(signed(&signer).await.expect("signed").contains("KEY1"));
        assert!(signed(&signer).await.expect("signed").contains("KEY1"), "nothing new is to be had");
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn nobody_waits_for_new_keys_while_old_ones_last() {
        let (signer, asked) = signer(1, Duration::from_secs(30));
        assert!(signed(&signer).await.expect("signed").contains("KEY0"));
        let _looking = signer.turn.lock().await;
        let soon = tokio::time::timeout(Duration::from_secs(5), signed(&signer)).await;
        assert!(soon.expect("no waiting").expect("signed").contains("KEY0"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_header_beyond_ascii_is_signed_too() {
        let (signer, _) = signer(1, Duration::from_secs(3600));
        let mut request = http::Request::put("http://h/b/k").body(()).expect("a request");
        let value = http::HeaderValue::from_str("a=k\u{e4}se").expect("a value");
        request.headers_mut().insert("x-amz-tagging", value);
        signer.sign(&mut request, SignableBody::empty()).await.expect("signed");
        let header = request.headers()["authorization"].to_str().expect("ASCII");
        assert!(header.contains("x-amz-tagging"), "{header}");
    }

    #[tokio::test]
    async fn expired_keys_are_not_used() {
        let (signer, _) = signer(1, Duration::ZERO);
        assert!(signed(&signer).await.is_ok(), "whoever just gave them answers for them");
        let failed = signed(&signer).await.expect_err("no keys");
        assert_eq!(failed.kind(), ErrorKind::Unauthenticated);
    }

    #[tokio::test]
    async fn nobody_signs_nothing() {
        let signer = Signer::new(Keys::Nobody, "r".into(), "s3".into());
        let mut request = http::Request::get("http://h/b").body(()).expect("a request");
        signer.sign(&mut request, SignableBody::empty()).await.expect("nothing to do");
        assert!(request.headers().is_empty());
    }
}

//! The same over HTTPS, by each kind of credentials: only there tokens are taken.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use storage_azure::{Config, Credentials};
use storage_core::{
    CopyOptions, DeleteTarget, Entry, ErrorKind, ListOptions, Options, Prefix, ReadOptions, SignRequest,
    SignedMethod, StatOptions, Store, WriteOptions,
};

use crate::errors::check;
use crate::run::{Outcome, Place, attributes, body, key, on};
use crate::support::{CA, CONTAINER, TLS};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(TLS, "tls/account-key", account_key),
        on(TLS, "tls/sas", sas),
        on(TLS, "tls/token", token),
        on(TLS, "tls/token-of-the-options", options),
        on(TLS, "tls/expired-token", expired),
        on(TLS, "tls/presign-by-login", presign),
    ]
}

fn trusting(config: Config) -> Config {
    config.ca_file(std::env::var(CA).expect("set with the endpoint"))
}

/// What the emulator takes for a login: it does not look at the signature.
fn jwt(expires_in: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    let id = "11111111-1111-1111-1111-111111111111";
    let claims = format!(
        "{{\"aud\":\"https://storage.azure.com\",\"iss\":\"https://sts.windows.net/{id}/\",\"iat\":{},\"nbf\":{},\
         \"exp\":{},\"oid\":\"{id}\",\"tid\":\"{id}\"}}",
        now - 7200,
        now - 7200,
        now + expires_in
    );
    let header = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
    [header, &claims, "unsigned"].map(|part| BASE64.encode(part)).join(".")
}

async fn logged_in(place: &Place) -> storage_core::Result<Store> {
    place.store(|c| trusting(c).credentials(Credentials::Token(jwt(3600).into()))).await
}

/// Every way of reading and writing.
async fn all_works(store: &Store) -> Outcome {
    copies_by_blocks(store).await?;
    most_works(store).await
}

async fn copies_by_blocks(store: &Store) -> Outcome {
    store.write(&key("from"), body(1000), WriteOptions::new()).await?;
    let attributes = attributes(|a| a.content_type = Some("text/x".to_owned()));
    store.copy(&key("from"), &key("other"), CopyOptions::new().attributes(attributes)).await?;
    let other = store.stat(&key("other"), StatOptions::new()).await?;
    assert_eq!(other.attributes.content_type.as_deref(), Some("text/x"));
    for (_, result) in store.delete_all(["from", "other"].map(|k| DeleteTarget::new(key(k)))).await {
        result?;
    }
    Ok(())
}

/// The emulator does not look at the login that goes with the source of a block, and takes it for nobody's.
async fn most_works(store: &Store) -> Outcome {
    for content in [Vec::new(), body(1000), body(12 << 20)] {
        store.write(&key("a b"), content.clone(), WriteOptions::new()).await?;
        assert!(store.read(&key("a b"), ReadOptions::new()).await?.bytes == content, "{}", content.len());
    }
    let tail = store.read(&key("a b"), ReadOptions::new().range(storage_core::ByteRange::Suffix(7))).await?;
    assert!(tail.bytes == body(12 << 20)[(12 << 20) - 7..]);
    let absent =
        store.write(&key("a b"), "x", WriteOptions::new().if_absent()).await.expect_err("it is there");
    assert_eq!(absent.kind(), ErrorKind::AlreadyExists, "{absent}");
    store.copy(&key("a b"), &key("copy"), CopyOptions::new()).await?;
    assert!(store.read(&key("copy"), ReadOptions::new()).await?.bytes == body(12 << 20));
    let listed: Vec<Entry> = store.list(&Prefix::root(), ListOptions::new()).try_collect().await?;
    assert_eq!(listed.iter().map(Entry::name).collect::<Vec<_>>(), ["a b", "copy"]);
    for (_, result) in store.delete_all(["a b", "copy"].map(|k| DeleteTarget::new(key(k)))).await {
        result?;
    }
    assert!(!store.exists(&key("copy")).await?);
    Ok(())
}

async fn account_key(endpoint: String) -> Outcome {
    all_works(&Place::new(&endpoint).store(trusting).await?).await
}

/// Signed for the whole container, as a user gets it from the portal.
async fn sas(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let token = crate::support::container_sas("rcwdl");
    let store = place.store(|c| trusting(c).credentials(Credentials::Sas(token.clone().into()))).await?;
    all_works(&store).await?;
    assert_eq!(store.capabilities().signed_urls, None);
    // As it comes out of tools that do not escape it.
    let raw = token.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=").replace("%3A", ":");
    let store = place.store(|c| trusting(c).credentials(Credentials::Sas(raw.into()))).await?;
    all_works(&store).await
}

async fn token(endpoint: String) -> Outcome {
    most_works(&logged_in(&Place::new(&endpoint)).await?).await
}

async fn options(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    // A shell leaves the end of the line.
    let options = Options::new()
        .set("endpoint", &endpoint)
        .set("account", crate::support::ACCOUNT)
        .set("ca_file", std::env::var(CA)?)
        .set("token", format!("{}\n", jwt(3600)));
    let location = storage_core::Location::parse(&format!("az://{CONTAINER}/{}/", place.name))?;
    let opened = (storage_azure::PROVIDER.open)(location, options).await?;
    most_works(&Store::from_arc(opened.backend).scoped(&opened.prefix)?).await
}

async fn expired(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    for wrong in [jwt(-3600), "eyJhbGciOi.no.token".to_owned(), "eyJ\u{e4}".to_owned(), "eyJ\n x".to_owned()]
    {
        let store =
            place.store(|c| trusting(c).credentials(Credentials::Token(wrong.clone().into()))).await?;
        let read = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
        let kind =
            if wrong.is_ascii() && !wrong.contains('\n') { Some(ErrorKind::Unauthenticated) } else { None };
        check(&read, Duration::ZERO, kind.unwrap_or(read.kind()), &[]);
    }
    Ok(())
}

/// Signed with a key that the service gives to who is logged in.
async fn presign(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint);
    let store = logged_in(&place).await?;
    let pem = std::fs::read(std::env::var(CA)?)?;
    let client =
        reqwest::Client::builder().tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?).build()?;
    for name in ["plain", "a b/ü+%2F?#"] {
        for expires in [Duration::from_secs(60), Duration::from_secs(7 * 24 * 3600)] {
            let store = &store;
            let sign = async |method| store.presign(&key(name), SignRequest::new(method, expires)).await;
            let put = sign(SignedMethod::Put).await?;
            let mut request = client.put(put.url.reveal()).body(body(1000));
            for (name, value) in &put.headers {
                request = request.header(name, value);
            }
            let answer = request.send().await?;
            assert!(answer.status().is_success(), "{}", answer.text().await?);
            let got = client.get(sign(SignedMethod::Get).await?.url.reveal()).send().await?;
            assert!(got.bytes().await? == body(1000));
            let gone = client.delete(sign(SignedMethod::Delete).await?.url.reveal()).send().await?;
            assert!(gone.status().is_success(), "{}", gone.text().await?);
            assert!(!store.exists(&key(name)).await?);
        }
    }
    Ok(())
}

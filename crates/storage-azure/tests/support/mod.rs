//! A container on the Azurite that `cargo xtask serve` or `cargo xtask test` started.

pub(crate) mod dialect;

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use storage_azure::{Azure, Config, Credentials};
use storage_conformance::{Fixture, Subject, Wire};
use storage_core::{Prefix, Result};

/// Where Azurite is, with the account in the path.
pub(crate) const AZURITE: &str = "HAUL_TEST_AZURITE";
/// The same over HTTPS, where it takes tokens.
pub(crate) const TLS: &str = "HAUL_TEST_AZURITE_TLS";
/// The certificate of that.
pub(crate) const CA: &str = "HAUL_TEST_AZURITE_CA";
/// Its account, and the key that is published with it.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The server is started with it.
pub(crate) const CONTAINER: &str = "haul";

/// A subject on Azurite, or one that is not there.
pub(crate) fn subject(name: &'static str) -> Subject {
    let endpoint = std::env::var(AZURITE);
    let missing = format!("no server: `{AZURITE}` is not set, see `cargo xtask serve`");
    // A wire that leads nowhere lists its cases all the same.
    let server = endpoint
        .as_deref()
        .ok()
        .and_then(|url| url.strip_prefix("http://")?.strip_suffix(ACCOUNT)?.strip_suffix('/')?.parse().ok());
    let upstream = server.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9)));
    let subject = match endpoint {
        Ok(endpoint) => {
            Subject::new(name, move || fresh(endpoint.clone(), format!("{:016x}", fastrand::u64(..))))
        }
        Err(_) => Subject::missing(name, missing),
    };
    subject.wire(Wire::http(upstream, dialect::dialect(), move |place| {
        fresh(format!("http://{}/{ACCOUNT}", place.address), place.name)
    }))
}

/// A place of its own in a container that all cases share.
async fn fresh(endpoint: String, place: String) -> Result<Fixture> {
    let azure = Azure::open(config(CONTAINER, &endpoint)).await?;
    Ok(Fixture::new(azure).prefix(Prefix::directory(place)?))
}

/// How Azurite is reached.
pub(crate) fn config(container: &str, endpoint: &str) -> Config {
    Config::new(container)
        .account(ACCOUNT)
        .endpoint(endpoint)
        .credentials(Credentials::AccountKey(KEY.into()))
}

/// A signature of the container for an hour, as its owner hands it out.
pub(crate) fn container_sas(permissions: &str) -> String {
    let now = jiff::Timestamp::now();
    // One with a `+` in it: what is special in a query is what goes wrong.
    let signed = (3600..).map(|seconds| {
        let expiry = now + jiff::SignedDuration::from_secs(seconds);
        let expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let resource = format!("/blob/{ACCOUNT}/{CONTAINER}");
        let lines =
            [permissions, "", &expiry, &resource, "", "", "", "2023-11-03", "c", "", "", "", "", "", "", ""];
        let key = BASE64.decode(KEY).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(lines.join("\n").as_bytes());
        (expiry, BASE64.encode(mac.finalize().into_bytes()))
    });
    let (expiry, signature) = signed.into_iter().find(|(_, signature)| signature.contains('+')).expect("one");
    let escape =
        |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace(':', "%3A");
    format!("sp={permissions}&se={}&sv=2023-11-03&sr=c&sig={}", escape(&expiry), escape(&signature))
}

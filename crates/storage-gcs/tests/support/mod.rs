//! A bucket on the emulator that `cargo xtask serve` or `cargo xtask test` started.

pub(crate) mod dialect;

use std::net::SocketAddr;
use std::time::Duration;

use storage_conformance::{Fixture, Subject, Wire};
use storage_core::{Prefix, Result};
use storage_gcs::{Config, Credentials, Gcs};

/// Where the emulator is that asks for tokens.
pub(crate) const STRICT: &str = "HAUL_TEST_GCS_STRICT";
/// Where it takes everybody.
pub(crate) const OPEN: &str = "HAUL_TEST_GCS";
/// The file with the key of a service account that it knows.
pub(crate) const KEY: &str = "HAUL_TEST_GCS_KEY";

/// A subject on the emulator, or one that is not there.
pub(crate) fn subject(name: &'static str, settings: fn(Config) -> Config, versions: bool) -> Subject {
    let endpoint = std::env::var(STRICT);
    let missing = format!("no server: `{STRICT}` is not set, see `cargo xtask serve`");
    // A wire that leads nowhere lists its cases all the same.
    let server = endpoint.as_deref().ok().and_then(|url| url.strip_prefix("http://")?.parse().ok());
    let upstream = server.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9)));
    let subject = match endpoint {
        Ok(endpoint) => Subject::new(name, move || {
            fresh(endpoint.clone(), format!("{:016x}", fastrand::u64(..)), settings, versions)
        }),
        Err(_) => Subject::missing(name, missing),
    };
    subject.wire(Wire::http(upstream, dialect::dialect(), move |place| {
        fresh(format!("http://{}", place.address), place.name, settings, versions)
    }))
}

/// A place of its own in a bucket that all cases share.
async fn fresh(
    endpoint: String,
    place: String,
    settings: fn(Config) -> Config,
    versions: bool,
) -> Result<Fixture> {
    let bucket = if versions { "haul-versions" } else { "haul" };
    make_bucket(bucket, versions).await;
    let config = settings(config(bucket, &endpoint)).versions(versions).cleanup_age(Duration::ZERO);
    Ok(Fixture::new(Gcs::open(config).await?).prefix(Prefix::directory(place)?))
}

/// How the emulator is reached.
pub(crate) fn config(bucket: &str, endpoint: &str) -> Config {
    let key = std::env::var(KEY).expect("the server's variables come together");
    Config::new(bucket).endpoint(endpoint).credentials(Credentials::File(key.into()))
}

/// Makes a bucket unless it is there.
pub(crate) async fn make_bucket(bucket: &str, versions: bool) {
    let open = std::env::var(OPEN).expect("the server's variables come together");
    let body = format!(r#"{{"name":"{bucket}","versioning":{{"enabled":{versions}}}}}"#);
    let made = reqwest::Client::new()
        .post(format!("{open}/storage/v1/b?project=haul"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer to a new bucket");
    // Another test may have been faster.
    assert!(made.status().is_success() || matches!(made.status().as_u16(), 400 | 409), "{}", made.status());
}

//! A bucket on a server that `cargo xtask serve` or `cargo xtask test` started.

pub(crate) mod dialect;

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials as Keys, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use storage_conformance::{Fixture, Subject, Wire};
use storage_core::{Prefix, Result};
use storage_s3::{Conditions, Config, Credentials, S3};

/// Where SeaweedFS is.
pub(crate) const SEAWEEDFS: &str = "HAUL_TEST_SEAWEEDFS";
/// The bucket that keeps versions.
const VERSIONS: &str = "haul-versions";
/// Where Ceph is.
pub(crate) const CEPH: &str = "HAUL_TEST_CEPH";

/// A subject on the server that the variable names, or one that is not there.
pub(crate) fn subject(name: &'static str, variable: &'static str, settings: fn(Config) -> Config) -> Subject {
    in_bucket("haul", name, variable, settings)
}

/// The same in a bucket that keeps versions.
pub(crate) fn with_versions(
    name: &'static str,
    variable: &'static str,
    settings: fn(Config) -> Config,
) -> Subject {
    in_bucket(VERSIONS, name, variable, settings)
}

fn in_bucket(
    bucket: &'static str,
    name: &'static str,
    variable: &'static str,
    settings: fn(Config) -> Config,
) -> Subject {
    let endpoint = std::env::var(variable);
    let missing = format!("no server: `{variable}` is not set, see `cargo xtask serve`");
    // A wire that leads nowhere lists its cases all the same.
    let server = endpoint.as_deref().ok().and_then(|url| url.strip_prefix("http://")?.parse().ok());
    let upstream = server.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9)));
    let subject = match endpoint {
        Ok(endpoint) => Subject::new(name, move || {
            fresh(bucket, endpoint.clone(), format!("{:016x}", fastrand::u64(..)), settings)
        }),
        Err(_) => Subject::missing(name, missing),
    };
    subject.wire(Wire::http(upstream, dialect::dialect(), move |place| {
        fresh(bucket, format!("http://{}", place.address), place.name, settings)
    }))
}

/// The cases that SeaweedFS fails by itself, whoever asks.
pub(crate) fn on_seaweedfs(subject: Subject) -> Subject {
    let paths = "SeaweedFS keeps keys as paths: it drops empty and dotted segments, takes `\\` for `/`, and has at most \
                 255 bytes in a segment";
    let race = "SeaweedFS lets several of many racing conditional writes win";
    subject
        .ignore("key/KEY-1-signs-*", paths)
        .ignore("key/KEY-1-slashes-and-dots-*", paths)
        .ignore("key/KEY-1-twins-*", paths)
        .ignore("key/KEY-1-long-keys-*", paths)
        .ignore("scope/KEY-4-a-listing-stays-inside", paths)
        .ignore("scope/KEY-4-no-key-reaches-outside", paths)
        .ignore("list/LIST-1-a-prefix-is-bytes", paths)
        .ignore("key/KEY-2-a-key-above-*", "SeaweedFS fails on an upload in parts beside keys below its own")
        .ignore("write/WRITE-4-one-of-many-*", race)
        .ignore("list/LIST-2-names-around-the-slash-*", "SeaweedFS takes no `a/b/` beside an object `a/b`")
        .ignore("property/**", "SeaweedFS lists folders that deleted objects left empty; Ceph runs these")
}

/// A place of its own in a bucket that all cases share.
async fn fresh(
    bucket: &str,
    endpoint: String,
    place: String,
    settings: fn(Config) -> Config,
) -> Result<Fixture> {
    let versions = bucket == VERSIONS;
    make_bucket(&endpoint, bucket, versions).await;
    let config = settings(config(bucket, &endpoint)).versions(versions).cleanup_age(Duration::ZERO);
    Ok(Fixture::new(S3::open(config).await?).prefix(Prefix::directory(place)?))
}

/// How the servers of the tests are reached.
pub(crate) fn config(bucket: &str, endpoint: &str) -> Config {
    let keys = Credentials::Keys { id: "AKTEST".into(), secret: "SKTEST".into(), token: None };
    Config::new(bucket).endpoint(endpoint).credentials(keys).conditions(Conditions::ALL)
}

/// Makes a bucket unless it is there.
pub(crate) async fn make_bucket(endpoint: &str, bucket: &str, versions: bool) {
    let client = client(endpoint);
    if client.head_bucket().bucket(bucket).send().await.is_err() {
        // Another test may be faster.
        let _ = client.create_bucket().bucket(bucket).send().await;
    }
    if versions && !has_versions(&client, bucket).await {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(enabled)
            .send()
            .await
            .expect("versions for the bucket");
    }
}

async fn has_versions(client: &aws_sdk_s3::Client, bucket: &str) -> bool {
    let answer = client.get_bucket_versioning().bucket(bucket).send().await;
    answer.is_ok_and(|answer| answer.status() == Some(&BucketVersioningStatus::Enabled))
}

/// The vendor's client, for what is no business of the crate.
pub(crate) fn client(endpoint: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .force_path_style(true)
        .credentials_provider(Keys::new("AKTEST", "SKTEST", None, None, "the tests"))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

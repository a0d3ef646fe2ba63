//! A bucket on a server that `cargo xtask serve` or `cargo xtask test` started.

use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials as Keys, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use storage_conformance::{Fixture, Subject};
use storage_core::{Prefix, Result};
use storage_s3::{Conditions, Config, Credentials, S3};

/// Where SeaweedFS is.
pub(crate) const SEAWEEDFS: &str = "HAUL_TEST_SEAWEEDFS";
/// Where Ceph is.
pub(crate) const CEPH: &str = "HAUL_TEST_CEPH";

/// A subject on the server that the variable names, or one that is not there.
pub(crate) fn subject(name: &'static str, variable: &'static str, settings: fn(Config) -> Config) -> Subject {
    match std::env::var(variable) {
        Ok(endpoint) => Subject::new(name, move || fresh(endpoint.clone(), settings)),
        Err(_) => Subject::missing(name, format!("no server: `{variable}` is not set, see `cargo xtask serve`")),
    }
}

/// A place of its own in a bucket that all cases share.
async fn fresh(endpoint: String, settings: fn(Config) -> Config) -> Result<Fixture> {
    let plain = settings(config("haul", &endpoint));
    let versions = format!("{plain:?}").contains("versions: true");
    let bucket = if versions { "haul-versions" } else { "haul" };
    make_bucket(&endpoint, bucket, versions).await;
    let config = settings(config(bucket, &endpoint)).cleanup_age(Duration::ZERO);
    let place = Prefix::new(format!("{:016x}/", fastrand::u64(..)))?;
    Ok(Fixture::new(S3::open(config).await?).prefix(place))
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
    if versions {
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

//! The service: where it is, who asks, and buckets made and dropped whole.

use std::process::Command;

pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "SKTEST";
pub(crate) const REGION: &str = "us-east-1";

/// What every tool needs to know to reach an endpoint, each by the name it listens to.
pub(crate) fn environment(endpoint: &str, anonymous: bool) -> Vec<(String, String)> {
    let mut pairs = vec![
        ("HAUL_S3_ENDPOINT", endpoint),
        ("HAUL_S3_REGION", REGION),
        ("AWS_ENDPOINT_URL", endpoint),
        ("S3_ENDPOINT_URL", endpoint),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("RCLONE_CONFIG", "/dev/null"),
        ("RCLONE_S3_PROVIDER", "Other"),
        ("RCLONE_S3_ENDPOINT", endpoint),
        ("RCLONE_S3_REGION", REGION),
        ("RCLONE_S3_FORCE_PATH_STYLE", "true"),
        ("RCLONE_S3_NO_CHECK_BUCKET", "true"),
    ];
    // Some cannot do without keys; who asks for nobody in particular is told so besides.
    pairs.extend([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    if anonymous {
        pairs.extend([("HAUL_S3_ANONYMOUS", "true"), ("BENCH_ANONYMOUS", "true")]);
    } else {
        pairs.push(("RCLONE_S3_ENV_AUTH", "true"));
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The service under test.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: String,
}

impl Service {
    /// A bucket with one object in it: the first write to a new one makes the service find room, which is no tool's fault.
    pub(crate) fn make(&self, bucket: &str) -> Result<(), String> {
        self.curl(&["-X", "PUT", &format!("{}/{bucket}", self.endpoint)])?;
        self.curl(&["-X", "PUT", &format!("{}/{bucket}/first", self.endpoint)])
    }

    /// Drops a bucket with all that is in it, which gives the room back at once.
    pub(crate) fn drop(&self, bucket: &str) -> Result<(), String> {
        self.curl(&["-X", "DELETE", &format!("{}/{bucket}", self.endpoint)])
    }

    fn curl(&self, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new("curl");
        command.args(["-sSf", "--noproxy", "*", "--aws-sigv4", &format!("aws:amz:{REGION}:s3")]);
        command.args(["--user", &format!("{ACCESS_KEY}:{SECRET_KEY}")]).args(words);
        let done = command.output().map_err(|e| format!("curl: {e}"))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("curl {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
    }
}

//! How a bucket is opened.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use storage_core::{Error, ErrorKind, Options, Result, Secret};

/// Who asks.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Whatever the vendor's tools would use on this machine: environment, profile, single sign-on, web identity,
    /// container, instance metadata.
    #[default]
    Chain,
    /// A profile of the AWS configuration files.
    Profile(String),
    /// These keys.
    Keys {
        /// The access key, which is no secret.
        id: String,
        /// Its secret.
        secret: Secret,
        /// What goes with temporary keys.
        token: Option<Secret>,
    },
    /// Nobody: for public buckets.
    Anonymous,
}

/// Which conditions the service really keeps (clause WRITE-4). Services exist that take the headers and overwrite all
/// the same, so nothing is believed of a service other than AWS unless it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // the three conditions of the protocol
pub struct Conditions {
    /// `If-None-Match: *` on writes in one request and in parts.
    pub create: bool,
    /// `If-Match` on writes in one request and in parts.
    pub replace: bool,
    /// `If-Match` on deletes.
    pub delete: bool,
}

impl Conditions {
    /// The service keeps all of them.
    pub const ALL: Self = Self { create: true, replace: true, delete: true };
    /// The service keeps none.
    pub const NONE: Self = Self { create: false, replace: false, delete: false };
}

/// Which checksum travels with every object.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumMode {
    /// CRC-64/NVME of the whole object. Services other than AWS may know none: the first write tries, and does without where
    /// it is refused or ignored.
    #[default]
    Auto,
    /// CRC-64/NVME of the whole object.
    Crc64Nvme,
    /// None but what the protocol demands.
    Off,
}

/// How the service encrypts new objects.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket is set.
    #[default]
    Bucket,
    /// With keys of the service (SSE-S3).
    Service,
    /// With a key of the key service (SSE-KMS); `None` is the account's own.
    Kms(Option<String>),
    /// With this key, base64 of 32 bytes, which is needed again for every read (SSE-C).
    Customer(Secret),
}

/// How a bucket is opened.
///
/// ```
/// use storage_s3::{Conditions, Config, Credentials};
///
/// let config = Config::new("my-bucket")
///     .endpoint("https://s3.example.org")
///     .region("eu-1")
///     .credentials(Credentials::Keys { id: "AK".into(), secret: "hunter2".into(), token: None })
///     .conditions(Conditions::ALL);
/// assert!(!format!("{config:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) bucket: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) path_style: Option<bool>,
    pub(crate) credentials: Credentials,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) versions: bool,
    pub(crate) conditions: Option<Conditions>,
    pub(crate) checksums: ChecksumMode,
    pub(crate) sign_bodies: Option<bool>,
    pub(crate) sorted: bool,
    pub(crate) part_size: u64,
    pub(crate) storage_class: Option<String>,
    pub(crate) tags: Option<String>,
    pub(crate) encryption: Encryption,
    pub(crate) cleanup_age: Duration,
}

impl Config {
    /// Whether another store is of the same service and asked by the same user, so that the service can copy between the two.
    pub(crate) fn shares_service(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
            && self.region == other.region
            && self.credentials == other.credentials
            && self.path_style == other.path_style
            && self.ca_file == other.ca_file
            && self.encryption == other.encryption
    }

    /// The bucket of this name, on AWS unless the environment or an endpoint says otherwise.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint: None,
            region: None,
            path_style: None,
            credentials: Credentials::default(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            versions: false,
            conditions: None,
            checksums: ChecksumMode::default(),
            sign_bodies: None,
            sorted: true,
            part_size: 8 << 20,
            storage_class: None,
            tags: None,
            encryption: Encryption::default(),
            cleanup_age: Duration::from_secs(24 * 3600),
        }
    }

    /// Sets the URL of a service other than AWS.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets the region.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets whether the bucket stands in the path of URLs rather than in the host.
    pub fn path_style(mut self, path_style: bool) -> Self {
        self.path_style = Some(path_style);
        self
    }

    /// Sets who asks.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Trusts the authorities of this PEM file besides the system's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets how long a connection may take to stand.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Says that the bucket keeps versions, and uses them.
    pub fn versions(mut self, versions: bool) -> Self {
        self.versions = versions;
        self
    }

    /// Sets which conditions the service keeps: by default all on AWS, none elsewhere.
    pub fn conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = Some(conditions);
        self
    }

    /// Sets which checksum travels with every object.
    pub fn checksums(mut self, checksums: ChecksumMode) -> Self {
        self.checksums = checksums;
        self
    }

    /// Sets whether the signature of a request covers its body, which costs a SHA-256 of every byte. By default where it
    /// travels unencrypted, so that nobody on the way can change it unnoticed.
    pub fn sign_bodies(mut self, sign: bool) -> Self {
        self.sign_bodies = Some(sign);
        self
    }

    /// Says whether the service lists in ascending byte order, as the protocol asks. Some do not.
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.sorted = sorted;
        self
    }

    /// Sets the size in bytes at which parts travel: at least 5 MiB but for an upload's last.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes;
        self
    }

    /// Sets the storage class of new objects.
    pub fn storage_class(mut self, class: impl Into<String>) -> Self {
        self.storage_class = Some(class.into());
        self
    }

    /// Sets the tags of new objects, as `name=value&name=value`, percent-encoded.
    pub fn tags(mut self, tags: impl Into<String>) -> Self {
        self.tags = Some(tags.into());
        self
    }

    /// Sets how the service encrypts new objects.
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Sets after how long without a new part an unfinished upload of somebody else counts as left behind.
    pub fn cleanup_age(mut self, age: Duration) -> Self {
        self.cleanup_age = age;
        self
    }

    pub(crate) fn from_options(bucket: &str, options: &Options) -> Result<Self> {
        if bucket.is_empty() || bucket.contains(['@', ':']) {
            return Err(invalid("an S3 URL is `s3://bucket/key`; endpoint and keys are options"));
        }
        let mut config = Self::new(bucket);
        let text = |name: &str| options.get(name).map(str::to_owned);
        config.endpoint = text("endpoint");
        config.region = text("region");
        config.path_style =
            options.get("path_style").map(|_| options.flag("path_style", true)).transpose()?;
        config.credentials = credentials(options)?;
        config.ca_file = options.get("ca_file").map(PathBuf::from);
        config.connect_timeout = options.duration("connect_timeout")?.unwrap_or(config.connect_timeout);
        config.versions = options.flag("versions", false)?;
        config.conditions = options.get("conditions").map(conditions).transpose()?;
        let modes = [
            ("auto", ChecksumMode::Auto),
            ("crc64nvme", ChecksumMode::Crc64Nvme),
            ("off", ChecksumMode::Off),
        ];
        config.checksums = options.choice("checksums", &modes, ChecksumMode::Auto)?;
        config.sign_bodies =
            options.get("sign_bodies").map(|_| options.flag("sign_bodies", true)).transpose()?;
        config.sorted = options.flag("sorted", true)?;
        config.part_size = options.size("part_size")?.unwrap_or(config.part_size);
        config.storage_class = text("storage_class");
        config.tags = text("tags");
        config.encryption = encryption(options)?;
        config.cleanup_age = options.duration("cleanup_age")?.unwrap_or(config.cleanup_age);
        Ok(config)
    }
}

fn credentials(options: &Options) -> Result<Credentials> {
    let anonymous = options.flag("anonymous", false)?;
    let keys = match (options.get("access_key_id"), options.secret("secret_access_key")) {
        (Some(id), Some(secret)) => {
            Some(Credentials::Keys { id: id.into(), secret, token: options.secret("session_token") })
        }
        (None, None) => None,
        _ => return Err(invalid("`access_key_id` and `secret_access_key` go together")),
    };
    match (keys, options.get("profile"), anonymous) {
        (None, None, false) => Ok(Credentials::Chain),
        (None, None, true) => Ok(Credentials::Anonymous),
        (None, Some(profile), false) => Ok(Credentials::Profile(profile.into())),
        (Some(keys), None, false) => Ok(keys),
        _ => Err(invalid("give one of `access_key_id`, `profile` and `anonymous`, not several")),
    }
}

fn conditions(text: &str) -> Result<Conditions> {
    let mut conditions = Conditions::NONE;
    for word in text.split(',').map(str::trim) {
        match word {
            "all" => conditions = Conditions::ALL,
            "none" => {}
            "create" => conditions.create = true,
            "replace" => conditions.replace = true,
            "delete" => conditions.delete = true,
            _ => {
                let message = format!(
                    "option `conditions` names `{word}`; it takes all, none, create, replace, delete"
                );
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
        }
    }
    Ok(conditions)
}

fn encryption(options: &Options) -> Result<Encryption> {
    let kms = options.get("kms_key_id").map(str::to_owned);
    let customer = options.secret("customer_key");
    match (options.get("encryption").unwrap_or("none"), kms, customer) {
        ("none", None, None) => Ok(Encryption::Bucket),
        ("AES256", None, None) => Ok(Encryption::Service),
        ("aws:kms", key, None) => Ok(Encryption::Kms(key)),
        ("customer", None, Some(key)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(key.reveal());
            match bytes {
                Ok(bytes) if bytes.len() == 32 => Ok(Encryption::Customer(key)),
                _ => Err(invalid("`customer_key` is the base64 of 32 bytes")),
            }
        }
        ("customer", None, None) => Err(invalid("`encryption=customer` needs `customer_key`")),
        ("none" | "AES256" | "aws:kms" | "customer", ..) => {
            Err(invalid("`kms_key_id` goes with encryption=aws:kms, `customer_key` with encryption=customer"))
        }
        (other, ..) => {
            let message =
                format!("option `encryption` is `{other}`; it takes none, AES256, aws:kms, customer");
            Err(Error::new(ErrorKind::InvalidConfig, message))
        }
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use storage_core::{ErrorKind, Options};

    use super::{Conditions, Config, Credentials, Encryption};

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |options: Options| {
            let error = Config::from_options("b", &options).expect_err("a contradiction");
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        };
        refused(Options::new().set("access_key_id", "a"));
        refused(Options::new().set("anonymous", "true").set("profile", "p"));
        refused(Options::new().set("conditions", "creat"));
        refused(Options::new().set("encryption", "customer"));
        refused(Options::new().set("encryption", "customer").set("customer_key", "c2hvcnQ="));
        refused(Options::new().set("kms_key_id", "k"));
        refused(Options::new().set("part_size", "huge"));
        assert!(Config::from_options("", &Options::new()).is_err());
        assert!(Config::from_options("key:secret@bucket", &Options::new()).is_err());
    }

    #[test]
    fn options_are_understood() {
        let options = Options::new()
            .set("conditions", "create,delete")
            .set("anonymous", "true")
            .set("encryption", "aws:kms")
            .set("part_size", "16M");
        let config = Config::from_options("b", &options).expect("all fine");
        assert_eq!(config.conditions, Some(Conditions { create: true, replace: false, delete: true }));
        assert!(matches!(config.credentials, Credentials::Anonymous));
        assert!(matches!(config.encryption, Encryption::Kms(None)));
        assert_eq!(config.part_size, 16 << 20);
    }
}

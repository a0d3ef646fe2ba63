//! How a bucket is opened.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use storage_core::{Error, ErrorKind, Options, Result, Secret};

/// Who asks.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// What Google's tools would use on this machine, its "application default credentials": the file that
    /// `GOOGLE_APPLICATION_CREDENTIALS` names, that of `gcloud auth application-default login`, the metadata server.
    /// Nobody, where `STORAGE_EMULATOR_HOST` names an emulator.
    #[default]
    Chain,
    /// This JSON file: of a service account, of a user, of external accounts, or of one that acts for another.
    File(PathBuf),
    /// The content of such a file.
    Json(Secret),
    /// This access token, which is not renewed.
    Token(Secret),
    /// Nobody: for public buckets.
    Anonymous,
}

/// How an object in parts travels.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uploads {
    /// One part after another in a session of the service. Nothing is ever left behind that shows.
    #[default]
    Resumable,
    /// Parts side by side, as objects beside the one that is written, which the service puts together at the end.
    /// Faster where one connection does not fill the line; needs the right to read and delete objects.
    Compose,
}

/// How a bucket is opened.
///
/// ```
/// use storage_gcs::{Config, Credentials};
///
/// let config = Config::new("my-bucket").credentials(Credentials::Token("hunter2".into())).versions(true);
/// assert!(!format!("{config:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) bucket: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) user_project: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) versions: bool,
    pub(crate) part_size: u64,
    pub(crate) uploads: Uploads,
    pub(crate) storage_class: Option<String>,
    pub(crate) predefined_acl: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) customer_key: Option<Secret>,
    pub(crate) cleanup_age: Duration,
}

impl Config {
    /// Whether another store is of the same service and asked by the same user, so that the service can copy between the two.
    pub(crate) fn shares_service(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
            && self.credentials == other.credentials
            && self.user_project == other.user_project
            && self.customer_key == other.customer_key
    }

    /// The bucket of this name.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint: None,
            credentials: Credentials::default(),
            user_project: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            versions: false,
            part_size: 8 << 20,
            uploads: Uploads::default(),
            storage_class: None,
            predefined_acl: None,
            kms_key: None,
            customer_key: None,
            cleanup_age: Duration::from_secs(24 * 3600),
        }
    }

    /// Sets the URL of the service: a private endpoint, or an emulator.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets who asks.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets the project that pays for requests and their quota.
    pub fn user_project(mut self, project: impl Into<String>) -> Self {
        self.user_project = Some(project.into());
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

    /// Says that the bucket keeps old generations, and uses them as versions.
    pub fn versions(mut self, versions: bool) -> Self {
        self.versions = versions;
        self
    }

    /// Sets the size in bytes at which parts travel.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes;
        self
    }

    /// Sets how objects in parts travel.
    pub fn uploads(mut self, uploads: Uploads) -> Self {
        self.uploads = uploads;
        self
    }

    /// Sets the storage class of new objects.
    pub fn storage_class(mut self, class: impl Into<String>) -> Self {
        self.storage_class = Some(class.into());
        self
    }

    /// Sets the predefined access list of new objects.
    pub fn predefined_acl(mut self, acl: impl Into<String>) -> Self {
        self.predefined_acl = Some(acl.into());
        self
    }

    /// Sets the key of the key service that new objects are encrypted with, as
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }

    /// Sets the key that objects are encrypted with: base64 of 32 bytes, needed again for every read.
    pub fn customer_key(mut self, key: impl Into<Secret>) -> Self {
        self.customer_key = Some(key.into());
        self
    }

    /// Sets after how long parts of somebody else's upload count as left behind.
    pub fn cleanup_age(mut self, age: Duration) -> Self {
        self.cleanup_age = age;
        self
    }

    pub(crate) fn from_options(bucket: &str, options: &Options) -> Result<Self> {
        if bucket.is_empty() || bucket.contains(['@', ':']) {
            return Err(invalid("a Google Cloud Storage URL is `gs://bucket/key`; credentials are options"));
        }
        let mut config = Self::new(bucket);
        let text = |name: &str| options.get(name).map(str::to_owned);
        config.endpoint = text("endpoint");
        config.credentials = credentials(options)?;
        config.user_project = text("user_project");
        config.ca_file = options.get("ca_file").map(PathBuf::from);
        config.connect_timeout = options.duration("connect_timeout")?.unwrap_or(config.connect_timeout);
        config.versions = options.flag("versions", false)?;
        config.part_size = options.size("part_size")?.unwrap_or(config.part_size);
        let uploads = [("resumable", Uploads::Resumable), ("compose", Uploads::Compose)];
        config.uploads = options.choice("uploads", &uploads, Uploads::Resumable)?;
        config.storage_class = text("storage_class");
        config.predefined_acl = text("predefined_acl");
        config.kms_key = text("kms_key");
        config.customer_key = options.secret("customer_key");
        config.cleanup_age = options.duration("cleanup_age")?.unwrap_or(config.cleanup_age);
        Ok(config)
    }

    /// What the types cannot rule out.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(key) = &self.customer_key {
            let bytes = base64::engine::general_purpose::STANDARD.decode(key.reveal());
            if bytes.map(|bytes| bytes.len()) != Ok(32) {
                return Err(invalid("`customer_key` is the base64 of 32 bytes"));
            }
            if self.kms_key.is_some() {
                return Err(invalid("give one of `kms_key` and `customer_key`, not both"));
            }
        }
        Ok(())
    }
}

fn credentials(options: &Options) -> Result<Credentials> {
    let file = options.get("credentials_file").map(|path| Credentials::File(path.into()));
    let json = options.secret("credentials").map(Credentials::Json);
    let token = options.secret("token").map(Credentials::Token);
    let anonymous = options.flag("anonymous", false)?.then_some(Credentials::Anonymous);
    let mut given = [file, json, token, anonymous].into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => Ok(Credentials::Chain),
        (Some(one), None) => Ok(one),
        _ => Err(invalid(
            "give one of `credentials_file`, `credentials`, `token` and `anonymous`, not several",
        )),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

//! How a container is opened.

use std::path::PathBuf;
use std::time::Duration;

use storage_core::{Error, ErrorKind, Options, Result, Secret};

use crate::connection_string::ConnectionString;

/// Who asks.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Whatever is found on this machine, the first of: `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY`,
    /// `AZURE_STORAGE_SAS_TOKEN`, an application's secret in `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
    /// `AZURE_CLIENT_SECRET`, a workload's identity, a managed identity, the command line tools `az` and `azd`.
    #[default]
    Chain,
    /// The account's key, base64.
    AccountKey(Secret),
    /// A shared access signature, `sv=…&sig=…`.
    Sas(Secret),
    /// An application by its secret.
    ClientSecret {
        /// The directory that it is known in.
        tenant_id: String,
        /// Its name there.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// The identity that a cluster gives a workload, by `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// The identity that Azure gives the machine, or this one of several.
    ManagedIdentity {
        /// The identity's name as an application.
        client_id: Option<String>,
    },
    /// Whoever is logged in with `az`.
    Cli,
    /// An access token that somebody else got, for `https://storage.azure.com`. It is not renewed.
    Token(Secret),
    /// Nobody: for public containers.
    Anonymous,
}

/// How a container is opened.
///
/// ```
/// use storage_azure::{Config, Credentials};
///
/// let config = Config::new("my-container")
///     .account("myaccount")
///     .credentials(Credentials::AccountKey("aHVudGVyMg==".into()));
/// assert!(!format!("{config:?}").contains("aHVudGVyMg"));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) container: String,
    pub(crate) account: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) versions: bool,
    pub(crate) sorted: bool,
    pub(crate) part_size: u64,
    pub(crate) access_tier: Option<String>,
    pub(crate) tags: Option<String>,
    pub(crate) encryption_scope: Option<String>,
    pub(crate) delete_snapshots: bool,
}

impl Config {
    /// Whether another store is of the same service and asked by the same user, so that the service can copy between the two.
    pub(crate) fn shares_service(&self, other: &Self) -> bool {
        self.account == other.account
            && self.endpoint == other.endpoint
            && self.credentials == other.credentials
    }

    /// The container of this name.
    pub fn new(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            account: None,
            endpoint: None,
            credentials: Credentials::default(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            versions: false,
            sorted: true,
            part_size: 8 << 20,
            access_tier: None,
            tags: None,
            encryption_scope: None,
            delete_snapshots: false,
        }
    }

    /// Sets the storage account.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Sets the URL of the blob service, with the account in its path where it is not in the host.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets who asks.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Takes account, endpoint and credentials from a connection string, where they are not set.
    ///
    /// # Errors
    /// `InvalidConfig` if it is none.
    pub fn connection_string(mut self, text: &Secret) -> Result<Self> {
        let found = ConnectionString::parse(text)?;
        self.account = self.account.or(found.account);
        self.endpoint = self.endpoint.or(found.endpoint);
        if matches!(self.credentials, Credentials::Chain) {
            self.credentials = found.credentials;
        }
        Ok(self)
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

    /// Says that the account keeps versions, and uses them.
    pub fn versions(mut self, versions: bool) -> Self {
        self.versions = versions;
        self
    }

    /// Says whether the service lists in ascending byte order.
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.sorted = sorted;
        self
    }

    /// Sets the size in bytes at which blocks travel.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes;
        self
    }

    /// Sets the access tier of new blobs.
    pub fn access_tier(mut self, tier: impl Into<String>) -> Self {
        self.access_tier = Some(tier.into());
        self
    }

    /// Sets the tags of new blobs, as `name=value&name=value`, percent-encoded.
    pub fn tags(mut self, tags: impl Into<String>) -> Self {
        self.tags = Some(tags.into());
        self
    }

    /// Sets the encryption scope of new blobs.
    pub fn encryption_scope(mut self, scope: impl Into<String>) -> Self {
        self.encryption_scope = Some(scope.into());
        self
    }

    /// Says that a blob is deleted with its snapshots. Else one that has some is kept, and the delete fails.
    pub fn delete_snapshots(mut self, delete: bool) -> Self {
        self.delete_snapshots = delete;
        self
    }

    pub(crate) fn from_options(container: &str, options: &Options) -> Result<Self> {
        if container.is_empty() || container.contains(['@', ':']) {
            return Err(invalid("an Azure URL is `az://container/key`; account and credentials are options"));
        }
        let mut config = Self::new(container);
        let text = |name: &str| options.get(name).map(str::to_owned);
        config.account = text("account");
        config.endpoint = text("endpoint");
        config.credentials = credentials(options)?;
        if let Some(all) = options.secret("connection_string") {
            config = config.connection_string(&all)?;
        }
        config.ca_file = options.get("ca_file").map(PathBuf::from);
        config.connect_timeout = options.duration("connect_timeout")?.unwrap_or(config.connect_timeout);
        config.versions = options.flag("versions", false)?;
        config.sorted = options.flag("sorted", true)?;
        config.part_size = options.size("part_size")?.unwrap_or(config.part_size);
        config.access_tier = text("access_tier");
        config.tags = text("tags");
        config.encryption_scope = text("encryption_scope");
        config.delete_snapshots = options.flag("delete_snapshots", false)?;
        Ok(config)
    }
}

fn credentials(options: &Options) -> Result<Credentials> {
    let client_id = options.get("client_id").map(str::to_owned);
    let key = options.secret("account_key").map(Credentials::AccountKey);
    let sas = options.secret("sas_token").map(Credentials::Sas);
    let token = options.secret("token").map(Credentials::Token);
    let anonymous = options.flag("anonymous", false)?.then_some(Credentials::Anonymous);
    let application = match (options.get("tenant_id"), &client_id, options.secret("client_secret")) {
        (Some(tenant_id), Some(client_id), Some(client_secret)) => Some(Credentials::ClientSecret {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.clone(),
            client_secret,
        }),
        (_, _, Some(_)) => return Err(invalid("`client_secret` goes with `tenant_id` and `client_id`")),
        _ => None,
    };
    let identity = match options.get("identity") {
        None | Some("auto") => None,
        Some("workload") => Some(Credentials::WorkloadIdentity),
        Some("managed") => Some(Credentials::ManagedIdentity { client_id }),
        Some("cli") => Some(Credentials::Cli),
        Some(other) => {
            let message = format!("option `identity` is `{other}`; it takes auto, workload, managed, cli");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
    };
    let mut given = [key, sas, token, application, identity, anonymous].into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => Ok(Credentials::Chain),
        (Some(one), None) => Ok(one),
        _ => Err(invalid(
            "give one of `account_key`, `sas_token`, `token`, `client_secret`, `identity` and `anonymous`, not several",
        )),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

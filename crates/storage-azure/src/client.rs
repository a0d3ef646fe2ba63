//! The way to the service: the vendor's clients and, for what they lack, requests of our own through the same policies.

use std::path::Path;
use std::sync::Arc;

use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, Context, Pipeline, RawResponse, Request, RetryOptions, Transport, Url,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use storage_core::{Error, ErrorKind, Key, Result};

use crate::auth::{Auth, found, variable};
use crate::config::Config;
use crate::error::{Refused, error};
use crate::name::{encode, encode_path};

/// The version of the service's interface that requests ask for.
pub(crate) const VERSION: &str = "2024-11-04";
/// What tokens have to be good for.
pub(crate) const SCOPE: &str = "https://storage.azure.com/.default";

/// A container as opened.
pub(crate) struct Service {
    pub(crate) account: String,
    pub(crate) container: String,
    pub(crate) auth: Auth,
    /// The URL of the account, without a `/` at the end.
    endpoint: Url,
    pipeline: Pipeline,
    client: BlobContainerClient,
}

impl Service {
    /// Reads settings and credentials; asks nothing of the service yet.
    pub(crate) fn new(config: Config) -> Result<(Self, Config)> {
        let config = found(config)?;
        check_container(&config.container)?;
        let (account, endpoint) = place(&config)?;
        let mut options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(http_client(&config)?))),
            ..ClientOptions::default()
        };
        let auth = Auth::new(&config, &account, &options)?;
        let policy: Option<Arc<dyn Policy>> = match &auth {
            Auth::Key(key) => Some(Arc::new(key.clone())),
            Auth::Token(credential) => {
                if endpoint.scheme() != "https" {
                    return Err(invalid("tokens travel only to `https` endpoints"));
                }
                Some(Arc::new(BearerTokenAuthorizationPolicy::new(credential.clone(), [SCOPE])))
            }
            Auth::Sas(_) | Auth::Nobody => None,
        };
        options.per_try_policies.extend(policy);
        let mut url = endpoint.clone();
        url.set_path(&format!("{}/{}", endpoint.path().trim_end_matches('/'), encode(&config.container)));
        if let Auth::Sas(token) = &auth {
            url.set_query(Some(token.reveal()));
        }
        let typed =
            BlobContainerClientOptions { client_options: options.clone(), version: VERSION.to_owned() };
        let client =
            BlobContainerClient::new(url, None, Some(typed)).map_err(|failed| error(failed).error)?;
        let pipeline =
            Pipeline::new(Some("haul"), Some(env!("CARGO_PKG_VERSION")), options, vec![], vec![], None);
        let container = config.container.clone();
        Ok((Self { account, container, auth, endpoint, pipeline, client }, config))
    }

    /// The vendor's client of a blob.
    pub(crate) fn blob(&self, key: &Key) -> BlobClient {
        self.client.blob_client(key.as_str())
    }

    /// The URL of a blob with a query, and the signature that goes with every URL.
    pub(crate) fn blob_url(&self, key: &Key, query: &str) -> Url {
        self.url(&format!("{}/{}", encode(&self.container), encode_path(key)), query)
    }

    /// The URL of the container.
    pub(crate) fn container_url(&self, query: &str) -> Url {
        self.url(&encode(&self.container), query)
    }

    /// The URL of the account.
    pub(crate) fn account_url(&self, query: &str) -> Url {
        self.url("", query)
    }

    /// Whether requests travel encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// The URL of a blob, as others may see it.
    pub(crate) fn plain_url(&self, key: &Key) -> Url {
        let mut url = self.blob_url(key, "");
        url.set_query(None);
        url
    }

    fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}/{path}", self.endpoint.path().trim_end_matches('/')));
        let sas = match &self.auth {
            Auth::Sas(token) => token.reveal(),
            _ => "",
        };
        let query: Vec<&str> = [query, sas].into_iter().filter(|part| !part.is_empty()).collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        url
    }

    /// Sends a request and takes a success, whose body is still on its way.
    pub(crate) async fn stream(&self, mut request: Request) -> Result<AsyncRawResponse, Refused> {
        request.insert_header("x-ms-version", VERSION);
        self.pipeline.stream(&Context::default(), &mut request, None).await.map_err(error)
    }

    /// Sends a request and takes a success, whole.
    pub(crate) async fn send(&self, mut request: Request) -> Result<RawResponse, Refused> {
        request.insert_header("x-ms-version", VERSION);
        self.pipeline.send(&Context::default(), &mut request, None).await.map_err(error)
    }
}

/// `a=b&c=d` of what has a value.
pub(crate) fn query<const N: usize>(pairs: [(&str, Option<&str>); N]) -> String {
    let given = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(value?))));
    given.collect::<Vec<_>>().join("&")
}

/// What is no name of a container could lead out of it: `..` to the account.
fn check_container(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.strip_prefix('$').unwrap_or(name).as_bytes();
    let fine = (3..=63).contains(&name.len())
        && bytes.iter().all(|b| plain(*b) || *b == b'-')
        && bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
        && !name.contains("--");
    if fine {
        return Ok(());
    }
    Err(invalid("the name of a container has 3 to 63 lower-case letters, digits and single `-`"))
}

/// The account, and where it is.
fn place(config: &Config) -> Result<(String, Url)> {
    let account = config.account.clone();
    let account = account
        .or_else(|| variable("AZURE_STORAGE_ACCOUNT"))
        .or_else(|| variable("AZURE_STORAGE_ACCOUNT_NAME"));
    let text = match (&config.endpoint, &account) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
        (None, None) => return Err(invalid("which storage account? set `account` or AZURE_STORAGE_ACCOUNT")),
    };
    let endpoint = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let endpoint = endpoint.ok_or_else(|| {
        invalid("option `endpoint` is a URL such as `https://account.blob.core.windows.net`")
    })?;
    // Of the host, or of the path where the host is an address or an emulator's name.
    let named = || {
        let in_path = endpoint.path().trim_matches('/');
        let in_host = endpoint.domain().and_then(|host| host.split_once('.')).map(|(first, _)| first);
        if in_path.is_empty() { in_host.unwrap_or_default().to_owned() } else { in_path.to_owned() }
    };
    let account = account.unwrap_or_else(named);
    let fine = account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if account.is_empty() || !fine {
        return Err(invalid("the name of a storage account has lower-case letters and digits only"));
    }
    Ok((account, endpoint))
}

fn http_client(config: &Config) -> Result<reqwest::Client> {
    let mut http = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        // `Store` repeats; and a signature goes nowhere but where it was meant to.
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        // What is stored as it is comes back as it is, whatever else in the program has these switched on.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if let Some(path) = &config.ca_file {
        http = http.tls_certs_merge(certificates(path)?);
    }
    http.build().map_err(|failed| {
        if let Some(path) = &config.ca_file {
            let message = format!("`ca_file` {} cannot be used", path.display());
            return Error::new(ErrorKind::InvalidConfig, message).with_source(crate::error::root(&failed));
        }
        let message =
            "no secure connections can be made; are there certificates of authorities on this machine?";
        Error::new(ErrorKind::InvalidConfig, message).with_source(crate::error::root(&failed))
    })
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let wrong = |why: &str| {
        let message = format!("`ca_file` {} {why}", path.display());
        Error::new(ErrorKind::InvalidConfig, message)
    };
    let pem = std::fs::read(path).map_err(|failed| wrong("cannot be read").with_source(failed))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|failed| wrong("cannot be used").with_source(failed))?;
    if found.is_empty() { Err(wrong("holds no PEM certificate")) } else { Ok(found) }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::{place, query};
    use crate::config::Config;

    #[test]
    fn places() {
        let check = |endpoint: &str, expected: Option<&str>| {
            let found = place(&Config::new("container").endpoint(endpoint));
            assert_eq!(found.ok().map(|(account, _)| account).as_deref(), expected, "{endpoint}");
        };
        check("https://me.blob.core.windows.net", Some("me"));
        check("http://127.0.0.1:10000/devstoreaccount1", Some("devstoreaccount1"));
        check("http://127.0.0.1:10000/devstoreaccount1/", Some("devstoreaccount1"));
        check("https://me:secret@h.example", None);
        check("me.blob.core.windows.net", None);
        check("http://127.0.0.1:10000", None);
        check("https://me.blob.core.windows.net?sv=1", None);
        let (_, url) = place(&Config::new("container").account("me")).expect("an account");
        assert_eq!(url.as_str(), "https://me.blob.core.windows.net/");
    }

    #[test]
    fn queries() {
        assert_eq!(query([("a", None), ("b", Some("c/d")), ("e", Some(""))]), "b=c%2Fd&e=");
    }
}

//! Who asks: tokens of Google's own library, one that was given, or none.

use std::path::Path;
use std::time::Duration;

use google_cloud_auth::build_errors;
use google_cloud_auth::credentials::service_account;
use google_cloud_auth::credentials::{self, CacheableResource, external_account, impersonated, user_account};
use google_cloud_auth::signer::Signer;
use http::Extensions;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use storage_core::{Error, ErrorKind, Result, Secret};

use crate::config::{Config, Credentials};

/// What a token has to be good for: to read, write and delete objects and to set their access lists.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";
/// How long a token may take. The library repeats what it asks by itself, longer than anybody at a terminal waits.
const PATIENCE: Duration = Duration::from_secs(10);
const NO_CREDENTIALS: &str = "no usable credentials; run `gcloud auth application-default login`, set \
                              GOOGLE_APPLICATION_CREDENTIALS or `credentials_file`, or `anonymous=true` for a public \
                              bucket";

/// Where the headers of a request that tell who asks come from.
pub(crate) enum Auth {
    Nobody,
    Token(HeaderValue),
    Google { credentials: credentials::Credentials, signer: Option<Signer> },
}

impl Auth {
    /// Reads what is on this machine; asks nobody yet. `is_emulator`: nobody asks where nobody is told to.
    pub(crate) fn new(config: &Config, is_emulator: bool) -> Result<Self> {
        match &config.credentials {
            Credentials::Anonymous => Ok(Self::Nobody),
            Credentials::Chain if is_emulator => Ok(Self::Nobody),
            Credentials::Token(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                    .map_err(|_| invalid("`token` is no access token: it holds line breaks or the like"))?;
                value.set_sensitive(true);
                Ok(Self::Token(value))
            }
            Credentials::Chain => {
                let credentials = credentials::Builder::default().with_scopes([SCOPE]).build();
                let signer = credentials::Builder::default().with_scopes([SCOPE]).build_signer();
                Ok(Self::Google { credentials: credentials.map_err(unusable)?, signer: signer.ok() })
            }
            Credentials::File(path) => Self::of_json(&read(path)?),
            Credentials::Json(secret) => Self::of_json(secret),
        }
    }

    fn of_json(text: &Secret) -> Result<Self> {
        let json: Value = serde_json::from_str(text.reveal())
            .map_err(|_| invalid("the credentials are no JSON; a service account's key file is"))?;
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (credentials, signer) = match kind.as_str() {
            "service_account" => {
                let access = || service_account::AccessSpecifier::from_scopes([SCOPE]);
                let new = || service_account::Builder::new(json.clone()).with_access_specifier(access());
                (new().build(), new().build_signer().ok())
            }
            "authorized_user" => (user_account::Builder::new(json).with_scopes([SCOPE]).build(), None),
            "external_account" => (external_account::Builder::new(json).with_scopes([SCOPE]).build(), None),
            "impersonated_service_account" => {
                let new = || impersonated::Builder::new(json.clone()).with_scopes([SCOPE]);
                (new().build(), new().build_signer().ok())
            }
            _ => {
                return Err(invalid(
                    "the credentials have no known `type`; there are service_account, authorized_user, \
                     external_account and impersonated_service_account",
                ));
            }
        };
        Ok(Self::Google { credentials: credentials.map_err(unusable)?, signer })
    }

    /// What goes with every request.
    pub(crate) async fn headers(&self) -> Result<HeaderMap> {
        match self {
            Self::Nobody => Ok(HeaderMap::new()),
            Self::Token(value) => Ok(HeaderMap::from_iter([(AUTHORIZATION, value.clone())])),
            Self::Google { credentials, .. } => {
                match in_time(credentials.headers(Extensions::new())).await? {
                    Ok(CacheableResource::New { data, .. }) => Ok(data),
                    // Only who names what they have already is told that nothing is new.
                    Ok(CacheableResource::NotModified) => Ok(HeaderMap::new()),
                    Err(failed) if failed.is_transient() => {
                        // The service heard nothing yet: who has no credentials at all does not wait long.
                        let message =
                            format!("whoever gives out tokens does not answer for now: {NO_CREDENTIALS}");
                        Err(Error::new(ErrorKind::Unavailable, message)
                            .with_source(root(&failed))
                            .unreached())
                    }
                    Err(failed) => Err(no_credentials().with_source(root(&failed))),
                }
            }
        }
    }

    /// What signs requests ahead.
    pub(crate) fn signer(&self) -> Option<&Signer> {
        match self {
            Self::Google { signer, .. } => signer.as_ref(),
            _ => None,
        }
    }
}

/// Waits no longer than a person does.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T> {
    let late = |_| no_credentials().with_source("nobody gave a token in time");
    tokio::time::timeout(PATIENCE, work).await.map_err(late)
}

fn read(path: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|failed| {
        let message = format!("`credentials_file` {} cannot be read", path.display());
        Error::new(ErrorKind::InvalidConfig, message).with_source(failed)
    })?;
    Ok(Secret::new(text))
}

fn no_credentials() -> Error {
    Error::new(ErrorKind::Unauthenticated, NO_CREDENTIALS)
}

fn unusable(failed: build_errors::Error) -> Error {
    no_credentials().with_source(root(&failed))
}

/// The innermost cause, by its first line: what lies above may quote the credentials.
fn root(failed: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = failed;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().lines().next().unwrap_or_default().to_owned()
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

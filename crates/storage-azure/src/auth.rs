//! Who asks: an account's key, a signature in the URL, a token of Entra ID, or nobody.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientOptions;
use azure_core::time::OffsetDateTime;
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use storage_core::{Error, ErrorKind, Result, Secret};
use tokio::sync::OnceCell;

use crate::config::{Config, Credentials};
use crate::error::root;
use crate::shared_key::SharedKey;

/// How long one way to a token may take: no longer than a person at a terminal waits.
const PATIENCE: Duration = Duration::from_secs(8);
/// Long enough that nobody asks for a new one before each request.
const VALID: Duration = Duration::from_secs(24 * 3600);

/// How requests tell who asks.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    Key(SharedKey),
    /// Part of every URL's query.
    Sas(Secret),
    Token(Arc<dyn TokenCredential>),
    Nobody,
}

/// What the environment says, under the names that the vendor's tools use.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a chain finds in the environment: nothing that it would have to ask anybody for.
pub(crate) fn found(config: Config) -> Result<Config> {
    if !matches!(config.credentials, Credentials::Chain) {
        return Ok(config);
    }
    if config.account.is_none()
        && config.endpoint.is_none()
        && let Some(text) = variable("AZURE_STORAGE_CONNECTION_STRING")
    {
        return config.connection_string(&Secret::new(text));
    }
    let key = variable("AZURE_STORAGE_KEY").or_else(|| variable("AZURE_STORAGE_ACCOUNT_KEY"));
    let credentials = match (key, variable("AZURE_STORAGE_SAS_TOKEN")) {
        (Some(key), _) => Credentials::AccountKey(key.into()),
        (None, Some(sas)) => Credentials::Sas(sas.into()),
        (None, None) => Credentials::Chain,
    };
    Ok(config.credentials(credentials))
}

impl Auth {
    /// `options`: how those who give out tokens are reached.
    pub(crate) fn new(config: &Config, account: &str, options: &ClientOptions) -> Result<Self> {
        match &config.credentials {
            Credentials::Anonymous => Ok(Self::Nobody),
            Credentials::AccountKey(key) => Ok(Self::Key(SharedKey::new(account, key)?)),
            Credentials::Sas(token) => Ok(Self::Sas(query(token.reveal()))),
            Credentials::ClientSecret { tenant_id, client_id, client_secret } => {
                patient(application(tenant_id, client_id, client_secret.reveal(), options))
            }
            Credentials::WorkloadIdentity => patient(workload(options)),
            Credentials::ManagedIdentity { client_id } => patient(managed(client_id.as_deref(), options)),
            Credentials::Cli => patient(AzureCliCredential::new(None).map(|c| c as Arc<dyn TokenCredential>)),
            Credentials::Token(token) => {
                Ok(Self::Token(Arc::new(Given(token.reveal().trim().to_owned().into()))))
            }
            Credentials::Chain => Ok(Self::Token(Arc::new(Chain::new(options)))),
        }
    }
}

/// A signature as every URL carries it, however it was pasted. A bare `+`, as in base64, is a blank to who parses queries.
fn query(sas: &str) -> Secret {
    sas.trim().trim_start_matches('?').replace('+', "%2B").into()
}

type Found = azure_core::Result<Arc<dyn TokenCredential>>;

fn patient(credential: Found) -> Result<Auth> {
    let credential = credential.map_err(|failed| no_credentials(&root(&failed)))?;
    Ok(Auth::Token(Arc::new(Patient(credential))))
}

fn application(tenant: &str, client: &str, secret: &str, options: &ClientOptions) -> Found {
    let options = ClientSecretCredentialOptions { client_options: options.clone() };
    let secret = azure_core::credentials::Secret::new(secret.to_owned());
    Ok(ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options))?)
}

fn workload(options: &ClientOptions) -> Found {
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: options.clone() },
        ..Default::default()
    };
    Ok(WorkloadIdentityCredential::new(Some(options))?)
}

fn managed(client: Option<&str>, options: &ClientOptions) -> Found {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client.map(|id| UserAssignedId::ClientId(id.to_owned())),
        client_options: options.clone(),
    };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}

pub(crate) fn no_credentials(why: &str) -> Error {
    let message = "no usable credentials; log in with `az login`, set AZURE_STORAGE_KEY or `account_key`, or \
                   `anonymous=true` for a public container";
    Error::new(ErrorKind::Unauthenticated, message).with_source(why.to_owned())
}

/// A token that somebody else got.
#[derive(Debug)]
struct Given(azure_core::credentials::Secret);

#[async_trait]
impl TokenCredential for Given {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // How long it holds is between its giver and the service, which says so when it does no more.
        let later = OffsetDateTime::now_utc() + VALID;
        Ok(AccessToken::new(self.0.clone(), later))
    }
}

/// A credential that gives up in time.
#[derive(Debug)]
struct Patient(Arc<dyn TokenCredential>);

#[async_trait]
impl TokenCredential for Patient {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let late = |_| credential_error("nobody gave a token in time");
        tokio::time::timeout(PATIENCE, self.0.get_token(scopes, options)).await.map_err(late)?
    }
}

/// The first credential that gives a token, which is kept to.
#[derive(Debug)]
struct Chain {
    links: Vec<Arc<dyn TokenCredential>>,
    chosen: OnceCell<Arc<dyn TokenCredential>>,
}

impl Chain {
    fn new(options: &ClientOptions) -> Self {
        let application = || {
            let (tenant, client) = (variable("AZURE_TENANT_ID")?, variable("AZURE_CLIENT_ID")?);
            application(&tenant, &client, &variable("AZURE_CLIENT_SECRET")?, options).ok()
        };
        let workload = || variable("AZURE_FEDERATED_TOKEN_FILE").and_then(|_| workload(options).ok());
        let managed = || managed(variable("AZURE_CLIENT_ID").as_deref(), options).ok();
        let tools = || DeveloperToolsCredential::new(None).ok().map(|c| c as Arc<dyn TokenCredential>);
        // Where a machine may have no identity, asking for it takes longest.
        let on_service = variable("IDENTITY_ENDPOINT").is_some();
        let order = match on_service {
            true => [application(), workload(), managed(), tools()],
            false => [application(), workload(), tools(), managed()],
        };
        Self { links: order.into_iter().flatten().collect(), chosen: OnceCell::new() }
    }
}

#[async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some(chosen) = self.chosen.get() {
            return Patient(chosen.clone()).get_token(scopes, options).await;
        }
        let mut failures = Vec::new();
        for link in &self.links {
            match Patient(link.clone()).get_token(scopes, options.clone()).await {
                Ok(token) => {
                    // Another request may have been faster, with the same choice.
                    let _ = self.chosen.set(link.clone());
                    return Ok(token);
                }
                Err(failed) => failures.push(root(&failed)),
            }
        }
        Err(credential_error(failures.join("; ")))
    }
}

fn credential_error(message: impl Into<std::borrow::Cow<'static, str>>) -> azure_core::Error {
    azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, message)
}

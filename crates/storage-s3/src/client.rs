//! The vendor's client: one TLS stack, no retries and no timeouts of its own but on connecting. `Store` has the rest.

use std::path::Path;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::endpoint::Params;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    ProvideCredentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector, http_client_fn};
use aws_types::service_config::ServiceConfigKey;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use storage_core::{Error, ErrorKind, Result};

use crate::config::{Config, Credentials};
use crate::error::root;
use crate::wire::{Keys, Place, Signer, Wire, place};

/// What `open` finds out about the service.
#[derive(Debug)]
pub(crate) struct Service {
    /// For what is rare.
    pub(crate) client: aws_sdk_s3::Client,
    /// For what every object needs, over the same connections.
    pub(crate) wire: Wire,
    /// Whether it is AWS, or something that speaks its protocol.
    pub(crate) is_aws: bool,
    /// Whether requests travel encrypted, so that signing their bodies adds nothing.
    pub(crate) is_tls: bool,
}

pub(crate) async fn connect(config: &Config) -> Result<Service> {
    // Names of regions come from the same places as the vendor's tools', but for the metadata of a machine that is
    // mostly not there and would be waited for.
    let mut profile = ProfileFileRegionProvider::builder();
    if let Credentials::Profile(name) = &config.credentials {
        profile = profile.profile_name(name);
    }
    let region = RegionProviderChain::first_try(config.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(Region::new("us-east-1"));
    let region = region.region().await;
    let tls = config.ca_file.as_deref().map_or_else(|| Ok(TlsContext::default()), trusting)?;
    let settings = HttpConnectorSettings::builder().connect_timeout(config.connect_timeout).build();
    let connector = connector(settings, tls.clone());
    let shared_connector = connector.clone();
    // Who is asked for keys may be nowhere: those requests have limits of their own.
    let http_client = http_client_fn(move |settings, _| match settings.read_timeout() {
        Some(_) => self::connector(settings.clone(), tls.clone()),
        None => shared_connector.clone(),
    });
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        .region(region.clone())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    loader = match &config.credentials {
        Credentials::Chain => loader,
        Credentials::Profile(name) => {
            // The vendor's chain would take keys of the environment before those of a profile that was asked for.
            let settings =
                ProviderConfig::default().with_http_client(http_client).with_region(region.clone());
            let profile = ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(name);
            let profile = profile.build();
            // A profile that is not there is told of the first time alone, and nobody would know by which name.
            profile.provide_credentials().await.map_err(|e| no_profile(name, &e))?;
            loader.profile_name(name).credentials_provider(profile)
        }
        Credentials::Anonymous => loader.no_credentials(),
        Credentials::Keys { id, secret, token } => {
            let token = token.as_ref().map(|t| t.reveal().to_owned());
            let keys =
                aws_sdk_s3::config::Credentials::new(id, secret.reveal(), token, None, "Haul's options");
            loader.credentials_provider(keys)
        }
    };
    let shared = loader.load().await;
    let endpoint = config.endpoint.clone().or_else(|| found_endpoint(&shared));
    endpoint.as_deref().map_or(Ok(()), check_endpoint)?;
    let endpoint = endpoint.map(place::with_slash);
    let is_aws = endpoint.as_deref().is_none_or(is_aws);
    let mut specific = aws_sdk_s3::config::Builder::from(&shared);
    specific.set_endpoint_url(endpoint.clone());
    let path_style = config.path_style.unwrap_or(!is_aws);
    let specific = specific
        .force_path_style(path_style)
        // What `Store` sends carries its own checksum; the vendor's default breaks services that know none.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    let client = aws_sdk_s3::Client::from_conf(specific);
    let params = Params::builder()
        .bucket(&config.bucket)
        .force_path_style(path_style)
        .disable_s3_express_session_auth(disables_sessions())
        .use_fips(shared.use_fips().unwrap_or(false))
        .use_dual_stack(shared.use_dual_stack().unwrap_or(false))
        .set_region(region.map(|region| region.to_string()))
        .set_endpoint(endpoint.clone())
        .build();
    let params = params.map_err(|e| {
        Error::new(ErrorKind::InvalidConfig, "the settings name no bucket").with_source(root(&e))
    })?;
    let place = Place::resolve(&params).await?;
    let (keys, of_copies) = match shared.credentials_provider() {
        None => (Keys::Nobody, None),
        Some(provider) if place.has_sessions => {
            let session = Keys::Session { client: client.clone(), bucket: config.bucket.clone() };
            (session, Some(Keys::Provider(provider)))
        }
        Some(provider) => (Keys::Provider(provider), None),
    };
    let signer = |keys| Signer::new(keys, place.region.clone(), place.service.clone());
    let (signer, of_copies) = (signer(keys), of_copies.map(signer));
    let wire = Wire { connector, base: place.url, signer, of_copies };
    let is_tls = endpoint.is_none_or(|url| url.starts_with("https://"));
    Ok(Service { client, wire, is_aws, is_tls })
}

/// What environment and profile say: for S3 alone, or for all services. The vendor's client looks at both by itself, but
/// does not tell what it found.
fn found_endpoint(shared: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = shared.service_config().zip(key.ok()).and_then(|(found, key)| found.load_config(key));
    own.or_else(|| shared.endpoint_url().map(str::to_owned))
}

/// The vendor's switch against sessions of directory buckets.
fn disables_sessions() -> bool {
    std::env::var("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH").is_ok_and(|told| told.eq_ignore_ascii_case("true"))
}

fn is_aws(url: &str) -> bool {
    let host = host(url).to_ascii_lowercase();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

fn no_profile(name: &str, why: &(dyn std::error::Error + 'static)) -> Error {
    let message = format!("the profile `{name}` gives no credentials; does it exist, and is it logged in?");
    Error::new(ErrorKind::Unauthenticated, message).with_source(root(why))
}

/// What keeps the connections: one pool for all requests, whoever builds them. A proxy is taken from the environment, as
/// by other tools.
fn connector(settings: HttpConnectorSettings, tls: TlsContext) -> SharedHttpConnector {
    let builder = Connector::builder()
        .connector_settings(settings)
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls);
    SharedHttpConnector::new(builder.build())
}

/// TLS that trusts the authorities of this file besides the system's.
fn trusting(path: &Path) -> Result<TlsContext> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    let pem = std::fs::read(path)
        .map_err(|e| wrong(format!("`ca_file` {} cannot be read", path.display())).with_source(e))?;
    if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
        return Err(wrong(format!("`ca_file` {} holds no PEM certificate", path.display())));
    }
    // The vendor's client panics at what it cannot take.
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let cannot =
            |why: String| wrong(format!("`ca_file` {} cannot be used", path.display())).with_source(why);
        let certificate = certificate.map_err(|e| cannot(e.to_string()))?;
        roots.add(certificate).map_err(|e| cannot(e.to_string()))?;
    }
    let trust = TrustStore::default().with_pem_certificate(pem);
    TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|e| wrong(format!("`ca_file` {} cannot be used", path.display())).with_source(e))
}

fn check_endpoint(url: &str) -> Result<()> {
    // With a user or a query it would hold secrets, and be no place to put paths behind.
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '\\');
    let has_scheme = url.starts_with("http://") || url.starts_with("https://");
    if has_scheme && url.chars().all(fine) && !host(url).is_empty() && has_port_or_none(url) {
        return Ok(());
    }
    let message = "option `endpoint` is a URL such as `https://s3.example.org`";
    Err(Error::new(ErrorKind::InvalidConfig, message))
}

fn host(url: &str) -> &str {
    split(url).0
}

fn has_port_or_none(url: &str) -> bool {
    split(url).1.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Host and port of a URL. The colons of an address of version 6 stand in brackets.
fn split(url: &str) -> (&str, Option<&str>) {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or("");
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_endpoint, host, is_aws};

    #[test]
    fn endpoints() {
        assert_eq!(host("https://s3.eu-west-1.amazonaws.com/x"), "s3.eu-west-1.amazonaws.com");
        assert!(is_aws("https://s3.cn-north-1.amazonaws.com.cn") && is_aws("https://S3.Amazonaws.com:443/"));
        assert!(!is_aws("https://amazonaws.com.example.org") && !is_aws("http://127.0.0.1:9000"));
        assert_eq!(host("http://127.0.0.1:9000"), "127.0.0.1");
        assert_eq!(host("http://[::1]:9000"), "[::1]");
        assert_eq!(host("http://[::1]"), "[::1]");
        assert!(check_endpoint("http://localhost").is_ok());
        assert!(check_endpoint("https://[::1]:9000/base").is_ok());
        for wrong in ["http://h:x", "http://h:99999", "https://id:secret@h", "http://h h", "http://h?x=y"] {
            assert!(check_endpoint(wrong).is_err(), "{wrong}");
        }
        assert!(check_endpoint("localhost:9000").is_err());
        assert!(check_endpoint("https://").is_err());
    }
}

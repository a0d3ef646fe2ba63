//! Connection strings, "Configure Azure Storage connection strings" of the service's documentation.

use storage_core::{Error, ErrorKind, Result, Secret};

use crate::config::Credentials;

/// The emulator's account and key are published with it.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What a connection string says.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    pub(crate) account: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) credentials: Credentials,
}

impl ConnectionString {
    pub(crate) fn parse(text: &Secret) -> Result<Self> {
        let pairs: Vec<(&str, &str)> =
            text.reveal().split(';').filter_map(|pair| pair.trim().split_once('=')).collect();
        let get = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        if get("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self {
                account: Some(EMULATOR_ACCOUNT.to_owned()),
                endpoint: Some(format!("http://127.0.0.1:10000/{EMULATOR_ACCOUNT}")),
                credentials: Credentials::AccountKey(EMULATOR_KEY.into()),
            });
        }
        let account = get("AccountName").map(str::to_owned);
        let scheme = get("DefaultEndpointsProtocol").unwrap_or("https");
        let suffix = get("EndpointSuffix").unwrap_or("core.windows.net");
        let endpoint = get("BlobEndpoint").map(|url| url.trim_end_matches('/').to_owned());
        let derived = account.as_ref().map(|account| format!("{scheme}://{account}.blob.{suffix}"));
        let endpoint = endpoint.or(derived);
        if endpoint.is_none() {
            let message = "a connection string names `AccountName` or `BlobEndpoint`; this one has neither";
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        let credentials = match (get("AccountKey"), get("SharedAccessSignature")) {
            (Some(key), _) => Credentials::AccountKey(key.into()),
            (None, Some(sas)) => Credentials::Sas(sas.into()),
            (None, None) => Credentials::Anonymous,
        };
        Ok(Self { account, endpoint, credentials })
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionString;
    use crate::config::Credentials;

    #[test]
    fn connection_strings() {
        let parse = |text: &str| ConnectionString::parse(&text.into());
        let found = parse(
            "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a2V5PT0=;EndpointSuffix=core.chinacloudapi.cn",
        );
        let found = found.expect("a connection string");
        assert_eq!(found.endpoint.as_deref(), Some("https://me.blob.core.chinacloudapi.cn"));
        assert!(matches!(found.credentials, Credentials::AccountKey(key) if key.reveal() == "a2V5PT0="));
        let sas =
            parse("BlobEndpoint=https://me.blob.core.windows.net/;SharedAccessSignature=sv=2023&sig=a%3D");
        let sas = sas.expect("a connection string");
        assert_eq!(sas.endpoint.as_deref(), Some("https://me.blob.core.windows.net"));
        assert!(matches!(sas.credentials, Credentials::Sas(sas) if sas.reveal() == "sv=2023&sig=a%3D"));
        assert!(parse("UseDevelopmentStorage=true").is_ok());
        assert!(parse("hunter2").is_err_and(|error| !error.to_string().contains("hunter2")));
    }
}

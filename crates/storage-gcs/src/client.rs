//! The way to the service: one HTTP client, and what goes with every request.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use storage_core::{Algorithm, Error, ErrorKind, Result, Retry, Secret};

use crate::auth::Auth;
use crate::config::Config;
use crate::error::{Refused, broken, broken_answer, not_from_service, not_sent, refused, to_build};

const GOOGLE: &str = "https://storage.googleapis.com";
/// Where an emulator is, as Google's own clients look for it.
const EMULATOR: &str = "STORAGE_EMULATOR_HOST";
/// How long a request may take for which nobody else keeps a limit.
pub(crate) const WORK: Duration = Duration::from_secs(600);
/// More than a page of a thousand objects takes, with all the metadata that they can have.
const ANSWER_MAX: usize = 128 << 20;
/// More than any error tells.
const ERROR_MAX: usize = 64 << 10;

/// The service as opened.
pub(crate) struct Service {
    http: Client,
    pub(crate) endpoint: String,
    pub(crate) auth: Auth,
    project: Option<HeaderValue>,
}

impl Service {
    /// Reads settings and credentials; asks nothing of the service yet.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let emulator = std::env::var(EMULATOR).ok().filter(|host| !host.is_empty());
        let emulator =
            emulator.map(|host| if host.contains("://") { host } else { format!("http://{host}") });
        let is_emulator = config.endpoint.is_none() && emulator.is_some();
        let endpoint = config.endpoint.clone().or(emulator).unwrap_or_else(|| GOOGLE.to_owned());
        check_endpoint(&endpoint)?;
        let project = config.user_project.as_deref().map(HeaderValue::from_str).transpose();
        let project = project.map_err(|_| invalid("`user_project` is no name of a project"))?;
        let mut http = Client::builder()
            .user_agent(concat!("haul/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            // `Store` repeats; and a token goes nowhere but where it was meant to.
            .retry(reqwest::retry::never())
            // Bytes come as they lie, whatever others in the program have this library do.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &config.ca_file {
            http = http.tls_certs_merge(certificates(path)?);
        }
        Ok(Self {
            http: http.build().map_err(|failed| to_build(&failed, config.ca_file.as_deref()))?,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            auth: Auth::new(config, is_emulator)?,
            project,
        })
    }

    /// A request for a path, which begins with `/`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.endpoint))
    }

    /// Sends, and takes any answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let mut headers = self.auth.headers().await?;
        if let Some(project) = &self.project {
            headers.insert("x-goog-user-project", project.clone());
        }
        request.headers(headers).send().await.map_err(|failed| not_sent(&failed))
    }

    /// Sends, and takes a success.
    pub(crate) async fn call(&self, request: RequestBuilder) -> Result<Response, Refused> {
        let answer = self.send(request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(explain(answer).await.of_service()) }
    }

    /// Sends, and takes a success that tells JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refused> {
        Ok(parse(self.call(request).await?).await?)
    }
}

/// What a refusal tells.
pub(crate) async fn explain(mut answer: Response) -> Refused {
    let mut body = Vec::new();
    // An error whose explanation breaks off is the same error.
    let is_whole = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() <= ERROR_MAX => body.extend_from_slice(&chunk),
            Ok(_) => break true,
            Err(_) => break false,
        }
    };
    let refused = refused(answer.status().as_u16(), answer.headers(), &body);
    if is_whole { refused } else { refused.in_part() }
}

/// The JSON of a success. Whatever was asked for has been done by then.
pub(crate) async fn parse<T: DeserializeOwned>(mut answer: Response) -> Result<T> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|failed| broken_answer(&failed))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return Err(broken("the answer does not end").with_retry(Retry::Never).maybe_applied());
        }
    }
    serde_json::from_slice(&body).map_err(|failed| not_from_service(&body, &failed))
}

/// Headers with the customer's own key: for an object, and with `copy-source-` for the source of a copy.
pub(crate) fn customer_headers(key: Option<&Secret>, source: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(key) = key else { return headers };
    let bytes = BASE64.decode(key.reveal()).unwrap_or_default();
    let hash = BASE64.encode(Algorithm::Sha256.digest(&bytes).as_bytes());
    let names = match source {
        true => [
            "x-goog-copy-source-encryption-algorithm",
            "x-goog-copy-source-encryption-key",
            "x-goog-copy-source-encryption-key-sha256",
        ],
        false => ["x-goog-encryption-algorithm", "x-goog-encryption-key", "x-goog-encryption-key-sha256"],
    };
    for (name, value) in names.into_iter().zip(["AES256", key.reveal(), &hash]) {
        // The configuration was checked: the key is base64.
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

/// `?a=b&c=d` of what has a value.
pub(crate) fn query<const N: usize>(pairs: [(&str, Option<&str>); N]) -> String {
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let mut query = String::new();
    for (name, value) in given {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&crate::name::encode(value));
    }
    query
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let wrong = |why: String| {
        let message = format!("`ca_file` {} {why}", path.display());
        Error::new(ErrorKind::InvalidConfig, message)
    };
    let pem = std::fs::read(path).map_err(|failed| wrong("cannot be read".to_owned()).with_source(failed))?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|failed| wrong("cannot be used".to_owned()).with_source(failed))?;
    if found.is_empty() { Err(wrong("holds no PEM certificate".to_owned())) } else { Ok(found) }
}

fn check_endpoint(url: &str) -> Result<()> {
    // With a user or a query it would hold secrets, and be no place to put paths behind.
    let parsed = reqwest::Url::parse(url).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match parsed {
        Some(_) => Ok(()),
        None => Err(invalid("option `endpoint` is a URL such as `https://storage.googleapis.com`")),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::{check_endpoint, customer_headers, query};

    #[test]
    fn endpoints() {
        for fine in ["http://localhost:9000", "https://[::1]:9000/base", "https://storage.googleapis.com/"] {
            assert!(check_endpoint(fine).is_ok(), "{fine}");
        }
        for wrong in
            ["localhost:9000", "https://", "http://id:secret@h", "http://h?x=y", "ftp://h", "http://h:x"]
        {
            assert!(check_endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        assert_eq!(query([("a", None), ("b", Some("c/d")), ("e", Some(""))]), "?b=c%2Fd&e=");
        assert_eq!(query([("a", None)]), "");
    }

    #[test]
    fn a_customers_key_and_its_hash() {
        let key = storage_core::Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let headers = customer_headers(Some(&key), true);
        // The SHA-256 of 32 zero bytes.
        let hash = "Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU=";
        assert_eq!(headers["x-goog-copy-source-encryption-key-sha256"].as_bytes(), hash.as_bytes());
        assert!(!format!("{headers:?}").contains("AAAA"));
        assert!(customer_headers(None, false).is_empty());
    }
}

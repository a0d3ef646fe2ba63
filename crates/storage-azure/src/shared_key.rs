//! Requests signed with the account's key: "Authorize with Shared Key" of the service's documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Body, Context, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use storage_core::{Error, ErrorKind, Result, Secret};

/// An account and its key.
#[derive(Clone)]
pub(crate) struct SharedKey {
    pub(crate) account: String,
    key: Vec<u8>,
}

impl SharedKey {
    pub(crate) fn new(account: &str, key: &Secret) -> Result<Self> {
        let key = BASE64.decode(key.reveal().trim()).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "`account_key` is no base64; copy the whole key")
        })?;
        Ok(Self { account: account.to_owned(), key })
    }

    /// The signature of a text, as headers and URLs carry it.
    pub(crate) fn sign(&self, text: &str) -> String {
        sign(&self.key, text)
    }
}

/// The signature of a text with a key.
pub(crate) fn sign(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("because such a key may have any length");
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").field("account", &self.account).finish_non_exhaustive()
    }
}

#[allow(elided_lifetimes_in_paths)] // as the vendor's trait has it: another signature would not fit
#[async_trait]
impl Policy for SharedKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        request.headers_mut().insert(HeaderName::from_static("x-ms-date"), HeaderValue::from(now));
        let signature = self.sign(&to_sign(&self.account, request));
        let value = format!("SharedKey {}:{signature}", self.account);
        request.headers_mut().insert(HeaderName::from_static("authorization"), HeaderValue::from(value));
        next[0].send(ctx, request, &next[1..]).await
    }
}

fn to_sign(account: &str, request: &Request) -> String {
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().trim().to_owned()))
        .collect();
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let length = match (request.body(), header("content-length")) {
        (Body::Bytes(bytes), "") if !bytes.is_empty() => bytes.len().to_string(),
        (_, "0") => String::new(),
        (_, told) => told.to_owned(),
    };
    let own: String = headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let mut resource = format!("/{account}{}", request.url().path());
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in request.url().query_pairs() {
        query.entry(name.to_ascii_lowercase()).or_default().push(value.into_owned());
    }
    for (name, mut values) in query {
        values.sort();
        resource.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    // The date is empty: it stands in a header of the service's own.
    [
        request.method().as_str(),
        header("content-encoding"),
        header("content-language"),
        &length,
        header("content-md5"),
        header("content-type"),
        "",
        header("if-modified-since"),
        header("if-match"),
        header("if-none-match"),
        header("if-unmodified-since"),
        header("range"),
        &format!("{own}{resource}"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Request, Url};

    use super::to_sign;

    #[test]
    fn what_is_signed() {
        let url: Url =
            "https://me.blob.core.windows.net/c/a%2Fb?restype=container&comp=list".parse().expect("a URL");
        let mut request = Request::new(url, Method::Put);
        request.insert_header("x-ms-version", "2021-08-06");
        request.insert_header("x-ms-date", "Sun, 11 Oct 2009 21:49:13 GMT");
        request.insert_header("content-type", "text/plain");
        request.set_body(vec![1, 2, 3]);
        let expected = "PUT\n\n\n3\n\ntext/plain\n\n\n\n\n\n\nx-ms-date:Sun, 11 Oct 2009 21:49:13 GMT\n\
                        x-ms-version:2021-08-06\n/me/c/a%2Fb\ncomp:list\nrestype:container";
        assert_eq!(to_sign("me", &request), expected);
    }
}

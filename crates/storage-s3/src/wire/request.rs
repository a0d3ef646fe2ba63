//! What is asked.

use aws_sigv4::http_request::SignableBody;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::utf8_percent_encode;
use storage_core::{Algorithm, Payload, Result};

use super::not_built;
use crate::body::Pieces;
use crate::name::QUERY;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("storage-s3/", env!("CARGO_PKG_VERSION")));

/// Names the source of a copy.
pub(crate) const COPY_SOURCE: &str = "x-amz-copy-source";

/// One request. What it carries is checked when it is sent.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Payload,
    /// What the signature covers of it.
    signed: SignableBody<'static>,
}

impl Request {
    pub(super) fn new(method: Method, url: String) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(http::header::USER_AGENT, USER_AGENT);
        Self { method, url, headers, body: Payload::new(), signed: SignableBody::empty() }
    }

    /// Adds a parameter to the URL.
    pub(crate) fn query(&mut self, name: &'static str, value: &str) {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(name);
        self.url.push('=');
        self.url.extend(utf8_percent_encode(value, QUERY));
    }

    /// Sets a header.
    ///
    /// # Errors
    /// `InvalidInput` for a value that no header can carry.
    pub(crate) fn header(&mut self, name: &'static str, value: &str) -> Result<()> {
        let value = HeaderValue::from_str(value).map_err(|e| not_built(&e))?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }

    /// Sets these headers.
    pub(crate) fn headers(&mut self, headers: HeaderMap) {
        self.headers.extend(headers);
    }

    /// Sets the body, and whether the signature covers it.
    pub(crate) fn body(&mut self, body: Payload, signed: bool) {
        self.signed =
            if signed { SignableBody::Precomputed(sha256(&body)) } else { SignableBody::UnsignedPayload };
        // No length is told of an empty body unless it is here, and the service takes no PUT without.
        self.headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.body = body;
    }

    /// Whether the answer has no body, whatever its headers say.
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Whether it copies another object.
    pub(super) fn is_copy(&self) -> bool {
        self.headers.contains_key(COPY_SOURCE)
    }

    /// As it travels, but for the signature, and what that is to cover of the body.
    pub(super) fn into_http(self) -> Result<(http::Request<Pieces>, SignableBody<'static>)> {
        let mut request = http::Request::new(Pieces::new(&self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.url.try_into().map_err(|e: http::uri::InvalidUri| not_built(&e))?;
        *request.headers_mut() = self.headers;
        Ok((request, self.signed))
    }
}

fn sha256(body: &Payload) -> String {
    let mut hasher = Algorithm::Sha256.hasher();
    body.chunks().iter().for_each(|chunk| hasher.update(chunk));
    hasher.finish().to_hex()
}

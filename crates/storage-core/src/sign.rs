//! Requests signed ahead, for somebody who has no credentials.

use std::time::{Duration, SystemTime};

use crate::meta::Version;
use crate::secret::Secret;

/// What the holder of a signed URL may do.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignedMethod {
    /// Read the object.
    #[default]
    Get,
    /// Ask for its metadata.
    Head,
    /// Write it whole.
    Put,
    /// Delete it.
    Delete,
}

impl SignedMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Get, Self::Head, Self::Put, Self::Delete];

    /// The method as HTTP has it, such as `GET`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a backend is asked to sign.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// What the holder may do.
    pub method: SignedMethod,
    /// How long, from now; at most what [`Capabilities::signed_urls`](crate::Capabilities::signed_urls) declares.
    pub expires_in: Duration,
    /// Which version to read; the newest if `None`.
    pub version: Option<Version>,
    /// The content type that the holder of a `PUT` has to send.
    pub content_type: Option<String>,
}

impl SignRequest {
    /// A request to sign.
    pub fn new(method: SignedMethod, expires_in: Duration) -> Self {
        Self { method, expires_in, version: None, content_type: None }
    }

    /// Reads this version.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Binds a `PUT` to this content type.
    pub fn content_type(mut self, value: impl Into<String>) -> Self {
        self.content_type = Some(value.into());
        self
    }
}

/// A signed request: whoever holds it may make it, without further credentials, until it expires (clause SIGN-1).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// Its method.
    pub method: SignedMethod,
    /// Its URL, which is a secret until it expires.
    pub url: Secret,
    /// Headers that have to be sent with it, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it expires.
    pub expires: SystemTime,
}

impl SignedRequest {
    /// A signed request without headers.
    pub fn new(method: SignedMethod, url: impl Into<Secret>, expires: SystemTime) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), expires }
    }
}

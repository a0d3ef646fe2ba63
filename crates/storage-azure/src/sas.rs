//! Shared access signatures of one blob: "Create a service SAS" and "Create a user delegation SAS" of the service's
//! documentation, in the form that both have had since version 2020-12-06.

use std::time::{Duration, SystemTime};

use azure_core::http::{Body, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{Error, ErrorKind, Key, Result, Version};

use crate::client::{Service, query};
use crate::shared_key::{SharedKey, sign};
use crate::xml::elements;

/// The version of the form. Later ones have more lines in the signed text.
const VERSION: &str = "2023-11-03";
/// How long the service may read the source of a copy.
const COPY: Duration = Duration::from_secs(3600);
/// Clocks differ.
const SKEW: Duration = Duration::from_secs(15 * 60);
/// The longest that a key which the service gives holds.
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What may be done to one blob, until when.
pub(crate) struct Permit<'a> {
    pub(crate) key: &'a Key,
    pub(crate) version: Option<&'a Version>,
    /// Letters in the order of the documentation: `racwdx`.
    pub(crate) permissions: &'a str,
    pub(crate) expires: SystemTime,
}

/// A key that the service gave to whoever is logged in, to sign with.
pub(crate) struct DelegationKey {
    oid: String,
    tid: String,
    start: String,
    expiry: String,
    service: String,
    version: String,
    value: Vec<u8>,
}

/// The query that lets the service read the source of a copy.
pub(crate) fn for_copy(
    service: &Service,
    key: &SharedKey,
    source: &Key,
    version: Option<&Version>,
) -> String {
    let permit = Permit { key: source, version, permissions: "r", expires: SystemTime::now() + COPY };
    by_account_key(service, key, &permit)
}

/// A query signed with the account's key.
pub(crate) fn by_account_key(service: &Service, key: &SharedKey, permit: &Permit<'_>) -> String {
    let (expiry, resource) = (written(permit.expires), resource(service, permit.key));
    let to_sign = [
        permit.permissions,
        "",
        &expiry,
        &resource,
        "",
        "",
        protocols(service),
        VERSION,
        kind(permit),
        permit.version.map_or("", Version::as_str),
        "",
        "",
        "",
        "",
        "",
        "",
    ]
    .join("\n");
    query([
        ("sp", Some(permit.permissions)),
        ("se", Some(&expiry)),
        ("spr", Some(protocols(service))),
        ("sv", Some(VERSION)),
        ("sr", Some(kind(permit))),
        ("sig", Some(&key.sign(&to_sign))),
    ])
}

/// A query signed with a key that was asked for.
pub(crate) fn by_delegation(service: &Service, key: &DelegationKey, permit: &Permit<'_>) -> String {
    let (expiry, resource) = (written(permit.expires), resource(service, permit.key));
    let to_sign = [
        permit.permissions,
        "",
        &expiry,
        &resource,
        &key.oid,
        &key.tid,
        &key.start,
        &key.expiry,
        &key.service,
        &key.version,
        "",
        "",
        "",
        "",
        protocols(service),
        VERSION,
        kind(permit),
        permit.version.map_or("", Version::as_str),
        "",
        "",
        "",
        "",
        "",
        "",
    ]
    .join("\n");
    query([
        ("sp", Some(permit.permissions)),
        ("se", Some(&expiry)),
        ("skoid", Some(&key.oid)),
        ("sktid", Some(&key.tid)),
        ("skt", Some(&key.start)),
        ("ske", Some(&key.expiry)),
        ("sks", Some(&key.service)),
        ("skv", Some(&key.version)),
        ("spr", Some(protocols(service))),
        ("sv", Some(VERSION)),
        ("sr", Some(kind(permit))),
        ("sig", Some(&sign(&key.value, &to_sign))),
    ])
}

/// Asks the service for a key to sign with, for whoever is logged in.
pub(crate) async fn delegation_key(service: &Service, expires: SystemTime) -> Result<DelegationKey> {
    // The longest that such a key holds counts from its start.
    let start = (SystemTime::now() - SKEW).max(expires - LONGEST);
    let (start, expiry) = (written(start), written(expires));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>"
    );
    let mut post = Request::new(service.account_url("restype=service&comp=userdelegationkey"), Method::Post);
    post.insert_header("content-type", "application/xml");
    post.set_body(Body::Bytes(body.into()));
    let answer = service.send(post).await?;
    let names =
        ["SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value"];
    let [Some(oid), Some(tid), Some(start), Some(expiry), Some(service), Some(version), Some(value)] =
        elements(answer.body(), names)?
    else {
        return Err(Error::new(ErrorKind::InvalidData, "the service gave no whole key to sign with"));
    };
    let value = BASE64.decode(value);
    let value =
        value.map_err(|_| Error::new(ErrorKind::InvalidData, "the service gave a key that is none"))?;
    Ok(DelegationKey { oid, tid, start, expiry, service, version, value })
}

fn kind(permit: &Permit<'_>) -> &'static str {
    if permit.version.is_some() { "bv" } else { "b" }
}

fn protocols(service: &Service) -> &'static str {
    if service.is_tls() { "https" } else { "https,http" }
}

fn resource(service: &Service, key: &Key) -> String {
    format!("/blob/{}/{}/{}", service.account, service.container, key.as_str())
}

/// A time as signatures have it, in whole seconds.
pub(crate) fn written(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

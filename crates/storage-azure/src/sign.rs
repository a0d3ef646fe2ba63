//! Requests signed ahead. A signature permits reading, writing or deleting one blob, not a method.

use std::time::{Duration, SystemTime};

use storage_core::{Error, ErrorKind, Key, Result, SignRequest, SignedMethod, SignedRequest};

use crate::auth::Auth;
use crate::backend::Container;
use crate::name::check;
use crate::sas::{Permit, by_account_key, by_delegation, delegation_key};

pub(crate) async fn presign(
    container: &Container,
    key: &Key,
    request: &SignRequest,
) -> Result<SignedRequest> {
    check(key)?;
    if request.content_type.is_some() {
        return Err(Error::unsupported("a shared access signature binds no content type"));
    }
    let permissions = match (request.method, &request.version) {
        (SignedMethod::Get | SignedMethod::Head, _) => "r",
        (SignedMethod::Put, _) => "cw",
        (SignedMethod::Delete, None) => "d",
        (SignedMethod::Delete, Some(_)) => "x",
        _ => return Err(Error::unsupported("Azure signs GET, HEAD, PUT and DELETE")),
    };
    let expires = whole_seconds(SystemTime::now()) + request.expires_in;
    let permit = Permit { key, version: request.version.as_ref(), permissions, expires };
    let service = &container.service;
    let signature = match &service.auth {
        Auth::Key(shared) => by_account_key(service, shared, &permit),
        Auth::Token(_) => by_delegation(service, &delegation_key(service, expires).await?, &permit),
        Auth::Sas(_) | Auth::Nobody => {
            let message = "these credentials sign nothing; an account's key or a login does";
            return Err(Error::new(ErrorKind::Unauthenticated, message));
        }
    };
    let mut url = service.plain_url(key);
    let version = request.version.as_ref().map(|version| version.as_str());
    let query = crate::client::query([("versionid", version)]);
    let query = [query.as_str(), signature.as_str()].join("&");
    url.set_query(Some(query.trim_start_matches('&')));
    let mut answer = SignedRequest::new(request.method, url.to_string(), expires);
    if request.method == SignedMethod::Put {
        answer.headers.push(("x-ms-blob-type".to_owned(), "BlockBlob".to_owned()));
        let config = &container.config;
        // The holder sends these headers: what is written is a blob of this store.
        let settings =
            [("x-ms-access-tier", &config.access_tier), ("x-ms-encryption-scope", &config.encryption_scope)];
        let settings =
            settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        answer.headers.extend(settings);
    }
    Ok(answer)
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

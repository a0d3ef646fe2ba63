//! Copies within the account: in one request, or by blocks where that is too large or the attributes are to be others.
//! Both publish in one step; the service's older copy, which may go on after its answer, does not.

use azure_core::http::{Etag, Method, Request, Url};
use azure_storage_blob::models::{BlockBlobClientStageBlockFromUrlOptions, HttpRange};
use futures_util::{StreamExt, TryStreamExt, stream};
use storage_core::{
    Condition, CopyRequest, ETag, Error, ErrorKind, Key, Metadata, Result, StatRequest, Version,
};

use crate::auth::Auth;
use crate::backend::Container;
use crate::client::query;
use crate::error::{Refused, error};
use crate::metadata::{check_headers, header, told_etag};
use crate::name::check;
use crate::read::stat;
use crate::sas;
use crate::upload::{Commit, block_id, commit};
use crate::write::{conditions, is_only_begun, settle};

/// The most that one request copies.
const ONE_REQUEST: u64 = 256 << 20;
/// A block of a copy moves no byte through the client: large blocks, few requests.
const BLOCK: u64 = 256 << 20;
/// Blocks of a copy side by side.
const CONCURRENCY: usize = 8;

/// What is copied: an object of this container, or of another of the same account.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) container: &'a Container,
    pub(crate) key: &'a Key,
}

pub(crate) async fn copy(
    container: &Container,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
) -> Result<Metadata> {
    check(to)?;
    if let Some(attributes) = &request.attributes {
        check_headers(attributes)?;
    }
    let mut asked = StatRequest::default();
    asked.version = request.source_version.clone();
    let is_itself = from.container.config.container == container.config.container && from.key == to;
    let source = stat(from.container, from.key, &asked).await?;
    if let Some(expected) = &request.source_if_match
        && source.etag.as_ref() != Some(expected)
    {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the source has another ETag"));
    }
    let mut place = Source::new(from.container, from.key, request.source_version.as_ref()).await?;
    if is_itself && request.source_version.is_none() {
        place.replaces = source.etag.clone();
    }
    // Onto itself, a blob would keep the token of the write that made it.
    let whole = request.attributes.is_none() && !is_itself && source.size <= ONE_REQUEST;
    let conditions = |refused| of_conditions(refused, &request.condition);
    let in_blocks = async || by_blocks(container, to, &source, &place, request).await.map_err(conditions);
    let headers = if whole {
        match in_one(container, to, &source, &place, &request.condition).await.map_err(conditions) {
            Err(refused) if is_only_begun(container, to, &refused).await => in_blocks().await?,
            copied => copied?,
        }
    } else {
        in_blocks().await?
    };
    let mut copied = Metadata::new(source.size);
    copied.etag = Some(told_etag(&headers)?);
    copied.modified = header(&headers, "last-modified").and_then(crate::metadata::time);
    let version = header(&headers, "x-ms-version-id").filter(|_| container.config.versions);
    copied.version = version.map(Version::new);
    copied.attributes = request.attributes.clone().unwrap_or(source.attributes);
    copied.checksums = source.checksums;
    Ok(copied)
}

type Headers = azure_core::http::headers::Headers;

/// Where the source is, and what lets the service read it.
struct Source {
    url: Url,
    authorization: Option<String>,
    /// What new attributes are for: were it replaced meanwhile, they would bring the old content back.
    replaces: Option<ETag>,
}

impl Source {
    async fn new(container: &Container, key: &Key, version: Option<&Version>) -> Result<Self> {
        let service = &container.service;
        let mut url = service.blob_url(key, &query([("versionid", version.map(Version::as_str))]));
        let mut authorization = None;
        match &service.auth {
            Auth::Key(shared) => {
                let signed = sas::for_copy(service, shared, key, version);
                let query = [url.query().unwrap_or_default(), &signed].join("&");
                url.set_query(Some(query.trim_start_matches('&')));
            }
            Auth::Token(credential) => {
                let token = credential.get_token(&[crate::client::SCOPE], None).await;
                let token = token.map_err(|failed| error(failed).error)?;
                authorization = Some(format!("Bearer {}", token.token.secret()));
            }
            // The signature of every URL is in this one, too.
            Auth::Sas(_) | Auth::Nobody => {}
        }
        Ok(Self { url, authorization, replaces: None })
    }
}

async fn in_one(
    container: &Container,
    to: &Key,
    source: &Metadata,
    place: &Source,
    condition: &Condition,
) -> Result<Headers, Refused> {
    let mut put = Request::new(container.service.blob_url(to, ""), Method::Put);
    put.insert_header("x-ms-copy-source", place.url.to_string());
    put.insert_header("x-ms-requires-sync", "true");
    if let Some(value) = &place.authorization {
        put.insert_header("x-ms-copy-source-authorization", value.clone());
    }
    if let Some(etag) = &source.etag {
        put.insert_header("x-ms-source-if-match", etag.as_str().to_owned());
    }
    settle(&mut put, &container.config);
    let (if_match, if_none_match) = conditions(condition);
    if let Some(etag) = if_match {
        put.insert_header("if-match", etag);
    }
    if let Some(any) = if_none_match {
        put.insert_header("if-none-match", any);
    }
    let answer = container.service.send(put).await?;
    Ok(answer.headers().clone())
}

async fn by_blocks(
    container: &Container,
    to: &Key,
    source: &Metadata,
    place: &Source,
    request: &CopyRequest,
) -> Result<Headers, Refused> {
    let token = format!("{:032x}", fastrand::u128(..));
    let count = source.size.div_ceil(BLOCK);
    let blocks: Vec<_> = (0..count).map(|at| copy_block(container, to, source, place, &token, at)).collect();
    stream::iter(blocks).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    let ids = (0..count).map(|at| block_id(&token, at)).collect();
    let attributes = request.attributes.as_ref().unwrap_or(&source.attributes);
    let condition = match (&request.condition, &place.replaces) {
        (Condition::None, Some(etag)) => &Condition::IfMatch(etag.clone()),
        (condition, _) => condition,
    };
    let md5 = source.checksums.get(storage_core::Algorithm::Md5).map(|md5| md5.as_bytes().to_vec());
    let what = Commit { attributes, token: None, condition, md5 };
    commit(container, to, ids, what).await
}

async fn copy_block(
    container: &Container,
    to: &Key,
    source: &Metadata,
    place: &Source,
    token: &str,
    at: u64,
) -> Result<(), Refused> {
    let (start, end) = (at * BLOCK, ((at + 1) * BLOCK).min(source.size));
    let options = BlockBlobClientStageBlockFromUrlOptions {
        copy_source_authorization: place.authorization.clone(),
        source_range: Some(HttpRange::new(start, end - start)),
        source_if_match: source.etag.as_ref().map(|etag| Etag::from(etag.as_str())),
        encryption_scope: container.config.encryption_scope.clone(),
        ..Default::default()
    };
    let client = container.service.blob(to).block_blob_client();
    let staged =
        client.stage_block_from_url(&block_id(token, at), 0, place.url.to_string(), Some(options)).await;
    match staged.map_err(error) {
        Err(refused) if refused.status == Some(412) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "the source changed while it was copied").into())
        }
        staged => staged.map(drop),
    }
}

/// Which of the conditions failed: the service has a name of its own for those on the source.
fn of_conditions(refused: Refused, condition: &Condition) -> Error {
    if refused.code == "SourceConditionNotMet"
        || (refused.status == Some(412) && *condition == Condition::None)
    {
        return Error::new(ErrorKind::PreconditionFailed, "the source changed while it was copied");
    }
    if refused.code == "CannotVerifyCopySource" && refused.status == Some(404) {
        return Error::new(ErrorKind::NotFound, "the source is not there").with_source(refused.error);
    }
    refused.of_condition(condition)
}

//! Copies within the service, in as many requests as the service asks for.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use storage_core::{
    Attributes, Condition, CopyRequest, ETag, Error, ErrorKind, Key, Metadata, Result, StatRequest,
};

use crate::backend::Bucket;
use crate::client::{WORK, customer_headers, query};
use crate::error::{Refused, broken};
use crate::name::check;
use crate::read::{known, stat};
use crate::resource::{FIELDS, Properties, Resource, generation};
use crate::write::if_generation_match;

/// So many requests in a row may move nothing.
const STANDSTILL: u32 = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rewrite {
    #[serde(default)]
    done: bool,
    rewrite_token: Option<String>,
    total_bytes_rewritten: Option<String>,
    resource: Option<Resource>,
}

/// What is copied: an object of this bucket, or of another of the same service.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) key: &'a Key,
}

pub(crate) async fn copy(
    bucket: &Bucket,
    from: From<'_>,
    to: &Key,
    request: &CopyRequest,
) -> Result<Metadata> {
    check(from.key)?;
    check(to)?;
    let version = known(request.source_version.as_ref())?;
    let Own { attributes, pinned } = own(bucket, from, to, request).await?;
    let properties = attributes.map(|own| Properties::new(&bucket.config, to, &own, None)).transpose()?;
    let source_if_match = request.source_if_match.as_ref().or(pinned.as_ref());
    let fields = format!("done,rewriteToken,totalBytesRewritten,resource({FIELDS})");
    let mut token: Option<String> = None;
    let (mut copied, mut standing) = (None, 0);
    loop {
        let path = format!(
            "{}/rewriteTo/b/{}/o/{}{}",
            from.bucket.object(from.key),
            crate::name::encode(&bucket.config.bucket),
            crate::name::encode(to.as_str()),
            query([
                ("sourceGeneration", version),
                ("ifSourceGenerationMatch", source_if_match.map(generation)),
                ("ifGenerationMatch", if_generation_match(&request.condition)),
                ("destinationPredefinedAcl", bucket.config.predefined_acl.as_deref()),
                ("destinationKmsKeyName", bucket.config.kms_key.as_deref()),
                ("rewriteToken", token.as_deref()),
                ("fields", Some(&fields)),
            ])
        );
        let body = properties.as_ref().map(Properties::to_json).unwrap_or_default();
        let post = bucket
            .service
            .request(Method::POST, &path)
            .timeout(WORK)
            .headers(bucket.customer())
            .headers(customer_headers(bucket.config.customer_key.as_ref(), true))
            .header(CONTENT_TYPE, "application/json; charset=UTF-8")
            .body(body);
        let rewritten = bucket.service.json::<Rewrite>(post).await;
        let rewritten = rewritten.map_err(|refused| of_conditions(refused, request, pinned.is_some()))?;
        match (rewritten.done, rewritten.resource, rewritten.rewrite_token) {
            (true, Some(made), _) => return made.metadata(to, bucket.config.versions),
            (false, _, Some(next)) => {
                standing = if rewritten.total_bytes_rewritten == copied { standing + 1 } else { 0 };
                if standing > STANDSTILL {
                    return Err(broken("the service copies nothing, and says that there is more to copy"));
                }
                (copied, token) = (rewritten.total_bytes_rewritten, Some(next));
            }
            _ => return Err(broken("the service says that there is more to copy, not where").maybe_applied()),
        }
    }
}

/// Which of the conditions failed, as far as the service tells.
fn of_conditions(refused: Refused, request: &CopyRequest, is_pinned: bool) -> Error {
    match (refused.error.kind(), &request.source_if_match, &request.condition) {
        (ErrorKind::PreconditionFailed, Some(_), Condition::None) => {
            Error::new(ErrorKind::PreconditionFailed, "the source has another ETag")
        }
        (ErrorKind::PreconditionFailed, None, Condition::None) if is_pinned => {
            Error::new(ErrorKind::Unavailable, "the source was replaced while it was copied")
        }
        (_, _, condition) => refused.of_condition(condition),
    }
}

/// What the copy is given, rather than what the service would take over.
struct Own {
    attributes: Option<Attributes>,
    /// The source that has these attributes.
    pinned: Option<ETag>,
}

/// An object copied onto itself would keep the token of the write that made it, and a copy the class of its source.
async fn own(bucket: &Bucket, from: From<'_>, to: &Key, request: &CopyRequest) -> Result<Own> {
    let is_itself = from.bucket.config.bucket == bucket.config.bucket && from.key == to;
    let is_taken_over = !is_itself && bucket.config.storage_class.is_none();
    if request.attributes.is_some() || is_taken_over {
        return Ok(Own { attributes: request.attributes.clone(), pinned: None });
    }
    let mut asked = StatRequest::default();
    asked.version = request.source_version.clone();
    let source = stat(from.bucket, from.key, &asked).await?;
    Ok(Own { attributes: Some(source.attributes), pinned: source.etag })
}

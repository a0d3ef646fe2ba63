//! A write in parts: blocks, and a list that makes them a blob.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::models::{
    AccessTier, BlockBlobClientCommitBlockListOptions, BlockBlobClientStageBlockOptions, BlockListType,
    BlockLookupList,
};
use bytes::Bytes;
use storage_core::{
    Attributes, BoxFuture, Condition, Error, ErrorKind, Key, Metadata, Part, Result, Resumed, TakenPart,
    Upload, WriteRequest,
};

use crate::backend::Container;
use crate::checksum::crc64_of;
use crate::error::{Refused, error};
use crate::metadata::{NO_TYPE, check_headers, user};
use crate::name::check;
use crate::write::{conditions, expected_md5, verify, written};

/// An upload. Its blocks show nowhere and go by themselves after a week.
pub(crate) struct Blocks {
    container: Arc<Container>,
    key: Key,
    request: WriteRequest,
    /// The length of each block that the service has.
    blocks: Mutex<BTreeMap<u64, u64>>,
}

pub(crate) fn start(
    container: &Arc<Container>,
    key: &Key,
    request: &WriteRequest,
) -> Result<Box<dyn Upload>> {
    check(key)?;
    check_headers(&request.attributes)?;
    // What cannot be written is told before a block is sent.
    user(&request.attributes.user, key, Some(&request.token))?;
    Ok(Box::new(Blocks {
        container: container.clone(),
        key: key.clone(),
        request: request.clone(),
        blocks: Mutex::default(),
    }))
}

/// Goes on with an upload whose blocks the service still has. A block stands if the service has it under the name that only
/// this upload gave, with the same length: it took no block without holding its CRC-64 against what came.
pub(crate) async fn resume(
    container: &Arc<Container>,
    key: &Key,
    request: &WriteRequest,
    parts: &[TakenPart],
) -> Result<Option<Resumed>> {
    check(key)?;
    let client = container.service.blob(key).block_blob_client();
    let list = match client.get_block_list(BlockListType::Uncommitted, None).await.map_err(error) {
        Ok(answer) => answer.into_model().map_err(|failed| error(failed).error)?,
        // Without blocks there is no such blob, unless somebody else made one.
        Err(refused) if refused.error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(refused) => return Err(refused.error),
    };
    let blocks = list.uncommitted_blocks.unwrap_or_default().into_iter();
    let there: BTreeMap<Vec<u8>, u64> = blocks
        .filter_map(|block| Some((block.name?, block.size.and_then(|size| u64::try_from(size).ok())?)))
        .collect();
    let stands = |part: &&TakenPart| there.get(&block_id(&request.token, part.number)) == Some(&part.length);
    let blocks: BTreeMap<u64, u64> =
        parts.iter().filter(stands).map(|part| (part.number, part.length)).collect();
    if blocks.is_empty() {
        return Ok(None);
    }
    let parts = blocks.keys().copied().collect();
    let upload = Blocks {
        container: container.clone(),
        key: key.clone(),
        request: request.clone(),
        blocks: Mutex::new(blocks),
    };
    Ok(Some(Resumed { upload: Box::new(upload), parts }))
}

/// A whole blob as one block and its list.
pub(crate) async fn by_one_block(
    container: &Arc<Container>,
    key: &Key,
    body: Bytes,
    request: &WriteRequest,
) -> Result<Metadata> {
    let upload = start(container, key, request)?;
    let size = body.len() as u64;
    if size > 0 {
        upload.part(Part::new(0, 0, body.into())).await?;
    }
    upload.finish(size).await
}

impl Blocks {
    async fn take(&self, part: Part) -> Result<()> {
        let (len, crc) = (part.body.len(), crc64_of(&part));
        let options = BlockBlobClientStageBlockOptions {
            transactional_content_crc64: Some(crc.to_vec()),
            encryption_scope: self.container.config.encryption_scope.clone(),
            ..Default::default()
        };
        let id = block_id(&self.request.token, part.number);
        let client = self.container.service.blob(&self.key).block_blob_client();
        let staged = client.stage_block(&id, len, part.body.into_bytes().into(), Some(options)).await;
        let answer = staged.map_err(|failed| error(failed).error)?;
        verify(answer.headers(), crc)?;
        self.lock().insert(part.number, len);
        Ok(())
    }

    async fn publish(&self, size: u64) -> Result<Metadata> {
        let blocks = self.lock().clone();
        let total: u64 = blocks.values().sum();
        let gapless = blocks.keys().copied().eq(0..blocks.len() as u64);
        if total != size || !gapless {
            let message = format!("the upload has {} blocks of {total} bytes for {size}", blocks.len());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let ids = blocks.keys().map(|number| block_id(&self.request.token, *number)).collect();
        let list = Commit {
            attributes: &self.request.attributes,
            token: Some(&self.request.token),
            condition: &self.request.condition,
            md5: expected_md5(&self.request),
        };
        let committed = commit(&self.container, &self.key, ids, list).await;
        let headers = committed.map_err(|refused| refused.of_condition(&self.request.condition))?;
        written(&self.container, &headers, size, &self.request)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, u64>> {
        self.blocks.lock().expect("because no holder of the lock panics")
    }
}

/// What a blob made of blocks is given.
pub(crate) struct Commit<'a> {
    pub(crate) attributes: &'a Attributes,
    pub(crate) token: Option<&'a str>,
    pub(crate) condition: &'a Condition,
    pub(crate) md5: Option<Vec<u8>>,
}

/// Makes a blob of these blocks. The same list again makes the same blob.
pub(crate) async fn commit(
    container: &Container,
    key: &Key,
    ids: Vec<Vec<u8>>,
    what: Commit<'_>,
) -> Result<azure_core::http::headers::Headers, Refused> {
    let (config, attributes) = (&container.config, what.attributes);
    let (if_match, if_none_match) = conditions(what.condition);
    let options = BlockBlobClientCommitBlockListOptions {
        blob_cache_control: attributes.cache_control.clone(),
        blob_content_disposition: attributes.content_disposition.clone(),
        blob_content_encoding: attributes.content_encoding.clone(),
        blob_content_language: attributes.content_language.clone(),
        blob_content_type: Some(attributes.content_type.clone().unwrap_or_else(|| NO_TYPE.to_owned())),
        blob_content_md5: what.md5,
        blob_tags_string: config.tags.clone(),
        encryption_scope: config.encryption_scope.clone(),
        if_match: if_match.map(Etag::from),
        if_none_match: if_none_match.map(Etag::from),
        metadata: Some(user(&attributes.user, key, what.token)?),
        tier: config.access_tier.as_deref().map(|tier| AccessTier::UnknownValue(tier.to_owned())),
        ..Default::default()
    };
    // Named once they are committed, too: the same request repeated finds them.
    let list = BlockLookupList { latest: Some(ids), ..Default::default() };
    let list: RequestContent<BlockLookupList, azure_core::http::XmlFormat> =
        list.try_into().map_err(error)?;
    let client = container.service.blob(key).block_blob_client();
    let answer = client.commit_block_list(list, Some(options)).await.map_err(error)?;
    Ok(answer.headers().clone())
}

/// The name of a block: all of a blob have the same length, and those of two uploads never meet.
pub(crate) fn block_id(token: &str, number: u64) -> Vec<u8> {
    format!("{token:0>32}{number:016}").into_bytes()
}

impl Upload for Blocks {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(part))
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(self.publish(size))
    }

    /// The service keeps blocks for a week, and drops by itself those that nobody lists.
    fn keep(&self) -> Option<String> {
        Some(self.request.token.clone())
    }

    fn receipt(&self, _: u64) -> String {
        String::new()
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("key", &self.key).finish_non_exhaustive()
    }
}

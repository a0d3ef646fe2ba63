//! A write in parts: a multipart upload.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
};
use http::Method;
use storage_core::{
    Algorithm, BoxFuture, Checksum, Error, ErrorKind, Key, Metadata, Part, Payload, Result, Resumed,
    StatRequest, TakenPart, Upload, WriteRequest,
};

use crate::backend::{Bucket, Ongoing};
use crate::checksum::{self, CRC64, encode};
use crate::error::{Refused, error, not_from_service, status};
use crate::headers;
use crate::metadata::{etag, version};
use crate::read;
use crate::write::{conditions, refused};

pub(crate) struct S3Upload {
    bucket: Arc<Bucket>,
    key: Key,
    kept: Kept,
    ongoing: Mutex<Option<Ongoing>>,
    request: WriteRequest,
    parts: Mutex<BTreeMap<u64, Taken>>,
    /// Whether the same bytes always get the same ETag: not where they are encrypted with keys of a user's own.
    is_named_by_content: bool,
}

/// A part that the service has.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) etag: String,
    pub(crate) len: u64,
    /// The CRC-64/NVME.
    pub(crate) crc: Option<Checksum>,
}

pub(crate) async fn start(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
) -> Result<Box<dyn Upload>> {
    let headers = headers::of_object(&bucket.config, key, &request.attributes, Some(&request.token))?;
    let create = async |with_checksums: bool| {
        let mut create = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key.as_str());
        if with_checksums {
            create = create
                .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
                .checksum_type(ChecksumType::FullObject);
        }
        let sent = headers::with(create.customize(), headers.clone()).send().await;
        sent.map_err(|failed| Refused { status: status(&failed), error: error(failed) })
    };
    let custom = &bucket.checksums.uploads;
    let (mut asked, sure) = (custom.is_tried(), custom.is_sure());
    let mut created = create(asked).await;
    if let Err(failed) = &created
        && asked
        && custom.may_be_why(failed)
    {
        asked = false;
        created = create(asked).await;
        created.iter().for_each(|_| custom.learn(false));
    }
    let mut answer = created.map_err(|refused| refused.error)?;
    if asked && !sure {
        asked = answer.checksum_algorithm() == Some(&ChecksumAlgorithm::Crc64Nvme);
        custom.learn(asked);
        if !asked {
            // It may want checksums of parts all the same: what is begun without surely wants none.
            let _ = abort(bucket, key.as_str(), named(answer.upload_id())?).await;
            answer = create(asked).await.map_err(|refused| refused.error)?;
        }
    }
    let id = named(answer.upload_id())?.to_owned();
    let is_plain = matches!(answer.server_side_encryption(), None | Some(ServerSideEncryption::Aes256));
    let is_named_by_content = is_plain && answer.sse_customer_algorithm().is_none();
    Ok(Box::new(S3Upload {
        bucket: bucket.clone(),
        key: key.clone(),
        ongoing: Mutex::new(Some(Ongoing::new(bucket, &id))),
        kept: Kept { id, with_checksums: asked, settings: headers::digest(&headers) },
        request: request.clone(),
        parts: Mutex::default(),
        is_named_by_content,
    }))
}

/// What another process has to know of an upload.
#[derive(Clone, Debug)]
struct Kept {
    id: String,
    /// Whether each part travels with its CRC-64/NVME.
    with_checksums: bool,
    /// A digest of what the object is given beside its content, which was settled when the upload began.
    settings: String,
}

impl Kept {
    fn name(&self) -> String {
        let how = if self.with_checksums { "crc64nvme" } else { "plain" };
        [&self.id, how, &self.settings].join(" ")
    }

    fn parse(name: &str) -> Option<Self> {
        let (rest, settings) = name.rsplit_once(' ')?;
        let (id, how) = rest.rsplit_once(' ')?;
        Some(Self { id: id.into(), with_checksums: how == "crc64nvme", settings: settings.into() })
    }
}

/// Goes on with an upload that the service still has. A part stands if the service has it under the same ETag, with the
/// same length and, where it tells one, the same checksum.
pub(crate) async fn resume(
    bucket: &Arc<Bucket>,
    key: &Key,
    request: &WriteRequest,
    name: &str,
    parts: &[TakenPart],
) -> Result<Option<Resumed>> {
    let Some(kept) = Kept::parse(name) else { return Ok(None) };
    let headers = headers::of_object(&bucket.config, key, &request.attributes, Some(&request.token))?;
    if kept.settings != headers::digest(&headers) {
        // It would become another object than the one that is asked for now.
        abort(bucket, key.as_str(), &kept.id).await?;
        return Ok(None);
    }
    let Some(there) = list_parts(bucket, key, &kept.id).await? else { return Ok(None) };
    let mut taken = BTreeMap::new();
    for part in parts {
        let Some(found) = there.get(&part.number) else { continue };
        let same_crc = found.crc.as_deref().is_none_or(|told| encode(&part.checksum) == told);
        if found.etag == part.receipt && found.len == part.length && same_crc {
            let crc = kept.with_checksums.then_some(part.checksum);
            taken.insert(part.number, Taken { etag: found.etag.clone(), len: found.len, crc });
        }
    }
    let upload = S3Upload {
        bucket: bucket.clone(),
        key: key.clone(),
        ongoing: Mutex::new(Some(Ongoing::new(bucket, &kept.id))),
        kept,
        request: request.clone(),
        parts: Mutex::new(taken),
        // The listing of its parts does not tell.
        is_named_by_content: false,
    };
    let parts = upload.taken().into_keys().collect();
    Ok(Some(Resumed { upload: Box::new(upload), parts }))
}

/// A part as the service tells of it.
struct Told {
    etag: String,
    len: u64,
    crc: Option<String>,
}

/// What the service has of an upload, unless that is gone.
async fn list_parts(bucket: &Bucket, key: &Key, id: &str) -> Result<Option<BTreeMap<u64, Told>>> {
    let mut there = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let list = bucket.client.list_parts().bucket(&bucket.name).key(key.as_str()).upload_id(id);
        let list = list.set_part_number_marker(after.take()).customize();
        let page =
            match headers::with(list, headers::of_customer(&bucket.config)?).send().await.map_err(error) {
                Ok(page) => page,
                Err(gone) if gone.kind() == ErrorKind::NotFound => return Ok(None),
                Err(failed) => return Err(failed),
            };
        for part in page.parts() {
            let number = part.part_number().and_then(|n| u64::try_from(n).ok()?.checked_sub(1));
            let len = part.size().and_then(|size| u64::try_from(size).ok());
            if let (Some(number), Some(etag), Some(len)) = (number, part.e_tag(), len) {
                let crc = part.checksum_crc64_nvme().map(str::to_owned);
                there.insert(number, Told { etag: etag.to_owned(), len, crc });
            }
        }
        let more = page.is_truncated().unwrap_or(false);
        after = page.next_part_number_marker().map(str::to_owned).filter(|_| more);
        if after.is_none() {
            return Ok(Some(there));
        }
    }
}

impl S3Upload {
    async fn send(&self, part: Part) -> Result<()> {
        let number = part.number;
        let taken = self.sent(part).await?;
        self.parts.lock().expect("because no holder of the lock panics").insert(number, taken);
        Ok(())
    }

    async fn sent(&self, part: Part) -> Result<Taken> {
        let (bucket, len) = (&self.bucket, part.body.len());
        let known = part.checksums.get(Algorithm::Crc64Nvme);
        let crc = || known.unwrap_or_else(|| part.body.checksum(Algorithm::Crc64Nvme));
        let crc = self.kept.with_checksums.then(crc);
        let mut put = bucket.wire.object(Method::PUT, &self.key);
        put.query("partNumber", &number(part.number)?.to_string());
        put.query("uploadId", &self.kept.id);
        put.headers(headers::of_customer(&bucket.config)?);
        crc.map_or(Ok(()), |crc| put.header(CRC64, &encode(&crc)))?;
        put.body(part.body, bucket.signs_bodies);
        let answer = bucket.wire.send(put).await?;
        let etag = answer.header("etag").ok_or_else(not_from_service)?.to_owned();
        checksum::verify(crc, answer.header(CRC64))?;
        Ok(Taken { etag, len, crc })
    }

    async fn publish(&self, size: u64) -> Result<Metadata> {
        if self.taken().is_empty() {
            // The protocol has no upload without parts.
            self.send(Part::new(0, 0, Payload::new())).await?;
        }
        let bucket = &self.bucket;
        let parts = self.taken();
        let total: u64 = parts.values().map(|part| part.len).sum();
        let gapless = parts.keys().copied().eq(0..parts.len() as u64);
        if total != size || !gapless {
            let message = format!("the upload has {} parts of {total} bytes for {size}", parts.len());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let (if_none_match, if_match) = conditions(&self.request.condition);
        let mut complete = bucket
            .client
            .complete_multipart_upload()
            .bucket(&bucket.name)
            .key(self.key.as_str())
            .upload_id(&self.kept.id)
            .multipart_upload(completed(&parts))
            .set_if_none_match(if_none_match)
            .set_if_match(if_match);
        let whole = whole_crc(&parts);
        if let Some(crc) = whole {
            complete = complete
                .checksum_crc64_nvme(encode(&crc))
                .checksum_type(ChecksumType::FullObject)
                .mpu_object_size(i64::try_from(size).unwrap_or(i64::MAX));
        }
        let complete = headers::with(complete.customize(), headers::of_customer(&bucket.config)?);
        let sent = complete.send().await;
        let answer = sent.map_err(|e| refused(status(&e), &self.request.condition, error(e)))?;
        self.over();
        checksum::verify(whole, answer.checksum_crc64_nvme())?;
        let Some(told) = answer.e_tag().map(etag).filter(|e| e.as_str() != "\"\"") else {
            // Some services forget to tell.
            let found = read::stat(bucket, &self.key, &StatRequest::default()).await;
            return found.map_err(Error::maybe_applied);
        };
        let mut written = Metadata::new(size);
        written.etag = Some(told);
        written.version = bucket.versions().then(|| version(answer.version_id()));
        written.token = Some(self.request.token.clone());
        written.attributes = self.request.attributes.clone();
        written.checksums = checksum::told([
            (Algorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
            (Algorithm::Crc32c, answer.checksum_crc32_c()),
            (Algorithm::Sha1, answer.checksum_sha1()),
            (Algorithm::Sha256, answer.checksum_sha256()),
        ]);
        Ok(written)
    }

    fn taken(&self) -> BTreeMap<u64, Taken> {
        self.parts.lock().expect("because no holder of the lock panics").clone()
    }

    fn over(&self) {
        *self.ongoing.lock().expect("because no holder of the lock panics") = None;
    }
}

impl Upload for S3Upload {
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.send(part))
    }

    fn takes_parts_twice(&self) -> bool {
        self.is_named_by_content
    }

    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>> {
        Box::pin(self.publish(size))
    }

    fn keep(&self) -> Option<String> {
        Some(self.kept.name())
    }

    fn receipt(&self, number: u64) -> String {
        self.taken().remove(&number).map_or_else(String::new, |part| part.etag)
    }

    fn abort(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            abort(&self.bucket, self.key.as_str(), &self.kept.id).await?;
            self.over();
            Ok(())
        })
    }
}

impl fmt::Debug for S3Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Upload").field("key", &self.key).field("id", &self.kept.id).finish_non_exhaustive()
    }
}

/// The name of an upload that was begun.
pub(crate) fn named(told: Option<&str>) -> Result<&str> {
    told.filter(|id| !id.is_empty())
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "the service named no upload").maybe_applied())
}

/// Gives an upload up. One that is gone already is fine.
pub(crate) async fn abort(bucket: &Bucket, key: &str, id: &str) -> Result<()> {
    let sent =
        bucket.client.abort_multipart_upload().bucket(&bucket.name).key(key).upload_id(id).send().await;
    match sent.map_err(error) {
        Err(failed) if failed.kind() != ErrorKind::NotFound => Err(failed),
        _ => Ok(()),
    }
}

/// Parts count from 1 in the protocol.
pub(crate) fn number(part: u64) -> Result<i32> {
    let number = part.checked_add(1).and_then(|n| i32::try_from(n).ok());
    number.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "an upload has at most 10,000 parts"))
}

pub(crate) fn completed(parts: &BTreeMap<u64, Taken>) -> CompletedMultipartUpload {
    let parts = parts.iter().map(|(at, part)| {
        CompletedPart::builder()
            .part_number(number(*at).unwrap_or(i32::MAX))
            .e_tag(&part.etag)
            .set_checksum_crc64_nvme(part.crc.as_ref().map(encode))
            .build()
    });
    CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build()
}

/// The checksum of all parts one after another, where each has one.
fn whole_crc(parts: &BTreeMap<u64, Taken>) -> Option<Checksum> {
    let mut parts = parts.values();
    let first = parts.next()?.crc?;
    parts.try_fold(first, |whole, part| whole.followed_by(&part.crc?, part.len))
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn another_process_knows_what_was_kept() {
        for with_checksums in [true, false] {
            let kept = Kept { id: "a b".into(), with_checksums, settings: "0f".into() };
            let found = Kept::parse(&kept.name()).expect("it is one");
            assert_eq!((&*found.id, found.with_checksums, &*found.settings), ("a b", with_checksums, "0f"));
        }
        assert!(Kept::parse("id").is_none() && Kept::parse("id plain").is_none());
    }
}

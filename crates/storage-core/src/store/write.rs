//! One-shot writes, and the proof that a write with a lost answer was ours (clauses WRITE-8 and ERR-3).

use bytes::Bytes;

use super::Store;
use crate::backend::Payload;
use crate::checksum::{Algorithm, Checksum, Checksums, Hashers};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{Condition, ReadOptions, StatRequest, WriteOptions, WriteRequest};
use crate::progress::Event;
use crate::retry::Repeat;

/// Finds any damage that is no attack, and costs next to nothing.
pub(super) const VERIFY: Algorithm = Algorithm::Crc64Nvme;
/// What services report of what they hold, among what costs next to nothing.
pub(super) const PROOF: [Algorithm; 2] = [VERIFY, Algorithm::Crc32c];

impl Store {
    /// Writes a whole object. After `Ok` it is visible and durable as declared, and the metadata returned equals a
    /// later stat. A large body travels in parts.
    ///
    /// # Errors
    /// `AlreadyExists` and `PreconditionFailed` as the options ask, with the old object untouched; `InvalidData` for a
    /// wrong checksum or size; `Unsupported` before a byte is sent; `InvalidKey`. After an error the old object
    /// stands, unless [`may_have_been_applied`](Error::may_have_been_applied).
    pub async fn write(&self, key: &Key, body: impl Into<Bytes>, options: WriteOptions) -> Result<Metadata> {
        let body = body.into();
        if body.len() as u64 > self.declared().limits.write_max {
            let mut writer = self.writer(key, options).await?;
            writer.write(body).await?;
            return writer.finish().await;
        }
        let mut digest = self.digest(&options);
        digest.update(&body);
        let write = async {
            let (full, request) = self.prepare_write(key, options)?;
            let checksums = digest.verify(&request, body.len() as u64)?;
            self.write_once(key, &full, body.into(), &request, checksums).await
        };
        write.await.map_err(|error| self.explain(error, Operation::Write, key.as_str()))
    }

    /// The backend's key and request, or the refusal.
    pub(super) fn prepare_write(&self, key: &Key, options: WriteOptions) -> Result<(Key, WriteRequest)> {
        self.admit_write(&options.request)?;
        let mut request = options.request;
        request.token = format!("{:032x}", fastrand::u128(..));
        Ok((self.full(key)?, request))
    }

    /// Sends the whole body in one request.
    pub(super) async fn write_once(
        &self,
        name: &Key,
        key: &Key,
        body: Payload,
        request: &WriteRequest,
        checksums: Checksums,
    ) -> Result<Metadata> {
        let size = body.len();
        self.bytes_allowed(size).await;
        let limit = Some(self.shared.timeouts.for_body(size));
        let sent = self
            .attempt(Operation::Write, self.write_repeat(request), limit, || {
                self.backend().write(key, body.clone(), request)
            })
            .await;
        let metadata = self.settle(key, request, sent).await?;
        self.shared.progress.event(Event::Bytes { operation: Operation::Write, key: name, count: size });
        self.accept(name, request, metadata, size, checksums).await
    }

    /// Holds what the service says of the new object against what was sent, and adds our checksums to its own. Where the
    /// write is to be verified and the service gives no proof, the object is read back.
    pub(super) async fn accept(
        &self,
        name: &Key,
        request: &WriteRequest,
        mut metadata: Metadata,
        size: u64,
        checksums: Checksums,
    ) -> Result<Metadata> {
        if metadata.size != size {
            let message = format!("{size} bytes were sent and the store holds {}", metadata.size);
            return Err(Error::new(ErrorKind::InvalidData, message).maybe_applied());
        }
        let agree = metadata.checksums.agree(&checksums);
        if agree == Some(false) {
            let error =
                Error::new(ErrorKind::InvalidData, "the store reports another checksum than was sent");
            return Err(error.maybe_applied());
        }
        if request.verify && agree.is_none() && !self.declared().verified_writes {
            Box::pin(self.read_back(name, &metadata, &checksums)).await?;
        }
        for checksum in checksums.iter() {
            metadata.checksums.insert(checksum);
        }
        Ok(metadata)
    }

    /// Reads a new object and compares. If somebody else has replaced it meanwhile, nothing can be said of it any more, which is
    /// an error and no proof.
    async fn read_back(&self, name: &Key, written: &Metadata, sent: &Checksums) -> Result<()> {
        let Some(expected) = sent.get(self.proof()).or_else(|| sent.iter().next()) else { return Ok(()) };
        let proof = expected.algorithm();
        let mut read = ReadOptions::new();
        if let Some(version) = &written.version {
            read = read.version(version.clone());
        } else if let Some(etag) = &written.etag {
            read = read.if_match(etag.clone());
        }
        let found = match self.checksum(name, &[proof], read).await {
            Ok(found) => found.get(proof),
            Err(error) => return Err(error.maybe_applied()),
        };
        if found == Some(expected) {
            return Ok(());
        }
        let found = found.map_or_else(|| "nothing".to_owned(), |f| f.to_string());
        let message = format!("{expected} was sent and {found} reads back; the object is damaged");
        Err(Error::new(ErrorKind::InvalidData, message).maybe_applied())
    }

    /// What to compute while the bytes of a write pass.
    pub(super) fn digest(&self, options: &WriteOptions) -> Digest {
        let expected = options.request.expected.iter().map(Checksum::algorithm);
        let proof = self.wants_proof(&options.request).then(|| self.proof());
        let wanted = options.algorithms.iter().copied().chain(proof).chain(expected);
        Digest { hashers: Hashers::new(wanted), size: 0 }
    }

    /// What a write is verified by: what the service tells, or else the cheapest.
    pub(super) fn proof(&self) -> Algorithm {
        self.declared().told_checksum.unwrap_or(VERIFY)
    }

    /// Whether `Store` itself has to see to it that a write is verified.
    pub(super) fn wants_proof(&self, request: &WriteRequest) -> bool {
        request.verify && !self.declared().verified_writes
    }

    /// A write may be repeated if doing it twice is doing it once: it is unconditional, or its token tells our own
    /// success from somebody else's.
    pub(super) fn write_repeat(&self, request: &WriteRequest) -> Repeat {
        let provable = request.condition == Condition::None || self.declared().write_token;
        if provable { Repeat::Idempotent } else { Repeat::IfNotApplied }
    }

    /// Turns the failure of a write that was applied after all into the success it is. The proof is the write's own
    /// token on the object; that an object exists proves nothing.
    pub(super) async fn settle(
        &self,
        key: &Key,
        request: &WriteRequest,
        sent: Result<Metadata>,
    ) -> Result<Metadata> {
        let error = match sent {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        let condition_failed = matches!(
            error.kind(),
            ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::NotFound
        );
        let in_doubt = error.may_have_been_applied() || (condition_failed && error.attempts() > 1);
        // An answer that came and says that other bytes were taken is no lost one: the token proves whose the object is,
        // not what it holds.
        let damaged = error.kind() == ErrorKind::InvalidData && !error.is_retryable();
        if !in_doubt || damaged || !self.declared().write_token {
            return Err(error);
        }
        // Boxed, for it is rare, and this future is part of every write's.
        match Box::pin(self.stat_full(key, &StatRequest::default())).await {
            Ok(found) if found.token.as_ref() == Some(&request.token) => Ok(found),
            _ => Err(error),
        }
    }
}

/// Checksums taken while bytes pass, and the count of them.
#[derive(Debug)]
pub(super) struct Digest {
    hashers: Hashers,
    size: u64,
}

impl Digest {
    pub(super) fn update(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        self.hashers.update(data);
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The checksums, if they and the size are what the caller promised.
    pub(super) fn verify(self, request: &WriteRequest, size: u64) -> Result<Checksums> {
        if let Some(promised) = request.size
            && promised != size
        {
            let message = format!("{promised} bytes were promised and {size} came");
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let checksums = self.hashers.finish();
        for expected in &request.expected {
            let actual = checksums.get(expected.algorithm());
            if actual != Some(*expected) {
                let actual = actual.map_or_else(String::new, |a| format!(", the content has {a}"));
                return Err(Error::new(ErrorKind::InvalidData, format!("expected {expected}{actual}")));
            }
        }
        Ok(checksums)
    }
}

//! Copy and rename: by the backend where it can, through the client where it cannot (clauses COPY-1 and REN-1).

use super::Store;
use crate::capabilities::Level;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::meta::Metadata;
use crate::options::{
    Condition, CopyOptions, CopyRequest, DeleteTarget, ReadOptions, RenameOptions, StatOptions, StatRequest,
    WriteOptions,
};
use crate::retry::Repeat;

impl Store {
    /// Copies an object within the store: content, content headers and user metadata. A copy onto itself changes
    /// nothing, unless the options give new attributes.
    ///
    /// # Errors
    /// `NotFound` if there is no source, with the destination untouched; conditions as the options ask.
    pub async fn copy(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<Metadata> {
        let copied = self.copy_inner(from, to, options.request).await;
        copied.map_err(|error| {
            let name = in_trouble(&error, from, to);
            self.explain(error, Operation::Copy, name)
        })
    }

    async fn copy_inner(&self, from: &Key, to: &Key, request: CopyRequest) -> Result<Metadata> {
        self.admit_condition(&request.condition)?;
        self.admit_version(request.source_version.as_ref())?;
        if let Some(attributes) = &request.attributes {
            self.admit_attributes(attributes)?;
        }
        if from == to && request.attributes.is_none() && request.source_version.is_none() {
            return self.copy_onto_itself(&self.full(from)?, &request).await;
        }
        if self.declared().copy != Level::Atomic {
            return self.copy_through(from, to, request).await;
        }
        let (full_from, full_to) = (self.full(from)?, self.full(to)?);
        let unconditional = request.condition == Condition::None;
        let repeat = if unconditional { Repeat::Idempotent } else { Repeat::IfNotApplied };
        self.attempt(Operation::Copy, repeat, None, || self.backend().copy(&full_from, &full_to, &request))
            .await
    }

    /// By the backend's own key.
    pub(super) async fn copy_onto_itself(&self, key: &Key, request: &CopyRequest) -> Result<Metadata> {
        let metadata = self.stat_full(key, &StatRequest::default()).await?;
        let other = |expected| metadata.etag.as_ref() != Some(expected);
        match &request.condition {
            Condition::IfAbsent => {
                Err(Error::new(ErrorKind::AlreadyExists, "source and destination are the same object"))
            }
            Condition::IfMatch(etag) if other(etag) => {
                Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one"))
            }
            _ if request.source_if_match.as_ref().is_some_and(other) => {
                Err(Error::new(ErrorKind::PreconditionFailed, "the ETag of the source is another one"))
            }
            _ => Ok(metadata),
        }
    }

    /// Reads the source and writes the destination, pinned to one version of the source.
    async fn copy_through(&self, from: &Key, to: &Key, request: CopyRequest) -> Result<Metadata> {
        let mut read = ReadOptions::new();
        read.request.version = request.source_version;
        read.request.conditions.if_match = request.source_if_match;
        let reader = self.reader(from, read).await?;
        let source = reader.metadata();
        let attributes = request.attributes.unwrap_or_else(|| source.attributes.clone());
        let mut write = WriteOptions::new()
            .attributes(attributes)
            .condition(request.condition)
            .kind(source.kind)
            .size(source.size);
        if let (Some(unix), true) = (source.unix, self.declared().unix_attributes) {
            write = write.unix(unix, false);
        }
        self.writer(to, write).await?.write_all(reader).await
    }

    /// Renames an object. [`Capabilities::rename`](crate::Capabilities::rename) says whether in one step or as a copy
    /// and a delete; at no moment are both names gone. A rename onto itself changes nothing.
    ///
    /// # Errors
    /// `NotFound` if there is no source, with the destination untouched; `AlreadyExists` as the options ask;
    /// `PreconditionFailed` if an emulated rename found the source changed after it was copied: then both are there.
    pub async fn rename(&self, from: &Key, to: &Key, options: RenameOptions) -> Result<()> {
        let renamed = self.rename_inner(from, to, options.condition).await;
        renamed.map_err(|error| {
            let name = in_trouble(&error, from, to);
            self.explain(error, Operation::Rename, name)
        })
    }

    async fn rename_inner(&self, from: &Key, to: &Key, condition: Condition) -> Result<()> {
        self.admit_condition(&condition)?;
        if from == to {
            let request = CopyRequest { condition, ..CopyRequest::default() };
            return self.copy_onto_itself(&self.full(from)?, &request).await.map(drop);
        }
        if self.declared().rename == Level::Atomic {
            let (full_from, full_to) = (self.full(from)?, self.full(to)?);
            return self
                .attempt(Operation::Rename, Repeat::IfNotApplied, Some(self.shared.timeouts.work), || {
                    self.backend().rename(&full_from, &full_to, &condition)
                })
                .await;
        }
        self.rename_by_copy(from, to, condition).await
    }

    async fn rename_by_copy(&self, from: &Key, to: &Key, condition: Condition) -> Result<()> {
        let source = self.stat(from, StatOptions::new()).await?;
        let mut copy = CopyOptions::new();
        copy.request.condition = condition;
        copy.request.source_if_match = source.etag.clone();
        self.copy(from, to, copy).await?;
        // Only the version that was copied may go.
        let mut gone = DeleteTarget::new(from.clone());
        if self.declared().delete_if_match.is_supported() {
            gone.if_match = source.etag;
        } else if !same_version(&self.stat(from, StatOptions::new()).await?, &source) {
            let message = "the source changed after it was copied; both names are kept";
            return Err(Error::new(ErrorKind::PreconditionFailed, message).maybe_applied());
        }
        self.delete(gone).await
    }
}

/// Whether two stats are of one version, as far as the store tells.
fn same_version(one: &Metadata, other: &Metadata) -> bool {
    one.etag == other.etag
        && one.version == other.version
        && one.size == other.size
        && one.modified == other.modified
}

/// Which of the two keys an error is about.
fn in_trouble<'a>(error: &Error, from: &'a Key, to: &'a Key) -> &'a str {
    if error.kind() == ErrorKind::AlreadyExists { to.as_str() } else { from.as_str() }
}

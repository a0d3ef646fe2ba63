//! What an implementor writes: one thin method per request. The rules of the contract are kept by [`Store`](crate::Store).
//!
//! A backend maps a request to its service and the service's answer or error to ours, and nothing else. It does not
//! validate, retry, resume, verify lengths, evaluate read conditions, buffer parts or report progress: `Store` does,
//! once, for all of them. It never does less than asked: what it cannot do it declares in [`Capabilities`], and `Store`
//! refuses it before the backend is called.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::capabilities::Capabilities;
use crate::checksum::{Algorithm, Checksum, Checksums};
use crate::error::{Error, Result};
use crate::key::{Key, Prefix};
use crate::meta::Metadata;
use crate::options::{
    Change, CleanupReport, Condition, CopyRequest, CopyTarget, DeleteTarget, Entry, ListRequest, ReadRequest,
    StatRequest, WriteRequest,
};
use crate::sign::{SignRequest, SignedRequest};
use crate::transfer::TakenPart;

/// A boxed future: what the methods of object-safe async traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A body on its way in.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'static>>;

/// A store of objects, as its implementor sees it.
///
/// Every method is one request, or as few as the service needs. Errors carry kind and message; operation, backend and
/// key are added by `Store`. Dropping a returned future stops the work within a bound (clause CXL-1); work that was
/// handed to a blocking thread may finish its current step. Methods are called, and bodies polled, on a tokio runtime.
///
/// Wrappers implement every method, and deny `clippy::missing_trait_methods` so that none is forgotten.
pub trait Backend: Any + fmt::Debug + Send + Sync {
    /// The name in errors and tables, such as `fs`.
    fn name(&self) -> &str;

    /// What this backend can do, as opened. Constant over its life.
    fn capabilities(&self) -> Capabilities;

    /// Tells of the object at `key`.
    ///
    /// # Errors
    /// `NotFound` if there is none; a directory is none. `InvalidKey` if this backend can hold no such key.
    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>>;

    /// Opens the object at `key`: metadata, the range really sent, and the body.
    ///
    /// The metadata is of the version that the body comes from, in the same request (clause READ-2). If
    /// `conditions.if_match` or `version` is set, a body of any other version must not be sent. Other conditions may be
    /// left to `Store`.
    ///
    /// # Errors
    /// As [`stat`](Backend::stat), and `RangeNotSatisfiable`; see [`ByteRange::resolve`](crate::ByteRange::resolve).
    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>>;

    /// Writes a whole object of at most `limits.write_max` bytes in one request.
    ///
    /// After `Ok` the object is visible and durable as declared. After an error the old object stands as it was,
    /// unless the error says that it may have been applied.
    ///
    /// # Errors
    /// `AlreadyExists` and `PreconditionFailed` as the condition says; `InvalidKey`.
    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>>;

    /// Starts a write in parts. Nothing is visible before [`Upload::finish`].
    ///
    /// # Errors
    /// As [`write`](Backend::write); a condition may also be tested only when finishing.
    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>>;

    /// Goes on with an upload that was [kept](Upload::keep) under `name`, maybe by another process, with what it took.
    /// Answers which of `parts` still stand, proved equal: by the service's own word, by reading them back, or because the
    /// service holds the whole against its checksum at the end. `None` if the upload is gone, somebody works on it, or nothing
    /// can be taken up here; or, after giving it up, if what was settled when it began, such as attributes or a condition, is
    /// not what `request` asks for. `request.token` is that of its beginning.
    ///
    /// # Errors
    /// Whatever keeps the question from being answered.
    fn resume<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
        name: &'a str,
        parts: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>>;

    /// Prepares a listing; the first request goes out with the first page.
    fn list(&self, request: ListRequest) -> Box<dyn Lister>;

    /// Deletes up to `limits.delete_batch` objects: one result per target, in order. A missing object is `Ok`.
    ///
    /// # Errors
    /// The outer error means that no target was tried, unless it may have been applied.
    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>>;

    /// Copies inside the store: content, kind, permissions and attributes, or the request's attributes in their place.
    /// The copy is modified now and has no write token. Called only where `copy` is `Atomic`; with two equal keys only
    /// for new attributes or an old version.
    ///
    /// # Errors
    /// `NotFound` if there is no source, with the destination untouched; else as [`write`](Backend::write).
    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>>;

    /// Copies objects of another store of the same kind, as [`copy`](Backend::copy) does inside this one: by the service,
    /// without the bytes passing through the client. At most `limits.copy_batch` at a time, and one result for each, in
    /// order; `None` if this cannot be, with nothing done: then `Store` moves the bytes. An empty list asks whether it can.
    ///
    /// `source` is the other store's backend, wrappers included. Who finds it to be of a type that it does not know
    /// answers `None`, and so does a wrapper, lest what a wrapper does to the bytes be left out. The copy may keep the token
    /// of the write that made its source, which proves nothing of the copy.
    ///
    /// # Errors
    /// As `copy`, for each. The outer error means that none was tried, unless it may have been applied.
    fn copy_from<'a>(
        &'a self,
        source: &'a dyn Backend,
        copies: &'a [CopyTarget],
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>>;

    /// Renames an object. Called only where `rename` is `Atomic`, never with two equal keys.
    ///
    /// # Errors
    /// As [`copy`](Backend::copy).
    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>>;

    /// Changes times and permissions of the object or directory at `target` without touching its content. Called only
    /// for what `set_modified`, `unix_attributes` and `directories` declare.
    ///
    /// # Errors
    /// `NotFound` if nothing is there.
    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>>;

    /// Makes a directory and its parents. One that exists is `Ok`. Called only where `directories` is declared.
    ///
    /// # Errors
    /// `InvalidKey` if an object stands in its place.
    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>>;

    /// Removes an empty directory. A missing one is `Ok`. Called only where `directories` is declared.
    ///
    /// # Errors
    /// `PreconditionFailed` if it is not empty.
    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>>;

    /// Removes what interrupted writes under `prefix` left behind, and nothing that is still written. Called only where
    /// `cleanup` is declared.
    ///
    /// # Errors
    /// Those of listing and deleting; what was removed before stays removed.
    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>>;

    /// Signs a request ahead. Called only where `signed_urls` is declared, and only for as long as that.
    ///
    /// # Errors
    /// `Unauthenticated` if there is nothing to sign with.
    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>>;
}

/// What an update is about.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object.
    Object(Key),
    /// A real directory.
    Directory(Prefix),
}

impl Target {
    /// The name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(key) => key.as_str(),
            Self::Directory(prefix) => prefix.as_str(),
        }
    }
}

/// The answer to a read.
#[non_exhaustive]
pub struct ReadResponse {
    /// Of the version that the body comes from; `size` is that of the whole object.
    pub metadata: Metadata,
    /// Which bytes the body holds, by the service's own word.
    pub range: Range<u64>,
    /// The bytes. An early end is an error where the backend sees it; `Store` counts in any case.
    pub body: ByteStream,
    /// The object held open, where the backend can.
    pub handle: Option<Arc<dyn Handle>>,
}

/// An object that is held open: more of the very version that an answer is of, whatever happens to its key meanwhile.
pub trait Handle: fmt::Debug + Send + Sync {
    /// The bytes of `range`, which lies within the object. What keeps them from being had, a change in place among that, is
    /// an error in the stream.
    fn read(&self, range: Range<u64>) -> ByteStream;
}

impl ReadResponse {
    /// An answer.
    pub fn new(metadata: Metadata, range: Range<u64>, body: ByteStream) -> Self {
        Self { metadata, range, body, handle: None }
    }

    /// The same answer, with the object held open.
    pub fn with_handle(mut self, handle: Arc<dyn Handle>) -> Self {
        self.handle = Some(handle);
        self
    }
}

impl fmt::Debug for ReadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadResponse")
            .field("metadata", &self.metadata)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// A write in parts.
///
/// `Store` numbers parts from 0 without a gap, gives each its offset, repeats a failed one with the same bytes, and
/// calls `finish` or `abort` once no part is in flight. Dropping an upload without either must not publish; what cannot
/// be removed in a destructor is left to [`Backend::cleanup`].
pub trait Upload: fmt::Debug + Send + Sync {
    /// Takes one part. Parts complete in any order and take their place by number (clause WRITE-5). A try that was cut
    /// off for its time may still be on a blocking thread when the part comes again.
    ///
    /// # Errors
    /// After one the part may be sent again.
    fn part(&self, part: Part) -> BoxFuture<'_, Result<()>>;

    /// Whether the same part may travel twice at a time, and it does not matter which comes last, even if the call for the
    /// one that came first was dropped. Then a part that is late is sent once more beside it.
    fn takes_parts_twice(&self) -> bool {
        false
    }

    /// Publishes the object of `size` bytes and tells of it as a stat would. Called again after a lost answer, it tells
    /// the same, or fails with `NotFound` where the token of the write is kept and proves the first call.
    ///
    /// Called again if the error advises a retry. Where the lost call published after all, the upload is gone: answer
    /// `NotFound`, and `Store` looks for the write's token on the object.
    ///
    /// # Errors
    /// The condition's; the object is not published unless the error says that it may have been.
    fn finish(&self, size: u64) -> BoxFuture<'_, Result<Metadata>>;

    /// From now on what was taken outlives this value and this process, until it is finished or aborted. Gives the name by
    /// which [`Backend::resume`] finds it, or `None` where nothing can be kept.
    fn keep(&self) -> Option<String>;

    /// What [`Backend::resume`] needs to know of a part that was taken, such as the name that the service gave it.
    fn receipt(&self, number: u64) -> String;

    /// Drops everything taken. A second call, or one after a failed `finish`, is `Ok`.
    ///
    /// # Errors
    /// Whatever keeps parts from being removed; they are left to [`Backend::cleanup`].
    fn abort(&self) -> BoxFuture<'_, Result<()>>;
}

/// An upload that goes on.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs)] // what resuming gives is these two
pub struct Resumed {
    /// The upload.
    pub upload: Box<dyn Upload>,
    /// The numbers of the parts that stand.
    pub parts: Vec<u64>,
}

/// One part of an upload.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Part {
    /// Its place: 0, 1, 2, …
    pub number: u64,
    /// Its first byte's place in the object.
    pub offset: u64,
    /// Its bytes.
    pub body: Payload,
    /// Checksums of the bytes, as far as they are known already.
    pub checksums: Checksums,
}

impl Part {
    /// A part.
    pub fn new(number: u64, offset: u64, body: Payload) -> Self {
        Self { number, offset, body, checksums: Checksums::new() }
    }

    /// The same part, with checksums that are known of its bytes.
    pub fn with_checksums(mut self, checksums: Checksums) -> Self {
        self.checksums = checksums;
        self
    }
}

/// A listing in progress.
pub trait Lister: Send {
    /// The next page. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// A page that could not be had. An entry that could not be read stands inside the page, marked
    /// [`for_entry`](Error::for_entry).
    fn next_page(&mut self) -> BoxFuture<'_, Result<Page>>;
}

/// One page of a listing.
#[non_exhaustive]
#[derive(Debug, Default)]
pub struct Page {
    /// Entries in listing order, and the errors of single entries in between.
    pub entries: Vec<Result<Entry>>,
    /// The token of the next page, different on every page; `None` ends the listing. The lister remembers its place by
    /// itself: by the token `Store` notices a listing that goes in circles.
    pub next: Option<String>,
}

impl Page {
    /// A page.
    pub fn new(entries: Vec<Result<Entry>>, next: Option<String>) -> Self {
        Self { entries, next }
    }
}

/// Bytes to write, possibly in several pieces, so that nobody has to copy them together.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Payload {
    chunks: Vec<Bytes>,
    len: u64,
}

impl fmt::Debug for Payload {
    /// Without the bytes: what a user stores is nothing for a log (clause ERR-2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("len", &self.len).field("chunks", &self.chunks.len()).finish()
    }
}

impl Payload {
    /// No bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len() as u64;
            self.chunks.push(chunk);
        }
    }

    /// The length of all pieces in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The checksum of the bytes.
    pub fn checksum(&self, algorithm: Algorithm) -> Checksum {
        let mut hasher = algorithm.hasher();
        self.chunks.iter().for_each(|chunk| hasher.update(chunk));
        hasher.finish()
    }

    /// The pieces in order, none of them empty.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Takes the first `len` bytes away, or all if there are fewer.
    pub fn split_to(&mut self, len: u64) -> Payload {
        let mut taken = Payload::new();
        let mut rest = std::mem::take(&mut self.chunks).into_iter();
        for mut chunk in rest.by_ref() {
            let room = len - taken.len;
            if chunk.len() as u64 > room {
                taken.push(chunk.split_to(room as usize));
                self.chunks.push(chunk);
                break;
            }
            taken.push(chunk);
        }
        self.chunks.extend(rest);
        self.len -= taken.len;
        taken
    }

    /// All bytes in one piece; copies only if there are several.
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.len() == 1 {
            return self.chunks.remove(0);
        }
        let mut whole = BytesMut::with_capacity(self.len as usize);
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        let mut payload = Self::new();
        payload.push(bytes.into());
        payload
    }
}

/// A body made of these pieces, for backends that have the bytes at hand.
pub fn body(chunks: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>) -> ByteStream {
    Box::pin(futures_util::stream::iter(chunks.into_iter().map(Ok::<_, Error>)))
}

#[cfg(test)]
mod tests {
    use super::Payload;
    use bytes::Bytes;

    #[test]
    fn payload_splits_anywhere() {
        let whole = b"abcdefghij";
        for at in 0..=12u64 {
            let mut payload = Payload::from("abc");
            payload.push(Bytes::from_static(b"defg"));
            payload.push(Bytes::new());
            payload.push(Bytes::from_static(b"hij"));
            let head = payload.split_to(at);
            let cut = whole.len().min(at as usize);
            assert_eq!((head.len(), payload.len()), (cut as u64, (whole.len() - cut) as u64));
            assert_eq!(head.into_bytes(), whole[..cut]);
            assert_eq!(payload.into_bytes(), whole[cut..]);
        }
    }
}

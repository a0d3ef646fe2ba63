//! The user's handle. Everything the contract promises that can be kept in one place is kept here.

mod admit;
mod ahead;
mod change;
mod copy;
mod diary;
mod files;
mod hedged;
mod list;
mod parts;
mod read;
mod reader;
mod seek;
mod sign;
mod sink;
mod spread;
mod transfer;
mod write;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, BoxFuture};
use crate::capabilities::{Capabilities, Level};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{Key, Prefix};
use crate::layer::Layer;
use crate::progress::{Event, Progress, Silent};
use crate::retry::{Attempts, Contact, Repeat, RetryPolicy, Timeouts};
use crate::transfer::{Budget, Hedge, Limit, Window};

pub use list::Listing;
pub use read::ReadOutcome;
pub use reader::Reader;
pub use seek::SeekReader;
pub use transfer::Transferred;
pub use writer::Writer;

/// A store of objects, as its user holds it: a backend, a prefix and policies. A clone is cheap and shares all three.
///
/// `Store` keeps the contract for every backend alike: it validates, scopes keys under the prefix, refuses what the
/// backend does not declare before a byte is sent, verifies lengths, ranges, versions, order and checksums of what
/// comes back, resumes broken reads, and repeats what may be repeated. See `docs/contract.md`.
///
/// Every operation can be cancelled by dropping its future (clause CXL-1).
///
/// ```
/// use storage_core::{Key, ReadOptions, Store, WriteOptions};
/// use storage_memory::Memory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> storage_core::Result<()> {
/// let store = Store::new(Memory::new());
/// let key = Key::new("greeting.txt")?;
/// store.write(&key, "hello, world", WriteOptions::new().content_type("text/plain")).await?;
///
/// let hello = store.read(&key, ReadOptions::new().range(0..5)).await?;
/// assert_eq!(&hello.bytes[..], b"hello");
/// assert_eq!(hello.metadata.size, 12);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    prefix: Prefix,
}

#[derive(Clone)]
struct Shared {
    backend: Arc<dyn Backend>,
    capabilities: Capabilities,
    retry: RetryPolicy,
    timeouts: Timeouts,
    progress: Arc<dyn Progress>,
    contact: Contact,
    budget: Budget,
    window: Window,
    hedge: Hedge,
    limits: Vec<Limit>,
}

impl Store {
    /// A store on `backend`, with default policies.
    pub fn new(backend: impl Backend) -> Self {
        Self::from_arc(Arc::new(backend))
    }

    /// A store on a shared backend, with default policies.
    pub fn from_arc(backend: Arc<dyn Backend>) -> Self {
        let capabilities = backend.capabilities();
        let shared = Shared {
            backend,
            capabilities,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            progress: Arc::new(Silent),
            contact: Contact::default(),
            budget: Budget::default(),
            window: Window::default(),
            hedge: Hedge::default(),
            limits: Vec::new(),
        };
        Self { shared: Arc::new(shared), prefix: Prefix::root() }
    }

    /// The same store, seen from below `prefix`: keys are relative to it, and nothing outside it can be named.
    ///
    /// # Errors
    /// `InvalidKey` if this store's own prefix and `prefix` together are longer than a key may be.
    pub fn scoped(&self, prefix: &Prefix) -> Result<Self> {
        Ok(Self { shared: self.shared.clone(), prefix: self.prefix.join(prefix)? })
    }

    /// The same store with `layer` around everything so far.
    pub fn layer(&self, layer: &impl Layer) -> Self {
        let backend = layer.wrap(self.shared.backend.clone());
        self.with(|shared| {
            shared.capabilities = backend.capabilities();
            shared.backend = backend;
        })
    }

    /// The same store with another retry policy.
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        self.with(|shared| shared.retry = retry)
    }

    /// The same store with other timeouts.
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        self.with(|shared| shared.timeouts = timeouts)
    }

    /// The same store, telling its events to `progress`.
    pub fn with_progress(&self, progress: Arc<dyn Progress>) -> Self {
        self.with(|shared| shared.progress = progress)
    }

    /// The same store, whose transfers share `budget`. By default every new store has one of its own; a program that moves
    /// much between several stores gives all of them the same.
    pub fn with_budget(&self, budget: Budget) -> Self {
        self.with(|shared| shared.budget = budget)
    }

    /// The same store with another number of requests side by side for large objects.
    pub fn with_window(&self, window: Window) -> Self {
        self.with(|shared| shared.window = window)
    }

    /// The same store, which sends second requests beside late ones as `hedge` has it.
    pub fn with_hedge(&self, hedge: Hedge) -> Self {
        self.with(|shared| shared.hedge = hedge)
    }

    /// The same store, which keeps `limit` too, besides those that it keeps already.
    pub fn with_limit(&self, limit: Limit) -> Self {
        self.with(|shared| shared.limits.push(limit))
    }

    fn with(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = (*self.shared).clone();
        change(&mut shared);
        Self { shared: Arc::new(shared), prefix: self.prefix.clone() }
    }

    /// The backend's name, such as `fs`.
    pub fn backend_name(&self) -> &str {
        self.shared.backend.name()
    }

    /// Where this store stands in its backend.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// What this store can do: the backend's capabilities, and what `Store` makes of them. A copy or rename that the
    /// backend lacks is `Emulated`; delimiter and `start_after` always work.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.shared.capabilities.clone();
        capabilities.copy = capabilities.copy.max(Level::Emulated);
        capabilities.rename = capabilities.rename.max(Level::Emulated);
        capabilities.list_delimiter = true;
        capabilities.list_start_after = true;
        capabilities
    }

    /// What the backend itself declares.
    fn declared(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }

    /// The backend's key for the user's.
    fn full(&self, key: &Key) -> Result<Key> {
        if self.prefix.is_root() { Ok(key.clone()) } else { self.prefix.key(key.as_str()) }
    }

    /// Adds to an error what the backend cannot know: its own name, the operation that the user called, which may
    /// consist of others, and the key as the user named it.
    fn explain(&self, error: Error, operation: Operation, name: &str) -> Error {
        let only_reads = matches!(operation, Operation::Stat | Operation::Read | Operation::List);
        let error = if only_reads { error.never_applied() } else { error };
        let error = error.in_operation(operation).with_backend(self.backend_name().to_owned());
        if name.is_empty() { error } else { error.renamed(name) }
    }

    /// Makes a request until it succeeds, cannot succeed, or the policy says stop. Each try gets `limit` to answer.
    async fn attempt<'a, T>(
        &self,
        operation: Operation,
        repeat: Repeat,
        limit: Option<Duration>,
        mut request: impl FnMut() -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<T> {
        let mut attempts = self.attempts();
        loop {
            let error = match self.within(limit, request()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.pause(operation, &mut attempts, error, repeat).await?;
        }
    }

    /// A new run of tries.
    fn attempts(&self) -> Attempts {
        Attempts::new(&self.shared.retry, &self.shared.contact)
    }

    /// Gives a request this long. One that was cut off may have been applied.
    async fn within<T>(
        &self,
        limit: Option<Duration>,
        request: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.request_allowed().await;
        self.listen(limit, request).await
    }

    /// Waits this long for what is no request of its own.
    async fn listen<T>(
        &self,
        limit: Option<Duration>,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let answer = timed(limit, answer).await;
        self.shared.contact.note(&answer);
        answer
    }

    /// Begins an upload or gives it up, like [`attempt`](Store::attempt). That it is done is no sign of the service: some
    /// do it without a request.
    async fn attempt_upload<'a, T>(
        &self,
        mut request: impl FnMut() -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<T> {
        let mut attempts = self.attempts();
        loop {
            self.request_allowed().await;
            let error = match timed(self.silence(), request()).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.shared.contact.note_error(&error);
            self.pause(Operation::Write, &mut attempts, error, Repeat::Idempotent).await?;
        }
    }

    /// Waits before the next try, or gives the error back.
    async fn pause(
        &self,
        operation: Operation,
        attempts: &mut Attempts,
        error: Error,
        repeat: Repeat,
    ) -> Result<()> {
        if error.kind() == ErrorKind::Throttled {
            self.shared.window.throttled();
        }
        let (wait, error) = attempts.after(error, repeat)?;
        self.shared.progress.event(Event::Retry { operation, error: &error, wait });
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Waits until one more request may go out.
    async fn request_allowed(&self) {
        for limit in &self.shared.limits {
            limit.request().await;
        }
    }

    /// Waits until this many bytes may move.
    async fn bytes_allowed(&self, count: u64) {
        for limit in &self.shared.limits {
            limit.bytes(count).await;
        }
    }

    /// How many of `bytes` should move in one piece.
    fn piece(&self, bytes: u64) -> u64 {
        self.shared.limits.iter().fold(bytes, |piece, limit| limit.piece(piece))
    }

    /// The least that all limits allow a second.
    fn rate(&self) -> Option<u64> {
        self.shared.limits.iter().filter_map(|limit| limit.get().bytes_per_second).min()
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.shared.timeouts.silence)
    }
}

/// Gives a request this long. One that was cut off may have been applied.
async fn timed<T>(limit: Option<Duration>, request: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let Some(limit) = limit else { return request.await };
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        let message = format!("no answer within {limit:?}");
        Err(Error::new(ErrorKind::TimedOut, message).maybe_applied())
    })
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("backend", &self.shared.backend)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

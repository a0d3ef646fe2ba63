//! Every request, in order, without its secrets.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

use super::head::RequestHead;
use super::redact;

/// One request as it went by. It holds neither credentials nor content.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, with `***` in place of signatures and tokens.
    pub target: String,
    /// Names in lower case and values of those headers that hold no secret, such as `range` and `if-match`.
    pub headers: Vec<(String, String)>,
    /// On which connection of the client it came, counted from 0.
    pub connection: u64,
    /// When it came.
    pub at: Instant,
    /// What the client was answered; `None` if nothing was, or nothing yet.
    pub status: Option<u16>,
    /// Bytes of the body, framing included, that the proxy took from the client.
    pub sent: u64,
    /// Bytes of the answer's body, that the proxy set out to give to the client; with its framing where it passed
    /// unchanged.
    pub received: u64,
}

impl Request {
    pub(super) fn new(head: &RequestHead, connection: u64) -> Self {
        let shown = |(name, value): &(String, String)| Some((name.clone(), redact::header(name, value)?));
        Self {
            method: head.method.clone(),
            target: redact::target(&head.target),
            headers: head.headers.iter().filter_map(shown).collect(),
            connection,
            at: Instant::now(),
            status: None,
            sent: 0,
            received: 0,
        }
    }

    /// A header by its name in lower case, if it came and may be shown.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The requests so far. A clone shows the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<Arc<Mutex<Request>>>>>);

impl Journal {
    pub(super) fn begin(&self, request: Request) -> Note {
        let note = Note(Arc::new(Mutex::new(request)));
        self.all().push(note.0.clone());
        note
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.all().iter().map(|request| lock(request).clone()).collect()
    }

    pub(super) fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Mutex<Request>>>> {
        self.0.lock().expect("because no holder of the lock panics")
    }
}

/// The entry of a request that is under way. It outlives a journal that forgot it.
#[derive(Clone, Debug)]
pub(super) struct Note(Arc<Mutex<Request>>);

impl Note {
    pub(super) fn answered(&self, status: u16) {
        lock(&self.0).status = Some(status);
    }

    pub(super) fn sent(&self, bytes: usize) {
        lock(&self.0).sent += bytes as u64;
    }

    pub(super) fn received(&self, bytes: u64) {
        lock(&self.0).received += bytes;
    }
}

fn lock(request: &Mutex<Request>) -> MutexGuard<'_, Request> {
    request.lock().expect("because no holder of the lock panics")
}

//! What waits, and who waits for what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use storage_core::{Error, ErrorKind, Key, Result, Retry};
use tokio::sync::{Mutex, watch};

use crate::Capacity;

/// Shared by both ends.
#[derive(Debug)]
pub(crate) struct Waiting {
    capacity: Capacity,
    state: watch::Sender<State>,
    /// Who waits for room waits in line: a large object must not wait until no small one comes.
    line: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// The keys that wait, in the order in which they began to.
    order: BTreeMap<u64, Key>,
    next: u64,
    /// What is held, and what room is kept for.
    objects: usize,
    bytes: u64,
    /// Written or deleted perhaps: only the backend knows.
    doubtful: BTreeSet<Key>,
    /// How many are about to change what the backend holds.
    changing: usize,
    has_no_sender: bool,
    has_no_receiver: bool,
}

#[derive(Debug, Default)]
struct Entry {
    /// The object that waits or is with the receiver: its size, and its place in the order.
    held: Option<(u64, u64)>,
    /// One alone writes, deletes or receives it: else what one of them does would be told of as the other's.
    is_claimed: bool,
}

impl State {
    fn has_room(&self, capacity: &Capacity, size: u64) -> bool {
        let fits = self.objects < capacity.objects
            && self.bytes.checked_add(size).is_some_and(|bytes| bytes <= capacity.bytes);
        fits || self.objects == 0
    }

    fn is_free(&self, key: &Key) -> bool {
        self.entries.get(key).is_none_or(|entry| !entry.is_claimed)
    }

    /// The first that certainly can be received.
    fn first(&self) -> Option<&Key> {
        self.order.values().find(|key| self.is_free(key) && !self.doubtful.contains(*key))
    }

    /// One that has to be asked for, behind this one.
    fn next_doubtful(&self, last: Option<&Key>) -> Option<&Key> {
        self.doubtful.iter().find(|key| last.is_none_or(|last| *key > last) && self.is_free(key))
    }

    fn is_held(&self, key: &Key) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.held.is_some())
    }

    fn claim(&mut self, key: &Key) {
        self.entries.entry(key.clone()).or_default().is_claimed = true;
    }

    /// It waits, with so many bytes. Written again it keeps its place.
    fn hold(&mut self, key: &Key, size: u64) {
        let entry = self.entries.entry(key.clone()).or_default();
        let place = match entry.held {
            Some((old, place)) => {
                self.objects -= 1;
                self.bytes -= old;
                place
            }
            None => {
                self.next += 1;
                self.next
            }
        };
        entry.held = Some((size, place));
        self.objects += 1;
        self.bytes += size;
        self.order.insert(place, key.clone());
    }

    /// It is gone.
    fn free(&mut self, key: &Key) {
        if let Some((size, place)) = self.entries.get_mut(key).and_then(|entry| entry.held.take()) {
            self.order.remove(&place);
            self.objects -= 1;
            self.bytes -= size;
        }
    }

    fn settle(&mut self, key: &Key, outcome: Outcome) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.is_claimed = false;
        }
        match outcome {
            Outcome::Unchanged => {}
            // What stood there stands, or something newer.
            Outcome::PerhapsWritten if self.is_held(key) => {}
            Outcome::PerhapsWritten | Outcome::Doubtful => {
                self.doubtful.insert(key.clone());
            }
            Outcome::Stands(size) => {
                self.doubtful.remove(key);
                self.hold(key, size);
            }
            Outcome::Gone => {
                self.doubtful.remove(key);
                self.free(key);
            }
        }
        if self.entries.get(key).is_some_and(|entry| entry.held.is_none() && !entry.is_claimed) {
            self.entries.remove(key);
        }
    }
}

impl Waiting {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { capacity, state: watch::Sender::new(State::default()), line: Mutex::new(()) }
    }

    async fn until(&self, holds: impl FnMut(&State) -> bool) {
        // Cannot fail: the other end is here.
        let _ = self.state.subscribe().wait_for(holds).await;
    }

    /// Waits until nobody else has these keys, and, for a write of so many bytes, for room. Dropped half-way, nothing is claimed.
    pub(crate) async fn enter(self: &Arc<Self>, keys: Vec<Key>, size: Option<u64>) -> Result<Claim> {
        loop {
            // Not in line: whoever has one of them may wait for what others write.
            self.until(|state| keys.iter().all(|key| state.is_free(key))).await;
            let _turn = match size {
                Some(_) => Some(self.line.lock().await),
                None => None,
            };
            let has_room = |state: &State| size.is_none_or(|size| state.has_room(&self.capacity, size));
            self.until(|state| has_room(state) || state.has_no_receiver).await;
            let mut entered = Ok(false);
            self.state.send_modify(|state| {
                if !has_room(state) {
                    if state.has_no_receiver {
                        let message = "there is no room, and nobody receives any more";
                        entered = Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Never));
                    }
                } else if keys.iter().all(|key| state.is_free(key)) {
                    keys.iter().for_each(|key| state.claim(key));
                    state.objects += usize::from(size.is_some());
                    state.bytes += size.unwrap_or(0);
                    state.changing += 1;
                    entered = Ok(true);
                }
            });
            if entered? {
                let outcome = if size.is_some() { Outcome::PerhapsWritten } else { Outcome::Doubtful };
                let keys = keys.into_iter().map(|key| (key, outcome)).collect();
                return Ok(Claim { waiting: self.clone(), keys, room: size, is_change: true });
            }
        }
    }

    /// It stands in the backend, whether there is room or not. Nothing happens if that is known.
    pub(crate) fn found(&self, key: &Key, size: u64) {
        self.state.send_if_modified(|state| {
            let is_new = !state.entries.contains_key(key);
            if is_new {
                state.hold(key, size);
            }
            is_new
        });
    }

    /// Seems to stand in the backend. Nothing happens if that is known.
    pub(crate) fn suspect(&self, key: &Key) {
        self.state
            .send_if_modified(|state| !state.entries.contains_key(key) && state.doubtful.insert(key.clone()));
    }

    /// Waits until something can be received or asked for, or nothing ever comes any more: then it is true.
    pub(crate) async fn something(&self) -> bool {
        let mut is_over = false;
        self.until(|state| {
            let is_there = state.first().is_some() || state.next_doubtful(None).is_some();
            is_over = !is_there && state.has_no_sender && state.changing == 0;
            is_there || is_over
        })
        .await;
        is_over
    }

    /// Claims the first that can be received. Given up, it waits again.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Claim> {
        self.claim(Outcome::Unchanged, |state| state.first().cloned())
    }

    /// Claims one that has to be asked for, behind this one. Given up, it still has to be.
    pub(crate) fn take_doubtful(self: &Arc<Self>, last: Option<&Key>) -> Option<Claim> {
        self.claim(Outcome::Doubtful, |state| state.next_doubtful(last).cloned())
    }

    fn claim(
        self: &Arc<Self>,
        outcome: Outcome,
        choose: impl FnOnce(&State) -> Option<Key>,
    ) -> Option<Claim> {
        let mut taken = None;
        self.state.send_if_modified(|state| {
            taken = choose(state);
            taken.iter().for_each(|key| state.claim(key));
            // Nobody waits for a key that is claimed.
            false
        });
        let keys = vec![(taken?, outcome)];
        Some(Claim { waiting: self.clone(), keys, room: None, is_change: false })
    }

    pub(crate) fn ends(&self) {
        self.state.send_modify(|state| state.has_no_receiver = true);
    }

    pub(crate) fn len(&self) -> usize {
        self.state.borrow().order.len()
    }
}

/// What is known of an object after something was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As before.
    Unchanged,
    /// It stands in the backend, and has so many bytes.
    Stands(u64),
    Gone,
    /// Only the backend knows whether the write was done.
    PerhapsWritten,
    /// Only the backend knows whether it stands there.
    Doubtful,
}

/// Keys that nobody else writes, deletes or receives, and room for what is written. When it goes, what became of them counts.
#[derive(Debug)]
pub(crate) struct Claim {
    waiting: Arc<Waiting>,
    keys: Vec<(Key, Outcome)>,
    room: Option<u64>,
    is_change: bool,
}

impl Claim {
    /// The key of a claim of one.
    pub(crate) fn key(&self) -> &Key {
        // A claim has a key, or it would be none.
        &self.keys[0].0
    }

    /// Says what became of all of its keys.
    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        self.keys.iter_mut().for_each(|(_, of)| *of = outcome);
    }

    /// Says what became of each.
    pub(crate) fn outcomes(&mut self, of: impl Fn(&Key) -> Outcome) {
        self.keys.iter_mut().for_each(|(key, outcome)| *outcome = of(key));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.waiting.state.send_modify(|state| {
            if let Some(size) = self.room {
                state.objects -= 1;
                state.bytes -= size;
            }
            state.changing -= usize::from(self.is_change);
            self.keys.iter().for_each(|(key, outcome)| state.settle(key, *outcome));
        });
    }
}

/// Held by all that can write. When the last of them goes, nothing comes any more.
#[derive(Debug)]
pub(crate) struct Open(pub(crate) Arc<Waiting>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.has_no_sender = true);
    }
}

//! Connections that are shared: as few as serve, as many as the configuration allows.

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use storage_core::{Error, Result};

use crate::config::Config;
use crate::session::Session;

/// Operations that share one connection before another is made.
const SHARED_BY: usize = 4;

/// A connection in the making: who needs one waits for the same, and hears the same error.
type Making = BoxFuture<'static, Result<Arc<Session>, Arc<Error>>>;

#[derive(Debug)]
pub(crate) struct Pool {
    config: Config,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: Vec<Arc<Session>>,
    /// Held by those who wait for it: without them it ends.
    making: Option<WeakShared<Making>>,
}

/// What an operation can do for a connection.
enum Way {
    Use(Arc<Session>),
    /// Wait for another, or take the one that stands.
    Make(Shared<Making>, Option<Arc<Session>>),
}

impl Pool {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, state: Mutex::default() }
    }

    /// A connection that stands. It counts as used for as long as the answer is held.
    pub(crate) async fn session(&self) -> Result<Arc<Session>> {
        loop {
            let session = match self.way() {
                Way::Use(session) => session,
                Way::Make(making, standing) => match (making.await, standing) {
                    (Ok(session), _) => {
                        self.keep(&session);
                        session
                    }
                    // Servers limit connections: one that stands serves more than its share.
                    (Err(_), Some(standing)) if !standing.is_broken() => standing,
                    (Err(error), _) => return Err(same(&error)),
                },
            };
            if session.is_healthy().await {
                return Ok(session);
            }
        }
    }

    fn way(&self) -> Way {
        let mut state = self.state.lock().expect("because no holder of the lock panics");
        state.sessions.retain(|session| !session.is_broken());
        let least = state.sessions.iter().min_by_key(|session| Arc::strong_count(session)).cloned();
        let enough = state.sessions.len() >= self.config.sessions;
        let making = state.making.as_ref().and_then(WeakShared::upgrade);
        let making = making.filter(|making| making.peek().is_none());
        match (least, making) {
            // Two counts are the pool's and ours.
            (Some(session), making)
                if enough || making.is_some() || Arc::strong_count(&session) <= SHARED_BY + 1 =>
            {
                Way::Use(session)
            }
            (least, Some(making)) => Way::Make(making, least),
            (least, None) => {
                let config = self.config.clone();
                let making = async move { Session::connect(&config).await.map(Arc::new).map_err(Arc::new) };
                let making = making.boxed().shared();
                state.making = making.downgrade();
                Way::Make(making, least)
            }
        }
    }

    fn keep(&self, session: &Arc<Session>) {
        let mut state = self.state.lock().expect("because no holder of the lock panics");
        if !state.sessions.iter().any(|kept| Arc::ptr_eq(kept, session)) {
            state.sessions.push(session.clone());
        }
    }
}

/// An error told to one more of those who waited.
fn same(error: &Error) -> Error {
    let told = Error::new(error.kind(), error.message().to_owned()).with_retry(error.retry());
    match error.source() {
        Some(source) => told.with_source(source.to_string()),
        None => told,
    }
}

//! Connections that are shared: as few as serve, as many as the configuration allows.

use std::sync::Arc;

use storage_core::Result;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::session::Session;

/// Operations that share one connection before another is made.
const SHARED_BY: usize = 4;

#[derive(Debug)]
pub(crate) struct Pool {
    config: Config,
    sessions: Mutex<Vec<Arc<Session>>>,
}

impl Pool {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, sessions: Mutex::default() }
    }

    /// A connection that stands. It counts as used for as long as the answer is held.
    pub(crate) async fn session(&self) -> Result<Arc<Session>> {
        let mut sessions = self.sessions.lock().await;
        loop {
            sessions.retain(|session| !session.is_broken());
            let least = sessions.iter().min_by_key(|session| Arc::strong_count(session));
            let enough = sessions.len() >= self.config.sessions;
            match least {
                // One count is ours.
                Some(session) if enough || Arc::strong_count(session) <= SHARED_BY => {
                    let session = session.clone();
                    if session.is_healthy().await {
                        return Ok(session);
                    }
                }
                _ => {
                    let session = Arc::new(Session::connect(&self.config).await?);
                    sessions.push(session.clone());
                    return Ok(session);
                }
            }
        }
    }
}
